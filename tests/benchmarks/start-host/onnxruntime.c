/*
 * A user's program with onnxruntime's shared library: open the ONNX file, run it once. Arguments: model, task, file of the
 * first output. The library's C API is a table of functions that only grows: those in use are told by their places in it.
 */
#include "host.h"

typedef struct { const void *const *(*get_api)(uint32_t version); const char *(*version)(void); } ort_base;
extern const ort_base *OrtGetApiBase(void);

enum { API_VERSION = 11 };
enum {
  GET_ERROR_MESSAGE = 2,
  CREATE_ENV = 3,
  CREATE_SESSION = 7,
  RUN = 9,
  CREATE_SESSION_OPTIONS = 10,
  SET_INTRA_OP_NUM_THREADS = 24,
  CREATE_TENSOR_WITH_DATA = 49,
  GET_TENSOR_MUTABLE_DATA = 51,
  GET_TENSOR_ELEMENT_TYPE = 60,
  GET_TENSOR_SHAPE_ELEMENT_COUNT = 64,
  GET_TENSOR_TYPE_AND_SHAPE = 65,
  CREATE_CPU_MEMORY_INFO = 69,
  RELEASE_ENV = 92,
  RELEASE_SESSION = 95
};
enum { LOG_ERRORS = 3, ARENA_ALLOCATOR = 1, DEFAULT_MEMORY = 0 };

static const char *const NAMES[] = {"f32", "u8", "i8", "i32", "i64"};
static const int NUMBERS[] = {1, 2, 3, 6, 7};

static const void *const *api;

static void check(void *status) {
  if (status != NULL) give_up("onnxruntime", ((const char *(*)(void *))api[GET_ERROR_MESSAGE])(status));
}

static size_t bytes_of(void *value) {
  void *shape;
  size_t count;
  int type;
  check(((void *(*)(void *, void **))api[GET_TENSOR_TYPE_AND_SHAPE])(value, &shape));
  check(((void *(*)(void *, size_t *))api[GET_TENSOR_SHAPE_ELEMENT_COUNT])(shape, &count));
  check(((void *(*)(void *, int *))api[GET_TENSOR_ELEMENT_TYPE])(shape, &type));
  for (size_t n = 0; n < sizeof NUMBERS / sizeof *NUMBERS; n++)
    if (NUMBERS[n] == type) return count * element_bytes(NAMES[n]);
  give_up("output", "of a dtype that a task does not have");
  return 0;
}

int main(int argc, char **argv) {
  static struct task task;
  const char *names[MOST_PORTS], *wanted[MOST_PORTS];
  void *values[MOST_PORTS], *results[MOST_PORTS] = {0}, *env, *options, *session, *memory, *data;
  if (argc < 3) give_up("arguments", "want a model and a task");
  read_task(argv[2], &task);
  api = OrtGetApiBase()->get_api(API_VERSION);
  if (api == NULL) give_up("onnxruntime", "an older library");
  check(((void *(*)(int, const char *, void **))api[CREATE_ENV])(LOG_ERRORS, "start", &env));
  check(((void *(*)(void **))api[CREATE_SESSION_OPTIONS])(&options));
  check(((void *(*)(void *, int))api[SET_INTRA_OP_NUM_THREADS])(options, 1));
  check(((void *(*)(void *, const char *, void *, void **))api[CREATE_SESSION])(env, argv[1], options, &session));
  check(((void *(*)(int, int, void **))api[CREATE_CPU_MEMORY_INFO])(ARENA_ALLOCATOR, DEFAULT_MEMORY, &memory));
  for (size_t i = 0; i < task.input_count; i++) {
    struct input *input = &task.inputs[i];
    int type = 0;
    for (size_t n = 0; n < sizeof NUMBERS / sizeof *NUMBERS; n++)
      if (strcmp(NAMES[n], input->dtype) == 0) type = NUMBERS[n];
    names[i] = input->name;
    check(((void *(*)(void *, void *, size_t, const int64_t *, size_t, int, void **))api[CREATE_TENSOR_WITH_DATA])(
      memory, input->data, input->bytes, input->dims, input->rank, type, &values[i]));
  }
  for (size_t i = 0; i < task.output_count; i++) wanted[i] = task.outputs[i];
  check(((void *(*)(void *, void *, const char *const *, void *const *, size_t, const char *const *, size_t, void **))
           api[RUN])(session, NULL, names, values, task.input_count, wanted, task.output_count, results));
  check(((void *(*)(void *, void **))api[GET_TENSOR_MUTABLE_DATA])(results[0], &data));
  finish(task.output_count, data, bytes_of(results[0]), argc > 3 ? argv[3] : NULL);
  ((void (*)(void *))api[RELEASE_SESSION])(session);
  ((void (*)(void *))api[RELEASE_ENV])(env);
  return 0;
}

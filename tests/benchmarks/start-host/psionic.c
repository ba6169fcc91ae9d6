/* A user's program with a model's library: load the bundle, run it once. Arguments: bundle, task, file of the first output. */
#include "host.h"
#include "model.h"

static const char *const NAMES[] = {"f32", "i32", "i64", "u8", "i8"};
static const uint32_t NUMBERS[] = {PSN_F32, PSN_I32, PSN_I64, PSN_U8, PSN_I8};

int main(int argc, char **argv) {
  static struct task task;
  static psn_tensor inputs[MOST_PORTS], outputs[MOST_PORTS];
  char error[PSN_ERROR_BYTES];
  psn_model *model;
  if (argc < 3) give_up("arguments", "want a bundle and a task");
  read_task(argv[2], &task);
  if (psn_load(argv[1], NULL, &model, error, sizeof error) != PSN_OK) give_up("load", error);
  size_t count = psn_input_count(), given = 0;
  for (size_t i = 0; i < count; i++) {
    psn_port port;
    psn_input(i, &port);
    for (size_t k = 0; k < task.input_count; k++) {
      const struct input *input = &task.inputs[k];
      if (strcmp(input->name, port.name) != 0) continue;
      inputs[i].data = input->data;
      inputs[i].bytes = input->bytes;
      inputs[i].rank = (uint32_t)input->rank;
      memcpy(inputs[i].dims, input->dims, input->rank * sizeof(int64_t));
      for (size_t n = 0; n < sizeof NUMBERS / sizeof *NUMBERS; n++)
        if (strcmp(NAMES[n], input->dtype) == 0) inputs[i].dtype = NUMBERS[n];
      given++;
    }
  }
  if (given != count) give_up("inputs", "the task lacks some");
  if (psn_run(model, inputs, count, outputs, psn_output_count()) != PSN_OK) give_up("run", psn_error(model));
  finish(psn_output_count(), outputs[0].data, (size_t)outputs[0].bytes, argc > 3 ? argv[3] : NULL);
  psn_free(model);
  return 0;
}

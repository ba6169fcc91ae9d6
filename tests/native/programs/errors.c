/*
 * Gives the library of the model in c-library.test.ts every wrong argument that there is, and prints a line for each:
 * what was wrong, the status, the text. Arguments: the bundle, another bundle, and a folder for files of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"

static psn_model *model;
static char error[PSN_ERROR_BYTES];

static void loads(const char *what, const char *bundle, const psn_options *options) {
  psn_status status = psn_load(bundle, options, &model, error, sizeof error);
  printf("%s: %d%s%s", what, (int)status, status == PSN_OK ? "" : " ", error);
  puts(status != PSN_OK && model != NULL ? " and a model" : "");
  psn_free(model);
  model = NULL;
}

static void says(const char *what, psn_status status) {
  printf("%s: %d%s%s\n", what, (int)status, status == PSN_OK ? "" : " ", status == PSN_OK ? "" : psn_error(model));
}

/* The file's bytes; the caller frees them. */
static unsigned char *contents(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  unsigned char *all;
  if (file == NULL) exit(3);
  fseek(file, 0, SEEK_END);
  *bytes = (size_t)ftell(file);
  rewind(file);
  all = malloc(*bytes);
  if (all == NULL || fread(all, 1, *bytes, file) != *bytes) exit(3);
  fclose(file);
  return all;
}

static const char *written(const char *folder, const char *name, const unsigned char *bytes, size_t count) {
  static char path[1024];
  FILE *file;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  file = fopen(path, "wb");
  if (file == NULL || fwrite(bytes, 1, count, file) != count) exit(3);
  fclose(file);
  return path;
}

static void files(const char *bundle, const char *other, const char *folder) {
  size_t count, i;
  unsigned char *bytes = contents(bundle, &count);
  unsigned char *where = NULL;
  const unsigned char mark[4] = {0x00, 0x00, 0x28, 0x42}; /* the weight 42 */
  loads("missing", "/nowhere/gate.psn", NULL);
  loads("folder", folder, NULL);
  loads("empty", "/dev/null", NULL);
  loads("null", NULL, NULL);
  loads("other", other, NULL);
  loads("text", written(folder, "text.psn", (const unsigned char *)"this is a text that is long enough to be a header", 49), NULL);
  loads("cut in the header", written(folder, "header.psn", bytes, 47), NULL);
  loads("cut", written(folder, "cut.psn", bytes, count - 1), NULL);
  for (i = 0; i + 4 <= count && where == NULL; i++)
    if (memcmp(bytes + i, mark, 4) == 0) where = bytes + i;
  if (where == NULL) exit(4);
  where[0] = 1;
  loads("changed", written(folder, "changed.psn", bytes, count), NULL);
  {
    psn_options trusting = {sizeof trusting, NULL, 0, 0, 1};
    loads("changed and trusted", written(folder, "changed.psn", bytes, count), &trusting);
  }
  printf("no place for a model: %d %s\n", (int)psn_load(bundle, NULL, NULL, error, sizeof error), error);
  printf("no place for a text: %d\n", (int)psn_load("/nowhere", NULL, &model, NULL, 100));
  printf("a short place for a text: %d %s\n", (int)psn_load("/nowhere", NULL, &model, error, 10), error);
  free(bytes);
}

static void memory(const char *bundle) {
  size_t count;
  unsigned char *bytes = contents(bundle, &count);
  unsigned char *aside = malloc(count + 8);
  printf("memory: %d\n", (int)psn_load_memory(bytes, count, NULL, &model, error, sizeof error));
  psn_free(model);
  printf("memory, null: %d %s\n", (int)psn_load_memory(NULL, count, NULL, &model, error, sizeof error), error);
  printf("memory, short: %d %s\n", (int)psn_load_memory(bytes, 12, NULL, &model, error, sizeof error), error);
  if (aside == NULL) exit(3);
  memcpy(aside + 1, bytes, count);
  printf("memory, aside: %d %s\n", (int)psn_load_memory(aside + 1, count, NULL, &model, error, sizeof error), error);
  free(aside);
  free(bytes);
}

static void options(const char *bundle) {
  psn_options wrong = {0, NULL, 0, 0, 0};
  char *arena = malloc(GATE_ARENA_BYTES + 64);
  char *start = arena + (64 - (size_t)arena % 64) % 64;
  if (arena == NULL) exit(3);
  loads("options without a size", bundle, &wrong);
  wrong.size = sizeof wrong + 8;
  loads("options of another header", bundle, &wrong);
  wrong.size = sizeof wrong;
  wrong.threads = 2;
  loads("threads", bundle, &wrong);
  wrong.threads = 1;
  wrong.arena = start;
  wrong.arena_bytes = GATE_ARENA_BYTES - 1;
  loads("small arena", bundle, &wrong);
  wrong.arena_bytes = GATE_ARENA_BYTES;
  wrong.arena = start + 8;
  loads("arena aside", bundle, &wrong);
  wrong.arena = start;
  loads("arena", bundle, &wrong);
  free(arena);
}

static void tensors(const char *bundle) {
  float x[20] = {0}, y[20];
  unsigned char keep[5] = {1, 0, 1, 0, 1};
  psn_tensor in[GATE_INPUTS], out[GATE_OUTPUTS];
  psn_tensor *first = &in[GATE_INPUT_X], *second = &in[GATE_INPUT_KEEP];
  memset(in, 0, sizeof in);
  memset(out, 0, sizeof out);
  if (psn_load(bundle, NULL, &model, error, sizeof error) != PSN_OK) exit(5);
  printf("no error yet: \"%s\"\n", psn_error(model));
  says("no dtype", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  first->dtype = PSN_F64;
  says("dtype", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  first->dtype = PSN_F32;
  second->dtype = PSN_BOOL;
  first->rank = 40;
  says("rank", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  first->rank = 2;
  second->rank = 1;
  first->dims[0] = 6;
  first->dims[1] = 4;
  says("too large", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  first->dims[0] = -3;
  says("negative", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  first->dims[0] = 5;
  second->dims[0] = 4;
  says("sizes that differ", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  says("shapes of sizes that differ", psn_output_shapes(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  second->dims[0] = 5;
  says("shapes", psn_output_shapes(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  printf("%d bytes, [%d, %d]\n", (int)out[0].bytes, (int)out[0].dims[0], (int)out[0].dims[1]);
  first->bytes = 79;
  says("bytes", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  first->bytes = 80;
  says("no data", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  first->data = x;
  second->bytes = 5;
  second->data = keep;
  keep[3] = 2;
  says("a value that is none", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  keep[3] = 0;
  first->data = (char *)psn_input_data(model, GATE_INPUT_X) + 4;
  says("the model's memory", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  first->data = x;
  says("one input", psn_run(model, in, 1, out, GATE_OUTPUTS));
  says("shapes without a place", psn_output_shapes(model, in, GATE_INPUTS, NULL, GATE_OUTPUTS));
  out[0].data = y;
  out[0].capacity = 79;
  says("a small output", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  out[0].data = (char *)psn_input_data(model, GATE_INPUT_X) - 1000000;
  out[0].capacity = 2000000;
  says("an output around the model", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  out[0].data = y;
  out[0].capacity = 80;
  says("right", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  printf("%g %g %g, %d of dtype %d\n", y[0], y[4], y[19], (int)out[0].bytes, (int)out[0].dtype);
  says("right again", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  printf("%g %g %g\n", y[0], y[4], y[19]);
  says("reset", psn_reset(model));
  says("right after reset", psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS));
  printf("%g %g %g\n", y[0], y[4], y[19]);
  psn_free(model);
  model = NULL;
}

static void nulls(void) {
  psn_port port;
  psn_range range;
  static double nothing[64];
  psn_model *foreign = (psn_model *)nothing;
  printf("run: %d %d\n", (int)psn_run(NULL, NULL, 0, NULL, 0), (int)psn_run(foreign, NULL, 0, NULL, 0));
  printf("shapes: %d\n", (int)psn_output_shapes(NULL, NULL, 0, NULL, 0));
  printf("reset: %d\n", (int)psn_reset(NULL));
  printf("error: %s\n", psn_error(NULL));
  printf("input: %d %d\n", (int)psn_input(0, NULL), (int)psn_input(GATE_INPUTS, &port));
  printf("symbol: %d %d\n", (int)psn_symbol(0, NULL), (int)psn_symbol(1, &range));
  printf("places: %d %d\n", psn_input_data(NULL, 0) == NULL, psn_state_data(foreign, 0) == NULL);
  printf("string: %d\n", psn_string(0) == NULL);
  printf("dtype: %d %d\n", psn_dtype_name(99) == NULL, (int)psn_dtype_bytes(0));
  printf("status: %s\n", psn_status_text(77));
  psn_free(NULL);
  psn_free(foreign);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  files(argv[1], argv[2], argv[3]);
  memory(argv[1]);
  options(argv[1]);
  tensors(argv[1]);
  nulls();
  return 0;
}

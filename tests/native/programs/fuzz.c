/*
 * Gives the library of c-library.test.ts arguments that are wrong by chance: tensors with any dtype, rank, sizes and bytes,
 * options of any size, bundles with any byte of the header changed or any part cut off. Whatever it says, it says it by a
 * status: a program under memcheck would tell of everything else. Arguments: the bundle, the number of tries.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"

static uint64_t seed = 1;

static uint64_t any(void) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return seed >> 20;
}

/* Mostly right, so that one wrong thing meets right ones; else near, or anything. */
static uint64_t about(uint64_t right) {
  switch (any() % 32) {
    case 0: return right + 1;
    case 1: return right - 1;
    case 2: return any();
    case 3: return (uint64_t)1 << (any() % 64);
    default: return right;
  }
}

static unsigned statuses;

static void note(psn_status status) {
  if (status < PSN_OK || status > PSN_BOUND) exit(9);
  statuses |= 1u << status;
}

static void fill(psn_tensor *t, uint32_t dtype, uint32_t rank, int64_t rows, uint64_t each, void *data) {
  size_t axis;
  t->dtype = (uint32_t)about(dtype);
  t->rank = (uint32_t)about(rank);
  t->bytes = about((uint64_t)rows * each);
  t->capacity = about((uint64_t)rows * each);
  t->data = any() % 16 == 0 ? NULL : data;
  for (axis = 0; axis < PSN_MAX_RANK; axis++) t->dims[axis] = (int64_t)about(axis == 0 ? (uint64_t)rows : 4);
}

static void tensors(psn_model *model) {
  static float x[20], y[20];
  static unsigned char keep[5];
  int64_t rows = 2 + (int64_t)(any() % 4);
  psn_tensor in[GATE_INPUTS], out[GATE_OUTPUTS];
  size_t i, inputs, outputs;
  for (i = 0; i < sizeof keep; i++) keep[i] = any() % 32 == 0 ? (unsigned char)any() : any() % 2;
  fill(&in[GATE_INPUT_X], PSN_F32, 2, rows, 16, x);
  fill(&in[GATE_INPUT_KEEP], PSN_BOOL, 1, rows, 1, keep);
  fill(&out[0], PSN_F32, 2, rows, 16, y);
  if (out[0].capacity > sizeof y) out[0].capacity = sizeof y;
  inputs = (size_t)about(GATE_INPUTS);
  outputs = (size_t)about(GATE_OUTPUTS);
  if (any() % 2 == 0) note(psn_output_shapes(model, in, inputs, out, outputs));
  else note(psn_run(model, in, inputs, out, outputs));
  if (strlen(psn_error(model)) >= PSN_ERROR_BYTES) exit(8);
}

static void bundles(const unsigned char *bundle, size_t count, uint64_t *copy) {
  char error[PSN_ERROR_BYTES];
  size_t room = (size_t)(any() % (sizeof error + 1));
  psn_options options = {0, NULL, 0, 0, 0};
  psn_model *model;
  psn_status status;
  size_t given = any() % 2 == 0 ? count : (size_t)(any() % (count + 1));
  memcpy(copy, bundle, count);
  if (any() % 4 != 0) ((unsigned char *)copy)[any() % 48] ^= (unsigned char)(1 + any() % 255);
  options.size = about(sizeof options);
  options.threads = (uint32_t)about(1);
  options.arena_bytes = any();
  status = psn_load_memory(copy, given, any() % 2 == 0 ? NULL : &options, &model, error, room);
  note(status);
  if ((status == PSN_OK) != (model != NULL)) exit(7);
  if (status != PSN_OK && room > 0 && strlen(error) >= room) exit(6);
  psn_free(model);
}

int main(int argc, char **argv) {
  long tries, i, count;
  FILE *file;
  unsigned char *bundle;
  uint64_t *copy;
  psn_model *model;
  if (argc != 3) return 2;
  tries = strtol(argv[2], NULL, 10);
  file = fopen(argv[1], "rb");
  if (file == NULL) return 3;
  fseek(file, 0, SEEK_END);
  count = ftell(file);
  rewind(file);
  bundle = malloc((size_t)count);
  copy = malloc((size_t)count + 8);
  if (bundle == NULL || copy == NULL || fread(bundle, 1, (size_t)count, file) != (size_t)count) return 3;
  fclose(file);
  if (psn_load(argv[1], NULL, &model, NULL, 0) != PSN_OK) return 4;
  for (i = 0; i < tries; i++) tensors(model);
  for (i = 0; i < tries / 8; i++) bundles(bundle, (size_t)count, copy);
  psn_free(model);
  free(copy);
  free(bundle);
  for (i = 0; i <= PSN_BOUND; i++)
    if (statuses >> i & 1) printf("%ld ", i);
  printf("\n");
  return 0;
}

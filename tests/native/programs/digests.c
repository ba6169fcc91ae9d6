/* Damages a byte of each chunk of a bundle's weights, loads it from memory each time, and says how it went. Arguments: the bundle, where its
 * weights begin and how many bytes they are. */
#include <stdio.h>
#include <stdlib.h>

#include "gate.h"

enum { CHUNK = 1 << 20 };

static void load(const char *bytes, size_t size) {
  char error[PSN_ERROR_BYTES];
  psn_model *model;
  printf("%d %s\n", (int)psn_load_memory(bytes, size, NULL, &model, error, sizeof error), error);
  psn_free(model);
}

int main(int argc, char **argv) {
  FILE *file = fopen(argv[1], "rb");
  if (argc != 4 || file == NULL) return 2;
  size_t from = strtoul(argv[2], NULL, 10), length = strtoul(argv[3], NULL, 10), size;
  fseek(file, 0, SEEK_END);
  size = (size_t)ftell(file);
  char *bytes = malloc(size);
  rewind(file);
  if (bytes == NULL || fread(bytes, 1, size, file) != size) return 2;
  load(bytes, size);
  for (size_t at = 0; at < length; at += CHUNK) {
    size_t last = at + CHUNK < length ? at + CHUNK - 1 : length - 1;
    bytes[from + at] ^= 1;
    load(bytes, size);
    bytes[from + at] ^= 1;
    bytes[from + last] ^= 1;
    load(bytes, size);
    bytes[from + last] ^= 1;
  }
  load(bytes, size);
  free(bytes);
  return 0;
}

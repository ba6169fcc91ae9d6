/* Loads a bundle and says how it went. Argument: the bundle. */
#include <stdio.h>

#include "gate.h"

int main(int argc, char **argv) {
  char error[PSN_ERROR_BYTES];
  psn_model *model;
  if (argc != 2) return 2;
  printf("%d", (int)psn_load(argv[1], NULL, &model, error, sizeof error));
  printf(" %s\n", error);
  printf("%d\n", (int)psn_reset(model));
  psn_free(model);
  return 0;
}

/* Two libraries in one program: each knows its own models and not the other's. Arguments: their bundles. */
#include <stdio.h>
#include <string.h>

#include "gate.h"
#include "second.h"

int main(int argc, char **argv) {
  char error[PSN_ERROR_BYTES];
  psn_model *gate, *second;
  if (argc != 3) return 2;
  if (psn_load(argv[1], NULL, &gate, error, sizeof error) != PSN_OK) return 3;
  if (second_load(argv[2], NULL, &second, error, sizeof error) != PSN_OK) return 4;
  printf("another plan: %d\n", strcmp(psn_digest(), second_digest()) != 0);
  printf("own: %d %d\n", (int)psn_reset(gate), (int)second_reset(second));
  printf("the other's: %d %d\n", (int)psn_reset(second), (int)second_reset(gate));
  psn_free(second);
  second_free(gate);
  printf("own still: %d %d\n", (int)psn_reset(gate), (int)second_reset(second));
  psn_free(gate);
  second_free(second);
  return 0;
}

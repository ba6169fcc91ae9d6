/*
 * Runs the model of c-library.test.ts on several threads: models of their own, which must not meet, and one model for two
 * threads, of which each run is whole or refused. Argument: the bundle. Prints how many runs were right.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "gate.h"

#define THREADS 4
#define RUNS 2000

static const char *bundle;
static psn_model *shared;

/* The state counts the model's runs: y[0] is x[0] + 42 + that number. Returns -1 for a run that was refused. */
static float once(psn_model *model, float first, psn_status *status) {
  float x[8] = {0}, y[8];
  unsigned char keep[2] = {1, 1};
  psn_tensor in[GATE_INPUTS], out[GATE_OUTPUTS];
  memset(in, 0, sizeof in);
  memset(out, 0, sizeof out);
  x[0] = first;
  in[GATE_INPUT_X].data = x;
  in[GATE_INPUT_X].bytes = sizeof x;
  in[GATE_INPUT_X].dtype = PSN_F32;
  in[GATE_INPUT_X].rank = 2;
  in[GATE_INPUT_X].dims[0] = 2;
  in[GATE_INPUT_X].dims[1] = 4;
  in[GATE_INPUT_KEEP].data = keep;
  in[GATE_INPUT_KEEP].bytes = sizeof keep;
  in[GATE_INPUT_KEEP].dtype = PSN_BOOL;
  in[GATE_INPUT_KEEP].rank = 1;
  in[GATE_INPUT_KEEP].dims[0] = 2;
  out[0].data = y;
  out[0].capacity = sizeof y;
  *status = psn_run(model, in, GATE_INPUTS, out, GATE_OUTPUTS);
  return *status == PSN_OK ? y[0] : -1;
}

static void *own(void *count) {
  psn_model *model;
  psn_status status;
  int i;
  if (psn_load(bundle, NULL, &model, NULL, 0) != PSN_OK) return NULL;
  for (i = 1; i <= RUNS; i++)
    if (once(model, (float)i, &status) == (float)(2 * i + 42)) ++*(int *)count;
  psn_free(model);
  return NULL;
}

static void *together(void *count) {
  psn_status status;
  int done = 0;
  while (done < RUNS) {
    float y = once(shared, 0, &status);
    if (status == PSN_BUSY) continue;
    if (status != PSN_OK || y <= 42 || y > 42 + 2 * RUNS) return NULL;
    done++;
  }
  *(int *)count = done;
  return NULL;
}

static int right(void *(*body)(void *), int threads) {
  pthread_t handles[THREADS];
  int counts[THREADS] = {0}, all = 0, i;
  for (i = 0; i < threads; i++) pthread_create(&handles[i], NULL, body, &counts[i]);
  for (i = 0; i < threads; i++) pthread_join(handles[i], NULL);
  for (i = 0; i < threads; i++) all += counts[i];
  return all;
}

int main(int argc, char **argv) {
  psn_status status;
  if (argc != 2) return 2;
  bundle = argv[1];
  printf("own: %d of %d\n", right(own, THREADS), THREADS * RUNS);
  if (psn_load(bundle, NULL, &shared, NULL, 0) != PSN_OK) return 1;
  printf("together: %d of %d\n", right(together, 2), 2 * RUNS);
  printf("runs in all: %g\n", once(shared, 0, &status) - 43);
  psn_free(shared);
  return 0;
}

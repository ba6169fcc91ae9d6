/*
 * What the two programs of a start row in C share: reading the task and its inputs, and the report. A task is lines of words:
 * "input dtype file name rank dim ..." for an input whose elements are in a file, or "output name".
 */
#ifndef START_HOST_H
#define START_HOST_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PORTS 256
#define MOST_DIMS 8
#define NAME_BYTES 200

struct input {
  char name[NAME_BYTES], dtype[8];
  size_t rank, bytes;
  int64_t dims[MOST_DIMS];
  void *data;
};

struct task {
  struct input inputs[MOST_PORTS];
  char outputs[MOST_PORTS][NAME_BYTES];
  size_t input_count, output_count;
};

static void give_up(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static size_t element_bytes(const char *dtype) {
  if (strcmp(dtype, "f32") == 0 || strcmp(dtype, "i32") == 0) return 4;
  if (strcmp(dtype, "i64") == 0) return 8;
  if (strcmp(dtype, "u8") == 0 || strcmp(dtype, "i8") == 0) return 1;
  give_up(dtype, "no dtype of an input");
  return 0;
}

static void read_data(struct input *input, const char *path) {
  input->bytes = element_bytes(input->dtype);
  for (size_t i = 0; i < input->rank; i++) input->bytes *= (size_t)input->dims[i];
  input->data = malloc(input->bytes == 0 ? 1 : input->bytes);
  if (input->data == NULL) give_up(input->name, "no memory");
  FILE *file = fopen(path, "rb");
  if (file == NULL || fread(input->data, 1, input->bytes, file) != input->bytes) give_up(path, "cannot be read");
  fclose(file);
}

static void read_task(const char *path, struct task *task) {
  char kind[8];
  FILE *file = fopen(path, "r");
  if (file == NULL) give_up(path, "no such task");
  task->input_count = task->output_count = 0;
  while (fscanf(file, "%7s", kind) == 1) {
    if (strcmp(kind, "output") == 0) {
      if (task->output_count == MOST_PORTS || fscanf(file, "%199s", task->outputs[task->output_count++]) != 1)
        give_up(path, "a task's output");
      continue;
    }
    char data[400];
    if (task->input_count == MOST_PORTS) give_up(path, "too many inputs");
    struct input *input = &task->inputs[task->input_count++];
    if (fscanf(file, "%7s %399s %199s %zu", input->dtype, data, input->name, &input->rank) != 4 || input->rank > MOST_DIMS)
      give_up(path, "a task's input");
    for (size_t i = 0; i < input->rank; i++)
      if (fscanf(file, "%" SCNd64, &input->dims[i]) != 1) give_up(path, "the shape of a task's input");
    read_data(input, data);
  }
  fclose(file);
}

/* Prints the report, at which the clock stops; then writes the first output where somebody wants to see it. */
static void finish(size_t outputs, const void *data, size_t bytes, const char *path) {
  char line[256];
  long peak = 0;
  FILE *status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    if (sscanf(line, "VmHWM: %ld kB", &peak) == 1) break;
  if (status != NULL) fclose(status);
  printf("{\"outputs\":%zu,\"peakKiB\":%ld}\n", outputs, peak);
  fflush(stdout);
  if (path == NULL) return;
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) give_up(path, "cannot be written");
}

#endif

/*
 * Finds speech in sound: Silero's voice activity detector as a library, in plain C.
 *
 *   npx psionic compile node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx --name vad --target x86-64 \
 *     --dim input.0=1 --dim input.1=512 --dim state.1=1 --state state=stateN --c-library examples/c/vad
 *   cc -Iexamples/c/vad examples/c/vad.c -Lexamples/c/vad -lvad -Wl,-rpath,'$ORIGIN' -o examples/c/vad/vad
 *   examples/c/vad/vad examples/c/vad/vad.psn < sound.f32
 *
 * Takes samples on stdin, 32-bit floats of 16 kHz on one channel, and prints for every 512 of them the probability that
 * somebody speaks. What the model remembers of the sound so far is its state: it stays inside from run to run.
 */
#include <stdio.h>
#include <string.h>

#include "vad.h"

#define SAMPLES 512

static int run(psn_model *model) {
  int64_t rate = 16000;
  psn_tensor inputs[VAD_INPUTS];
  psn_tensor outputs[VAD_OUTPUTS];
  psn_tensor *sound = &inputs[VAD_INPUT_INPUT];
  memset(inputs, 0, sizeof inputs);
  memset(outputs, 0, sizeof outputs);

  /* Samples are read to where the model wants them: nothing is copied. */
  sound->data = psn_input_data(model, VAD_INPUT_INPUT);
  sound->bytes = SAMPLES * sizeof(float);
  sound->dtype = PSN_F32;
  sound->rank = 2;
  sound->dims[0] = 1;
  sound->dims[1] = SAMPLES;

  /* A scalar has no axes. */
  inputs[VAD_INPUT_SR].data = &rate;
  inputs[VAD_INPUT_SR].bytes = sizeof rate;
  inputs[VAD_INPUT_SR].dtype = PSN_I64;

  while (fread(sound->data, sizeof(float), SAMPLES, stdin) == SAMPLES) {
    if (psn_run(model, inputs, VAD_INPUTS, outputs, VAD_OUTPUTS) != PSN_OK) {
      fprintf(stderr, "vad: %s\n", psn_error(model));
      return 1;
    }
    /* Nothing was given for the output: it is shown where it lies. */
    printf("%.9g\n", *(const float *)outputs[VAD_OUTPUT_OUTPUT].data);
  }
  return 0;
}

int main(int argc, char **argv) {
  char error[PSN_ERROR_BYTES];
  psn_model *model;
  int status;
  if (argc != 2) {
    fprintf(stderr, "usage: %s vad.psn < samples\n", argv[0]);
    return 2;
  }
  if (psn_abi_version() != PSN_ABI_VERSION) {
    fprintf(stderr, "vad: the library is of another version than the header\n");
    return 1;
  }
  if (psn_load(argv[1], NULL, &model, error, sizeof error) != PSN_OK) {
    fprintf(stderr, "vad: %s\n", error);
    return 1;
  }
  status = run(model);
  psn_free(model);
  return status;
}

// Sounds for tests, the same in every run: nothing here uses a random number or a clock.

import { noise } from "./noise.js";

/**
 * Something like speech in -1..1: syllables of a gliding pitch with harmonics under moving formants, with pauses and a
 * breath of noise.
 */
export function voice(samples: number, rate: number): Float32Array<ArrayBuffer> {
  const breath = noise(7, samples, -1, 1);
  const out = new Float32Array(samples);
  let phase = 0;
  for (let i = 0; i < samples; i++) {
    const t = i / rate;
    const syllable = t * 4;
    const within = syllable - Math.floor(syllable);
    const envelope = within < 0.75 ? Math.sin((Math.PI * within) / 0.75) : 0;
    const pitch = 110 + 40 * Math.sin(t * 5) + 15 * Math.sin(t * 31);
    phase += (2 * Math.PI * pitch) / rate;
    const formants = [500 + 250 * Math.sin(t * 9), 1500 + 500 * Math.cos(t * 7), 2500];
    let sum = 0;
    for (let k = 1; k * pitch < Math.min(rate / 2, 3600); k++) {
      let gain = 0;
      for (const f of formants) gain += 1 / (1 + ((k * pitch - f) / 120) ** 2);
      sum += (gain * Math.sin(k * phase)) / Math.sqrt(k);
    }
    out[i] = 0.25 * envelope * sum + 0.01 * (breath[i] ?? 0);
  }
  return out;
}

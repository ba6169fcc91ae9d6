// A signal processor that remembers: a running mean and the last eight samples live in the bundle between calls. What
// is written in place here becomes plain values, and the memory plan puts them back in place.
//
//   node dist/examples/trace/filter.js

import { compile, f32, i64, scan, state, trace } from "../../compiler/index.js";
import { load } from "../../runtime-shim/index.js";

export const filter = trace(
  { samples: f32(4), gain: f32() },
  ({ samples, gain }) => {
    const mean = state("mean", f32());
    const recent = state("recent", f32(8));
    const calls = state("calls", i64());

    // Exponential smoothing, sample by sample.
    const [last, smooth] = scan(
      (m, x) => {
        const next = m.lerp(x, gain);
        return [next, next] as const;
      },
      mean,
      samples,
    );

    mean.copy_(last);
    recent.slice(0, 0, 4).copy_(recent.slice(0, 4).clone());
    recent.slice(0, 4).copy_(samples);
    calls.add_(1);
    return { smooth, peak: recent.abs().amax(), calls };
  },
  { name: "filter" },
);

const model = await load(compile(filter).bundle);
for (const samples of [
  [1, 2, 3, 4],
  [-8, 0, 0, 0],
  [0, 0, 0, 0],
]) {
  const { smooth, peak, calls } = await model.run({
    samples: new Float32Array(samples),
    gain: new Float32Array([0.5]),
  });
  console.log(calls?.data, "peak", peak?.data, "smooth", smooth?.data);
}

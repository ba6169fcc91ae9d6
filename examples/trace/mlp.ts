// A small network written in TypeScript, with an activation of its own, compiled to a bundle and run.
//
//   node dist/examples/trace/mlp.js

import { compile, dim, f32, kernel, type Tensor, tensor, trace } from "../../compiler/index.js";
import { load } from "../../runtime-shim/index.js";

/** Numbers that look random and are the same everywhere. */
function weights(rows: number, columns: number, seed: number): Tensor {
  const data = new Float32Array(rows * columns);
  let x = seed;
  for (let i = 0; i < data.length; i++) {
    x = (x * 1103515245 + 12345) % 2147483648;
    data[i] = x / 1073741824 - 1;
  }
  return tensor(data, [rows, columns]);
}

const hidden = weights(16, 4, 1);
const head = weights(3, 16, 2);

/** Read from its source and fused into the layer like any other op. */
const softClip = kernel((x: number, limit: number) => {
  if (x > limit) return limit + Math.log1p(x - limit);
  return x < 0 ? 0.1 * x : x;
});

export const classifier = trace(
  { x: f32(dim("batch", 1, 32), 4) },
  ({ x }) => {
    const h = softClip(x.linear(hidden), 1.5);
    const logits = h.linear(head);
    return { probabilities: logits.softmax(-1), label: logits.argmax(-1) };
  },
  { name: "classifier" },
);

const { bundle } = compile(classifier);
const model = await load(bundle);
const outputs = await model.run({ x: { data: new Float32Array([1, 0, 0, 0, 0, 1, 0, 1]), shape: [2, 4] } });
for (const [name, { data, shape }] of Object.entries(outputs)) console.log(name, shape, data);

// Products deep enough to run in blocks of their depth, with an epilogue behind the last one: on WebAssembly and on every level
// of CPUs that this machine has, each element has the bits of a plain sum in order.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { load } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";

const [M, K, N] = [1024, 1536, 32];
const random = randomOf(5);
const draw = (count: number): Float32Array => Float32Array.from({ length: count }, () => random() * 2 - 1);
const [A, B, C, R] = [draw(M * K), draw(K * N), draw(N), draw(M * N)];

/** a x b + c + r, each sum in order and rounded at every step; then what is below 0 is 0. */
function expected(): Float32Array {
  const out = new Float32Array(M * N);
  for (let i = 0; i < M; i++)
    for (let j = 0; j < N; j++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum = Math.fround(sum + Math.fround((A[i * K + k] ?? 0) * (B[k * N + j] ?? 0)));
      out[i * N + j] = Math.max(0, Math.fround(Math.fround(sum + (C[j] ?? 0)) + (R[i * N + j] ?? 0)));
    }
  return out;
}

const want = expected();

const builder = new Builder();
const a = ir.input(builder, "a", "f32", [M, K]);
const known = (data: Float32Array, shape: number[]): ReturnType<typeof ir.constant> =>
  ir.constant(builder, tensorFrom("f32", shape, [...data]));
const r = ir.input(builder, "r", "f32", [M, N]);
const product = ir.matmul(builder, a, known(B, [K, N]), "f32");
const biased = ir.add(builder, product, ir.broadcast(builder, known(C, [1, N]), [M, N]));
const y = ir.max(builder, ir.add(builder, biased, r), 0);
const feeds = { a: { data: A, shape: [M, K] }, r: { data: R, shape: [M, N] } };
const source = { graph: graphOf(builder, [a, r], { y }), builder };

test("on WebAssembly, in blocks whose sums wait in the output", async (t) => {
  const { bundle, texts } = compile(source);
  const model = await load(bundle);
  t.deepEqual(model.runSync(feeds)["y"]?.data, want, texts.schedule);
});

const host = nativeHost();
for (const level of typeof host === "string" ? [] : host.levels)
  test(`in native code, ${level}`, async (t) => {
    if (typeof host === "string") return;
    const { bundle } = compile(source, { target: host.target, cpus: [level], threads: true });
    for (const threads of [1, 2]) {
      const model = await loadNative(bundle, { threads });
      t.deepEqual(model.runSync(feeds)["y"]?.data, want, `${threads} threads`);
      model.dispose();
    }
  });
if (typeof host === "string") test.skip(`in native code: ${host}`, () => {});

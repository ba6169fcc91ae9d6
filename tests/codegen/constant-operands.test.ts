// Contractions of constants that hold one number, which other kernels take as a number: they need memory here, directly and
// behind views. A recurrent network of one step whose first state is not given multiplies such a constant.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { sameEverywhere } from "../support/everywhere.js";
import { graphOf } from "../support/reference.js";

const filled = (b: Builder, shape: readonly number[], value: number): Value =>
  ir.constant(b, tensorFrom("f32", shape, new Array<number>(shape.reduce((n, d) => n * d, 1)).fill(value)));

const whole = (shape: readonly number[]) =>
  tensorFrom(
    "f32",
    shape,
    Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => (i % 11) - 5),
  );

/** A constant of 6 rows by 8, in the ways that graphs have one. */
const CONSTANTS: Readonly<Record<string, (b: Builder) => Value>> = {
  plain: (b) => filled(b, [6, 8], 2),
  reshaped: (b) => ir.reshape(b, filled(b, [48], 2), [6, 8]),
  "a scalar everywhere": (b) => ir.broadcast(b, ir.scalar(b, "f32", 2), [6, 8]),
  "a row everywhere": (b) => ir.broadcast(b, filled(b, [1, 8], 0), [6, 8]),
  turned: (b) => ir.transpose(b, filled(b, [8, 6], 2), [1, 0]),
  sliced: (b) => ir.slice(b, filled(b, [9, 8], 2), [1, 0], [6, 8]),
};

for (const [name, constant] of Object.entries(CONSTANTS))
  test(`a product of a constant of one number: ${name}`, async (t) => {
    const b = new Builder();
    const x = ir.input(b, "x", "f32", [8, 24]);
    const z = ir.input(b, "z", "f32", [5, 6]);
    const w = ir.constant(b, whole([8, 24]));
    const outputs = {
      rows: ir.matmul(b, constant(b), x),
      columns: ir.matmul(b, z, constant(b)),
      both: ir.matmul(b, constant(b), w),
    };
    await sameEverywhere(graphOf(b, [x, z], outputs), b, { x: whole([8, 24]), z: whole([5, 6]) });
    t.pass();
  });

test("a convolution of constants of one number", async (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [1, 6, 6, 4]);
  const w = ir.constant(b, whole([3, 3, 4, 8]));
  const outputs = {
    image: ir.conv(b, ir.broadcast(b, ir.scalar(b, "f32", 2), [1, 6, 6, 4]), w, { layout: "nhwc" }),
    weights: ir.conv(b, x, ir.broadcast(b, ir.scalar(b, "f32", 2), [3, 3, 4, 8]), { layout: "nhwc" }),
  };
  await sameEverywhere(graphOf(b, [x], outputs), b, { x: whole([1, 6, 6, 4]) });
  t.pass();
});

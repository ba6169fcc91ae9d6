// What the analysis of signs says of a value holds for every element that the reference computes, zeros, infinities and NaN
// among the operands.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { isNonNegative, isNonPositive } from "../../compiler/ir/signs.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { interpret } from "../../compiler/reference/interpret.js";

const SPECIAL = [-1, -0, 0, 1, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN, 1e38, -1e-45];
const n = SPECIAL.length;

const b = new Builder();
const x = ir.input(b, "x", "f32", [n, n]);
const z = ir.input(b, "z", "f32", [n, n]);
/** In x the rows have more and more of the special values, in z each has one. */
const filled = (at: (row: number, column: number) => number): Tensor =>
  tensorFrom(
    "f32",
    [n, n],
    Array.from({ length: n * n }, (_, i) => SPECIAL[at(Math.floor(i / n), i % n)] ?? 0),
  );
const INPUTS = { x: filled((row, column) => (column > row ? 0 : row - column)), z: filled((row) => n - 1 - row) };

const below = ir.neg(b, ir.abs(b, x));
const above = ir.exp(b, z);
const largest = (axis: number, keep: boolean): Value => ir.reduceMax(b, x, [axis], keep);

const NON_POSITIVE: Readonly<Record<string, Value>> = {
  "minus its rows' greatest": ir.sub(b, x, largest(1, true)),
  "minus its columns' greatest, kept by a reshape": ir.sub(b, x, ir.reshape(b, largest(0, false), [1, n])),
  "minus its greatest, spread out": ir.sub(b, x, ir.broadcast(b, largest(1, true), [n, n])),
  "minus itself": ir.sub(b, x, x),
  "minus the greater of two": ir.sub(b, x, ir.max(b, z, x)),
  "the lesser of 0": ir.min(b, x, 0),
  "minus an absolute value": below,
  "a sum of such": ir.add(b, below, ir.min(b, z, -1)),
  "a product of two signs": ir.mul(b, above, below),
  "a quotient of two signs": ir.div(b, below, above),
  "minus a square": ir.neg(b, ir.mul(b, x, x)),
  "chosen among such": ir.select(b, ir.lt(b, x, z), below, ir.min(b, z, 0)),
  "moved about": ir.transpose(b, ir.reshape(b, below, [n * n, 1]), [1, 0]),
};

/** Some of them may be above 0. */
const UNKNOWN: Readonly<Record<string, Value>> = {
  "an input": x,
  "minus another's greatest": ir.sub(b, z, largest(1, true)),
  // A row of greatest elements meets columns.
  "minus its rows' greatest along columns": ir.sub(b, x, ir.reshape(b, largest(1, false), [1, n])),
  "minus its least": ir.sub(b, x, ir.reduceMin(b, x, [1], true)),
  "a quotient whose divisor may be +0": ir.div(b, ir.abs(b, z), ir.min(b, x, 0)),
  "a product of equal signs": ir.mul(b, below, ir.min(b, z, 0)),
};

function elementsOf(v: Value): readonly number[] {
  const graph = {
    name: "signs",
    inputs: [x, z],
    outputs: [{ name: "y", value: v }],
    states: [],
    bindings: [],
    constraints: [],
  };
  return interpret(graph, INPUTS).outputs["y"]?.numbers() ?? [];
}

for (const [name, v] of Object.entries(NON_POSITIVE))
  test(`never above zero: ${name}`, (t) => {
    t.true(isNonPositive(v));
    const elements = elementsOf(v);
    t.true(elements.length > 0 && elements.every((e) => !(e > 0)), elements.join(" "));
    t.false(isNonNegative(v));
  });

for (const [name, v] of Object.entries(UNKNOWN))
  test(`not known to be zero or below: ${name}`, (t) => {
    t.false(isNonPositive(v));
    t.true(
      elementsOf(v).some((e) => e > 0),
      "and some are above",
    );
  });

test("never below zero, nor -0", (t) => {
  for (const v of [above, ir.abs(b, x), ir.mul(b, z, z), ir.max(b, x, 0), ir.sqrt(b, ir.abs(b, x))]) {
    t.true(isNonNegative(v));
    t.true(elementsOf(v).every((e) => Number.isNaN(e) || e > 0 || Object.is(e, 0)));
  }
  t.false(isNonNegative(x));
});

// Symbolic integers are what the reference computes: random shape arithmetic, through floats as exporters write it too.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { evaluate, sym } from "../../compiler/ir/dim.js";
import { Builder, type Graph, type Value } from "../../compiler/ir/graph.js";
import { intsOf, truthOf } from "../../compiler/ir/ints.js";
import { scalarTensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { interpret } from "../../compiler/reference/interpret.js";

type Step = (b: Builder, x: Value, k: number) => Value;

const float =
  (f: (b: Builder, x: Value, k: number) => Value): Step =>
  (b, x, k) =>
    ir.cast(b, f(b, ir.cast(b, x, k % 2 === 0 ? "f32" : "f64"), k), "i64");

const STEPS: readonly Step[] = [
  (b, x, k) => ir.add(b, x, k - 4),
  (b, x, k) => ir.mul(b, x, k),
  (b, x, k) => ir.sub(b, k, x),
  (b, x, k) => ir.div(b, x, k),
  (b, x, k) => ir.mod(b, x, k),
  (b, x, k) => ir.rem(b, x, k),
  (b, x, k) => ir.max(b, x, k),
  (b, x, k) => ir.min(b, x, ir.mul(b, x, k - 2)),
  (b, x) => ir.neg(b, x),
  (b, x) => ir.abs(b, x),
  (b, x) => ir.cast(b, ir.cast(b, x, "i32"), "i64"),
  (b, x, k) => ir.select(b, ir.lt(b, x, k), x, ir.add(b, x, 1)),
  (b, x) => ir.concat(b, [ir.sliceAxis(b, x, 0, 1, 1), ir.sliceAxis(b, x, 0, 0, 1)], 0),
  (b, x) => ir.gather(b, x, ir.vector(b, "i64", [1, 1])),
  (b, x) => ir.broadcast(b, ir.reduce(b, "sum", x, [0], true), [2]),
  (b, x) => ir.broadcast(b, ir.reduce(b, "prod", x, [0], true), [2]),
  (b, x) => b.one("cumulate", [x], { kind: "sum", axis: 0, exclusive: false, reverse: false }),
  float((b, x, k) => ir.floor(b, ir.mul(b, x, k / 4))),
  float((b, x, k) => ir.ceil(b, ir.div(b, x, k))),
  float((b, x, k) => ir.floor(b, ir.div(b, x, k))),
  float((b, x, k) => ir.div(b, x, k)),
  float((b, x, k) => ir.floor(b, ir.add(b, ir.div(b, x, 2), k / 8))),
  float((b, x, k) => ir.floor(b, ir.mul(b, x, k / 3))),
];

test("what is known of shape arithmetic holds for every size", (t) => {
  let known = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(STEPS.length - 1), fc.integer({ min: 0, max: 9 })), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 700 }),
      (steps, n) => {
        const b = new Builder();
        const x = ir.input(b, "x", "bool", [sym("n", 1, 700)]);
        let v = ir.dimsOf(b, [sym("n", 1, 700), 12]);
        for (const [i, k] of steps) v = STEPS[i]?.(b, v, k) ?? v;
        const ints = intsOf(v);
        const less = ir.lt(b, ir.sliceAxis(b, v, 0, 0, 1), 3);
        const truth = truthOf(less);
        if (ints === null && truth === null) return;
        known++;
        const outputs = [v, less].map((value, i) => ({ name: `y${i}`, value }));
        const graph: Graph = { name: "g", inputs: [x], outputs, states: [], bindings: [], constraints: [] };
        const run = interpret(graph, { x: tensorFrom("bool", [n], new Array<number>(n).fill(1)) }).outputs;
        if (ints !== null)
          t.deepEqual(
            ints.map((d) => evaluate(d, () => n)),
            run["y0"]?.numbers(),
          );
        if (truth !== null) t.is(run["y1"]?.at(0) === 1, truth);
      },
    ),
    { numRuns: 1500, seed: 2 },
  );
  t.true(known > 300, `only ${known} were known`);
});

test("a constant outside the safe integers is not known", (t) => {
  const b = new Builder();
  t.is(intsOf(ir.constant(b, scalarTensor("i64", 2n ** 63n - 1n))), null);
});

// Carried values and states that take each other's place: all of them change at once, whatever the order in which their
// buffers are overwritten. The compiled module against the reference, over two runs.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Graph, type StateSlot, type Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load } from "../../runtime-shim/index.js";
import { difference } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";

interface Made {
  readonly outputs: readonly Value[];
  readonly states?: readonly StateSlot[];
}

type Make = (b: Builder, x: Value, y: Value) => Made;

/** A loop over values, whose body is a function of them. */
function looped(
  carried: (b: Builder, x: Value, y: Value) => readonly Value[],
  body: (b: Builder, values: readonly Value[]) => readonly Value[],
  trips = 3,
): Make {
  return (b, x, y) => ({
    outputs: ir.loop(b, {
      trips: ir.scalar(b, "i64", trips),
      carried: carried(b, x, y),
      count: trips,
      body: (_, values) => ({ carried: body(b, values) }),
    }),
  });
}

const pair = (_: Builder, x: Value, y: Value): readonly Value[] => [x, y];
const at = (values: readonly Value[], i: number): Value => {
  const v = values[i];
  if (v === undefined) throw new Error(`no value ${i}`);
  return v;
};

const CASES: Readonly<Record<string, Make>> = {
  "a loop that swaps": looped(pair, (_, v) => [at(v, 1), at(v, 0)]),
  "a loop that pushes down": looped(pair, (b, v) => [ir.add(b, at(v, 0), at(v, 1)), at(v, 0)]),
  "a loop that pushes up": looped(pair, (b, v) => [at(v, 1), ir.add(b, at(v, 0), at(v, 1))]),
  "a loop that turns three, one of them a scalar": looped(
    (b, x, y) => [x, y, ir.scalar(b, "f32", 3)],
    (b, v) => [
      ir.add(b, at(v, 1), at(v, 2)),
      ir.reshape(b, ir.reshape(b, at(v, 0), [2, 1]), [2]),
      ir.reduceMax(b, at(v, 1)),
    ],
    4,
  ),
  "a loop that carries one value twice": looped(
    (_, x) => [x, x],
    (b, v) => [ir.add(b, at(v, 0), at(v, 1)), ir.mul(b, at(v, 0), at(v, 1))],
  ),
  "loops that swap inside each other": (b, x, y) => ({
    outputs: ir.loop(b, {
      trips: ir.scalar(b, "i64", 3),
      carried: [x, y],
      count: 3,
      body: (_, outer) => {
        const inner = ir.loop(b, {
          trips: ir.scalar(b, "i64", 2),
          carried: [at(outer, 1), at(outer, 0)],
          count: 2,
          body: (_i, v) => ({ carried: [at(v, 1), ir.add(b, at(v, 0), at(v, 1))] }),
        });
        return { carried: [at(inner, 1), at(inner, 0)] };
      },
    }),
  }),
  "a loop whose next condition is carried": (b, x, y) => ({
    outputs: ir.loop(b, {
      trips: ir.scalar(b, "i64", 5),
      condition: ir.scalar(b, "bool", 1),
      carried: [x, ir.scalar(b, "bool", 1)],
      count: 5,
      body: (_, v) => ({
        condition: at(v, 1),
        carried: [ir.add(b, at(v, 0), y), ir.lt(b, ir.reduceMax(b, at(v, 0)), 15)],
      }),
    }),
  }),
  "an output that is a state, under a view": (b, x) => {
    const s = ir.state(b, "s", "f32", [2]);
    return { outputs: [s, ir.reshape(b, s, [2, 1])], states: [{ name: "s", current: s, next: ir.add(b, s, x) }] };
  },
  "a scalar state that counts": (b) => {
    const s = ir.state(b, "s", "i64", []);
    return { outputs: [s], states: [{ name: "s", current: s, next: ir.add(b, s, 1) }] };
  },
  "states that take each other's place": (b, x, y) => {
    const [s, u] = [ir.state(b, "s", "f32", [2]), ir.state(b, "u", "f32", [2])];
    const states = [
      { name: "s", current: s, next: ir.add(b, u, x) },
      { name: "u", current: u, next: s },
    ];
    return { outputs: [ir.add(b, s, x), ir.add(b, u, y)], states };
  },
  "two states with one next value": (b, x) => {
    const [s, u] = [ir.state(b, "s", "f32", [2]), ir.state(b, "u", "f32", [2])];
    const next = ir.add(b, s, x);
    const states = [
      { name: "s", current: s, next },
      { name: "u", current: u, next },
    ];
    return { outputs: [next, u], states };
  },
};

for (const [name, make] of Object.entries(CASES))
  test(name, async (t) => {
    const builder = new Builder();
    const [x, y] = [ir.input(builder, "x", "f32", [2]), ir.input(builder, "y", "f32", [2])];
    const { outputs, states = [] } = make(builder, x, y);
    const graph: Graph = {
      name: "carried",
      inputs: [x, y],
      outputs: outputs.map((value, i) => ({ name: `y${i}`, value })),
      states,
      bindings: [],
      constraints: builder.constraints,
    };
    const inputs = { x: tensorFrom("f32", [2], [1, 2]), y: tensorFrom("f32", [2], [10, 20]) };
    const model = await load(compile({ graph, builder }).bundle);
    let kept: Readonly<Record<string, Tensor>> = {};
    for (let run = 0; run < 3; run++) {
      const want = interpret(graph, inputs, { states: kept });
      const have = model.runSync({ x: toValue(inputs.x), y: toValue(inputs.y) });
      const tensors = Object.fromEntries(Object.entries(have).map(([k, v]) => [k, fromValue(v)]));
      t.is(difference(tensors, want.outputs), null, `run ${run}`);
      kept = want.states;
      for (const s of states)
        t.deepEqual(fromValue(model.state(s.name).get()).numbers(), kept[s.name]?.numbers(), `state, run ${run}`);
    }
  });

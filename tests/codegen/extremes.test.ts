// The greatest and the least element of whole tensors, which are looked for as they lie and by rows that threads share: with
// zeros of both signs, infinities and NaN, on every target against the reference.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { sameEverywhere } from "../support/everywhere.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";

const SHAPE = [1, 9, 8, 70];
/** What one element of an otherwise ordinary, an all-zero or an infinite tensor is. */
const ODD = { ordinary: 0.5, nan: Number.NaN, infinite: Number.POSITIVE_INFINITY, negative: Number.NEGATIVE_INFINITY };

for (const isOpen of [false, true])
  test(`whole tensors of ${isOpen ? "open" : "known"} size`, async (t) => {
    const b = new Builder();
    const random = randomOf(7);
    const elems = SHAPE.reduce((n, d) => n * d, 1);
    const inputs: Value[] = [];
    const outputs: Record<string, Value> = {};
    const feeds: Record<string, ReturnType<typeof tensorFrom>> = {};
    const add = (name: string, data: readonly number[]): void => {
      const rows = isOpen ? sym(`n_${name}`, 1, 12) : (SHAPE[1] ?? 0);
      const x = ir.input(b, name, "f32", [SHAPE[0] ?? 0, rows, SHAPE[2] ?? 0, SHAPE[3] ?? 0]);
      inputs.push(x);
      feeds[name] = tensorFrom("f32", SHAPE, data);
      const moved = ir.transpose(b, x, [0, 2, 1, 3]);
      outputs[`${name} max`] = ir.reduceMax(b, moved, [0, 1, 2, 3], false);
      outputs[`${name} min`] = ir.reduceMin(b, moved, [0, 1, 2, 3], true);
    };
    for (const [name, odd] of Object.entries(ODD)) {
      const data = Array.from({ length: elems }, () => random() - 0.5);
      data[Math.floor(random() * elems)] = odd;
      add(name, data);
    }
    add(
      "zeros",
      Array.from({ length: elems }, () => (random() < 0.5 ? 0 : -0)),
    );
    const graph = graphOf(b, inputs, outputs);
    await sameEverywhere(graph, b, feeds);
    const { plan } = compile({ graph, builder: b });
    const shared = plan.entries.flatMap((e) => e.steps).filter((s) => s.kind === "call" && s.work !== null);
    t.is(shared.length, 2 * inputs.length);
  });

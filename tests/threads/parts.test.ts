// What can be divided among threads, and for how much work it counts: by the plan's figures, which no clock changes.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import type { StepPlan } from "../../compiler/plan/plan.js";
import { WASM_THREADING } from "../../targets/wasm/threads.js";
import { graphOf } from "../support/reference.js";

function calls(graph: Graph, builder: Builder): (StepPlan & { kind: "call" })[] {
  const { plan } = compile({ graph, builder });
  return plan.entries.flatMap((e) => e.steps).flatMap((s) => (s.kind === "call" ? [s] : []));
}

test("padding is divided, unless it lies between elements", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [3, 128, 64]);
  const padded = (interior: readonly number[]) => ir.pad(b, x, 0, [0, 1, 2], [0, 1, 0], interior);
  const graph = graphOf(b, [x], { around: padded([0, 0, 0]), between: padded([0, 1, 0]) });
  t.deepEqual(
    calls(graph, b).map((s) => s.work !== null),
    [true, false],
  );
});

test("a table counts as much as is looked up", (t) => {
  const b = new Builder();
  const table = ir.input(b, "table", "f32", [50_000, 64]);
  const rows = ir.input(b, "rows", "i64", [2]);
  const [look] = calls(graphOf(b, [table, rows], { found: ir.gather(b, table, rows, 0) }), b);
  t.is(typeof look?.work, "number");
  t.true(Number(look?.work) < 2 * WASM_THREADING.grain);
});

test("a table that is read whole as well counts whole", (t) => {
  const b = new Builder();
  const table = ir.input(b, "table", "f32", [50_000, 64]);
  const rows = ir.input(b, "rows", "i64", [50_000]);
  const sum = ir.add(b, ir.gather(b, table, rows, 0), table);
  const [step] = calls(graphOf(b, [table, rows], { sum }), b);
  t.true(Number(step?.work) > 4 * 2 * 50_000 * 64);
});

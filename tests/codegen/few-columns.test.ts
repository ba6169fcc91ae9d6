// Products of constants of few columns: they compile for every level of every family of CPUs, whatever vectors of a panel have
// no column at all, and where this machine runs them they give the reference's bits.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Graph, type Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { findLlvm } from "../../targets/llvm/library.js";
import { findLinker } from "../../targets/llvm/link.js";
import { NATIVE } from "../../targets/native-targets.js";
import { sameEverywhere } from "../support/everywhere.js";
import { graphOf } from "../support/reference.js";

const DEPTH = 5;

function whole(rows: number, columns: number): Tensor {
  return tensorFrom(
    "f32",
    [rows, columns],
    Array.from({ length: rows * columns }, (_, i) => ((i * 7) % 17) - 8),
  );
}

function products(b: Builder): { graph: Graph; feeds: Readonly<Record<string, Tensor>> } {
  const [x, row] = [ir.input(b, "x", "f32", [17, DEPTH]), ir.input(b, "row", "f32", [1, DEPTH])];
  const outputs: Record<string, Value> = {};
  for (let n = 1; n <= 36; n++) {
    const columns = ir.constant(b, whole(DEPTH, n));
    outputs[`y${n}`] = ir.relu(b, ir.matmul(b, x, columns));
    outputs[`row${n}`] = ir.relu(b, ir.matmul(b, row, columns));
  }
  return { graph: graphOf(b, [x, row], outputs), feeds: { x: whole(17, DEPTH), row: whole(1, DEPTH) } };
}

test("few columns are what the reference says", async (t) => {
  const b = new Builder();
  const { graph, feeds } = products(b);
  await t.notThrowsAsync(sameEverywhere(graph, b, feeds));
});

for (const name of ["x86-64", "aarch64"] as const) {
  const { levels, link } = NATIVE[name];
  if (findLlvm() === null || findLinker(link) === null) {
    test(`few columns for ${name}`, (t) => t.pass("skipped: this machine has no libLLVM, or no linker for it"));
    continue;
  }
  for (const level of Object.keys(levels))
    test(`few columns compile for ${name} ${level}`, (t) => {
      const b = new Builder();
      t.notThrows(() => compile({ graph: products(b).graph, builder: b }, { target: name, cpus: [level] }));
    });
}

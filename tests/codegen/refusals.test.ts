// What the WebAssembly target refuses: all of it at once, at the node, with what comes nearest.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import { Refused } from "../../compiler/ir/errors.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { graphOf } from "../support/reference.js";

test("dtypes without registers are refused, each where it is", (t) => {
  const b = new Builder();
  const x = ir.input(b, "spectrum", "c64", [4]);
  const y = ir.input(b, "waves", "c128", [2]);
  b.origin = 'node "turn" (Transpose)';
  const turned = ir.reshape(b, x, [2, 2]);
  const graph = graphOf(b, [x, y], { turned, waves: ir.broadcast(b, y, [3, 2]) });
  const error = t.throws(() => compile({ graph, builder: b }), { instanceOf: Refused });
  const found = error?.refusals.map(({ code, scope, subject, at }) => `${code} ${scope} ${subject} ${at}`);
  t.deepEqual(found?.toSorted(), [
    'unsupported_dtype wasm c128 input "waves"',
    'unsupported_dtype wasm c128 node "turn" (Transpose)',
    'unsupported_dtype wasm c64 input "spectrum"',
    'unsupported_dtype wasm c64 node "turn" (Transpose)',
  ]);
  t.regex(error?.refusals[0]?.hint ?? "", /real and imaginary/);
});

test("inputs without a bound are refused by name", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [sym("n", 1, Number.POSITIVE_INFINITY), 8]);
  const error = t.throws(() => compile({ graph: graphOf(b, [x], { y: ir.neg(b, x) }), builder: b }), {
    instanceOf: Refused,
  });
  t.deepEqual(error?.refusals.map(({ code, at }) => [code, at]).slice(0, 1), [["resource_limit", 'input "x"']]);
});

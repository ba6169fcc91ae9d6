// Operators, version by version and attribute by attribute, against onnxruntime on random values.

import test from "ava";
import { differ } from "../support/onnx-differential.js";
import { opCases } from "../support/onnx-op-cases.js";

for (const [i, c] of [...opCases()].entries()) {
  const attributes = JSON.stringify(c.attributes ?? {}, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v));
  test(`${i}: ${c.op} ${c.opset} ${attributes}`, async (t) => {
    t.is(await differ(c, 1000 + i), null);
  });
}

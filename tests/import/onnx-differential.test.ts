// Operators, version by version and attribute by attribute, against onnxruntime on random values.

import test from "ava";
import { Refused } from "../../compiler/ir/errors.js";
import { differ } from "../support/onnx-differential.js";
import { opCases } from "../support/onnx-op-cases.js";

let symbolic = 0;
const refused: string[] = [];

for (const [i, c] of [...opCases()].entries()) {
  const attributes = JSON.stringify(c.attributes ?? {}, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v));
  test.serial(`${i}: ${c.op} ${c.opset} ${attributes}`, async (t) => {
    t.is(await differ(c, 1000 + i), null);
    try {
      t.is(await differ(c, 1000 + i, true), null, "with symbolic sizes");
      symbolic++;
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      refused.push(`${c.op}: ${e.refusals[0]?.detail}`);
    }
  });
}

test.after("most of them also serve sizes that are not known yet", (t) => {
  t.log(`${symbolic} with symbolic sizes, ${refused.length} refused`);
  t.true(symbolic >= 270);
  if (process.env["PSIONIC_LIST_REFUSED"] !== undefined) for (const r of refused) t.log(r);
});

// Every op on every dtype, compiled and on the reference: the same values, bit for bit, or within the stated bound of a
// function. One module per dtype. What ran is what targets/wasm/tested.ts says.

import test from "ava";
import { TESTED_OPS } from "../../targets/wasm/tested.js";
import { benchOf } from "../support/dtype-cases.js";
import { NUMERIC } from "../support/dtype-values.js";

for (const dtype of NUMERIC)
  test(`${dtype}: every op as the reference has it`, async (t) => {
    const bench = benchOf(dtype);
    t.deepEqual(await bench.run(), []);
    const counts = new Map<string, number>();
    for (const c of bench.cases) counts.set(c.op, (counts.get(c.op) ?? 0) + 1);
    const recorded = new Map<string, number>();
    for (const [op, row] of Object.entries(TESTED_OPS))
      for (const entry of row.split(" ")) {
        const [name, count] = entry.split(":");
        if (name === dtype) recorded.set(op, Number(count));
      }
    t.deepEqual(
      [...recorded].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      "targets/wasm/tested.ts is stale: run make matrix",
    );
  });

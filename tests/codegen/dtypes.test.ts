// Every op on every dtype, compiled and on the reference: the same values, bit for bit, or within the stated bound of a
// function. One module per dtype.

import test from "ava";
import { benchOf } from "../support/dtype-cases.js";
import { NUMERIC } from "../support/dtype-values.js";

for (const dtype of NUMERIC)
  test(`${dtype}: every op as the reference has it`, async (t) => {
    const bench = benchOf(dtype);
    t.deepEqual(await bench.run(), []);
    t.true(bench.cases.length > 100);
  });

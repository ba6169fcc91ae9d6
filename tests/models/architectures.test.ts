// The architectures that users bring most, small and with random weights: each compiled once for ranges of its dynamic
// dimensions, then compared with onnxruntime at several sizes.

import test from "ava";
import type { Architecture, Sizes } from "../support/architectures/architecture.js";
import { ARCHITECTURES } from "../support/architectures/index.js";
import { QUANTUM } from "../support/architectures/quantized-convnets.js";
import { loadModel } from "../support/models.js";
import { openOracle, type Values } from "../support/oracle.js";
import { judgeSize, judgeValues, noteError, table } from "./judge.js";

test.after.always((t) => t.log(table()));

function named(sizes: Sizes): string {
  return Object.entries(sizes)
    .map(([name, size]) => `${name} ${size}`)
    .join(", ");
}

/** Greatest difference of any output. */
function difference(have: Values, want: Values): number {
  let most = 0;
  for (const [name, w] of Object.entries(want)) {
    const data = have[name]?.data;
    for (const [i, v] of w.data.entries()) most = Math.max(most, Math.abs(Number(v) - Number(data?.[i] ?? Number.NaN)));
  }
  return most;
}

/** Of networks whose values are rounded to 8 bits on their way: one step more or less where a value lies at a tie. */
const STEPS: Readonly<Record<string, number>> = {
  "qdq-convnet": QUANTUM,
  "qlinear-convnet": QUANTUM,
};

for (const [name, a] of Object.entries<Architecture>(ARCHITECTURES))
  test.serial(name, async (t) => {
    const file = a.write("small");
    const oracle = await openOracle(file);
    const model = await loadModel(file, { dims: a.dims });
    judgeSize(t, name, model);
    for (const sizes of a.sizes) {
      const feeds = a.feeds(sizes, "small");
      const [have, want] = [model.run(feeds), await oracle(feeds)];
      for (const [output, w] of Object.entries(want)) t.true(w.data.length > 0, `${name}, ${named(sizes)}: ${output}`);
      const step = STEPS[name];
      if (step === undefined) judgeValues(t, name, have, want, named(sizes));
      else {
        const apart = difference(have, want);
        noteError(name, apart / step);
        t.true(apart <= step * 1.001, `${name}, ${named(sizes)}: ${(apart / step).toFixed(2)} steps`);
      }
    }
  });

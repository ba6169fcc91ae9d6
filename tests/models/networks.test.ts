// The networks of the ONNX suite, compiled: at the sizes of both data sets against their outputs, and at another size
// against onnxruntime. A batch that the model leaves open is a symbol.

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { GraphProto } from "../../compiler/import/onnx/proto.js";
import type { TypedArray } from "../../runtime-shim/index.js";
import { loadModel } from "../support/models.js";
import { dynamicInputs, loadCase } from "../support/onnx-case.js";
import { difference } from "../support/onnx-compare.js";
import { withOutput } from "../support/onnx-output.js";
import { openOracle, type Value, type Values, worstError } from "../support/oracle.js";
import { suiteFolder } from "../support/suites.js";
import { fromValue, toValue } from "../support/values.js";
import { judgeSize, noteError, table } from "./judge.js";

const NETWORKS = [
  "causal_lm",
  "gru_tagger",
  "indexing_mix",
  "lenet",
  "lstm_tagger",
  "mnasnet0_5",
  "resize_grid",
  "rnn_tagger",
  "swin_tiny_block",
  "unet",
  "vit_tiny",
];

const tolerance = { rtol: 1e-3, atol: 1e-5 };
const BATCH = { lo: 1, hi: 5 };
/** No data set has this size. */
const OTHER_BATCH = 3;

const root = suiteFolder("onnx-models");
const suiteTest = root === null ? test.serial.skip : test.serial;

if (root !== null) test.after.always((t) => t.log(table()));

function compare(t: ExecutionContext, model: string, have: Values, want: Values, what: string): void {
  noteError(model, worstError(have, want));
  for (const [name, w] of Object.entries(want)) {
    const h = have[name];
    t.is(
      difference(h === undefined ? undefined : fromValue(h), fromValue(w), tolerance),
      null,
      `${what}, output ${name}`,
    );
  }
}

/** The first rows of a value, repeated in another order as often as a batch takes. */
function rebatched({ dtype, shape, data }: Value, batch: number): Value {
  const [rows = 1, ...rest] = shape;
  const row = rest.reduce((n, d) => n * d, 1);
  const out = data.slice(0, 0).constructor as new (n: number) => TypedArray;
  const filled = new out(batch * row);
  for (let i = 0; i < batch * row; i++) {
    const from = ((batch - 1 - Math.floor(i / row)) % rows) * row + (i % row);
    filled[i] = (data as TypedArray)[from] ?? 0;
  }
  return { dtype, shape: [batch, ...rest], data: filled };
}

/** The name of the first input's first dimension, where the model leaves it open. */
function batchOf(graph: GraphProto): string | undefined {
  return dynamicInputs(graph)[0]?.type?.tensorType?.shape?.dim[0]?.dimParam;
}

/** The head of this network has weights of zeros: what goes into it tells more. */
const INNER: Readonly<Record<string, string>> = { vit_tiny: "/Gather_output_0" };

for (const name of NETWORKS) {
  suiteTest(name, async (t) => {
    const folder = join(root ?? "", `test_${name}`);
    const found = loadCase(folder);
    const symbol = found.model.graph === undefined ? undefined : batchOf(found.model.graph);
    const isOpen = symbol !== undefined && symbol !== "";
    const inner = INNER[name];
    const bytes = inner === undefined ? found.bytes : withOutput(found.bytes, inner);
    const model = await loadModel(bytes, isOpen ? { dims: { [symbol]: BATCH } } : {});
    const oracle = await openOracle(bytes);
    judgeSize(t, name, model);
    t.is(found.sets.length, 2);
    for (const set of found.sets) {
      const inputs = Object.fromEntries(Object.entries(set.inputs).map(([k, v]) => [k, toValue(v)]));
      const want = Object.fromEntries(Object.entries(set.outputs).map(([k, v]) => [k, toValue(v)]));
      compare(t, name, model.run(inputs), { ...(await oracle(inputs)), ...want }, set.name);
    }
    const [set] = found.sets;
    if (!isOpen || set === undefined) return;
    const inputs = Object.fromEntries(
      Object.entries(set.inputs).map(([k, v]) => [k, rebatched(toValue(v), OTHER_BATCH)]),
    );
    compare(t, name, model.run(inputs), await oracle(inputs), `batch ${OTHER_BATCH}`);
  });
}

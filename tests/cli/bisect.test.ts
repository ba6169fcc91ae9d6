// `psionic debug bisect`: a clean model, a kernel whose result is damaged, a weight that is, a node that onnxruntime
// computes otherwise, and the small case that is written for each.

import test from "ava";
import { caseFiles, cut } from "../../compiler/cli/bisect/cut.js";
import { differenceOf } from "../../compiler/cli/bisect/difference.js";
import { referenceValues } from "../../compiler/cli/bisect/named.js";
import {
  type Compared,
  compareSteps,
  type Prepared,
  prepare,
  type StepsOptions,
} from "../../compiler/cli/bisect/steps.js";
import { readNpy } from "../../compiler/cli/io/npy.js";
import { importModel } from "../../compiler/import/onnx/import.js";
import type { ModelProto } from "../../compiler/import/onnx/proto.js";
import { decodeMessage } from "../../compiler/import/onnx/wire.js";
import { Builder } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { fails, folder, json, works } from "./command.js";
import { tinyOnnx } from "./tiny-onnx.js";

/** y = relu(x x) x + w, in two kernels. */
const twice = tinyOnnx(
  [["x", [4, 4]]],
  [["y", [4, 4]]],
  [
    { op: "MatMul", inputs: ["x", "x"], outputs: ["a"] },
    { op: "Relu", inputs: ["a"], outputs: ["b"] },
    { op: "MatMul", inputs: ["b", "x"], outputs: ["c"] },
    { op: "Add", inputs: ["c", "w"], outputs: ["y"] },
  ],
  { w: [1, 2, 3, 4] },
);
const X = tensorFrom("f32", [4, 4], [1, -1, 2, 0.5, 0, 1, -3, 2, 1, 1, 1, 1, -2, 0.25, 3, 1]);

async function prepared(): Promise<{ model: ModelProto; prepared: Prepared }> {
  const model = decodeMessage("ModelProto", twice, "twice");
  const builder = new Builder();
  const { graph } = importModel(model, { builder });
  return { model, prepared: await prepare(graph, builder, { tier: "strict" }) };
}

async function bisect(afterStep: NonNullable<StepsOptions["afterStep"]>): Promise<Compared> {
  return compareSteps((await prepared()).prepared, { x: X }, { tier: "strict", tolerance: 1e-4, afterStep });
}

test("nothing is found in a model that is right", async (t) => {
  const { finding, values } = await bisect(() => {});
  t.is(finding, null);
  t.is(values, 3);
});

test("a damaged result is found at the step that wrote it", async (t) => {
  const { finding } = await bisect((step, read, { schedule, placeOf }) => {
    const [first] = schedule.steps;
    const [value] = first?.kind === "kernel" ? first.kernel.outputs : [];
    const offset = value === undefined ? null : placeOf(value);
    if (step === 0 && offset !== null) read(offset + 23, 1)[0] = 0x42;
  });
  t.is(finding?.step, 0);
  t.deepEqual(finding?.difference.worst?.index, [1, 1]);
  t.true(finding?.origins.some((o) => o.includes("(MatMul)")));
});

test("a damaged weight is found at the step that reads it, and cut out", async (t) => {
  const { model, prepared: p } = await prepared();
  const { finding } = compareSteps(
    p,
    { x: X },
    {
      tier: "strict",
      tolerance: 1e-4,
      afterStep: (step, read, { compiled }) => {
        const [w] = compiled.plan.constants;
        if (step === 0 && w !== undefined) read(w.offset + 6, 1)[0] = 0x80;
      },
    },
  );
  t.is(finding?.step, 1);
  t.true(finding?.origins.some((o) => o.includes("(Add)")));
  const inputs = new Map([["x", X]]);
  const made = cut(model, finding?.origins ?? [], inputs, referenceValues(model, { x: X }, {}));
  t.true(made.isCut);
  t.deepEqual([...made.inputs.keys()].sort(), ["b", "x"]);
  const files = caseFiles(made, ["--target wasm"], "found");
  t.regex(String(files.get("README.md")), /psionic debug bisect case\.onnx --target wasm --input 'b=@input-0-b\.npy'/);
  const small = files.get("case.onnx");
  const want = files.get("expected-0-y.npy");
  if (!(small instanceof Uint8Array) || !(want instanceof Uint8Array)) return void t.fail("files are missing");
  const again = decodeMessage("ModelProto", small, "case");
  const have = referenceValues(again, Object.fromEntries(made.inputs), {});
  const y = have.get("y");
  if (y === undefined) return void t.fail("no y");
  t.false(differenceOf(y, readNpy(want), 1e-6).differs);
});

test("differences in every unit", (t) => {
  const f32 = (...xs: number[]) => tensorFrom("f32", [xs.length], xs);
  t.like(differenceOf(f32(1, 2), f32(1, 2), 0), { differs: false, maxAbs: 0, maxUlp: 0, snr: null, worst: null });
  const one = differenceOf(f32(1, 2 + 2 ** -22), f32(1, 2), 1e-4);
  t.like(one, { differs: false, maxAbs: 2 ** -22, maxRelative: 2 ** -23, maxUlp: 1 });
  t.is(differenceOf(f32(-0), f32(0), 0).differs, false);
  t.is(differenceOf(f32(-(2 ** -149)), f32(2 ** -149), 1).maxUlp, 2);
  t.like(differenceOf(f32(1, Number.NaN), f32(1, 2), 1e-4), { differs: true, maxAbs: null, worst: { have: "NaN" } });
  t.false(
    differenceOf(f32(Number.NaN, Number.POSITIVE_INFINITY), f32(Number.NaN, Number.POSITIVE_INFINITY), 0).differs,
  );
  t.true(differenceOf(tensorFrom("i64", [1], [4n]), tensorFrom("i64", [1], [5n]), 1).differs);
  t.is(differenceOf(f32(1), f32(1, 2), 0).form, "have f32[1], want f32[2]");
  // An element that cancelled to nearly nothing beside large ones.
  t.false(differenceOf(f32(1000, 1e-5), f32(1000, 0), 1e-6).differs);
});

const matrix = "x=[[1,-1,2,0.5],[0,1,-3,2],[1,1,1,1],[-2,0.25,3,1]]";

test("the command says that nothing differs", (t) => {
  const f = folder(t);
  f.write("twice.onnx", twice);
  const ran = f.run(["debug", "bisect", "twice.onnx", "--input", matrix]);
  works(t, ran);
  t.regex(ran.out, /^nothing differs: 3 values within 1e-4 of reference\n$/);
  const other = f.run(["debug", "bisect", "twice.onnx", "--input", matrix, "--against", "onnxruntime", "--json"]);
  works(t, other);
  t.like(json(t, other), { finding: null, values: 7 });
  fails(t, f.run(["debug", "bisect", "twice.onnx"]), 1, /input "x": have nothing, want f32\[4, 4\]/);
  fails(t, f.run(["debug", "bisect", "twice.onnx", "--tolerance", "some"]), 2, /--tolerance some/);
});

test("the command names the node that onnxruntime computes otherwise, and writes a case that shows it", (t) => {
  const f = folder(t);
  // Both draw random numbers, and other ones.
  f.write(
    "random.onnx",
    tinyOnnx(
      [["x", [3, 3]]],
      [["y", [3, 3]]],
      [
        { op: "Relu", inputs: ["x"], outputs: ["a"] },
        { op: "RandomUniformLike", inputs: ["a"], outputs: ["r"] },
        { op: "Add", inputs: ["r", "a"], outputs: ["y"] },
      ],
    ),
  );
  const x = "x=[[1,2,3],[4,5,6],[7,8,9]]";
  const ran = f.run(["debug", "bisect", "random.onnx", "--input", x, "--against", "onnxruntime", "-o", "case"]);
  t.is(ran.code, 1, ran.err);
  t.regex(ran.out, /^"r" is not what onnxruntime gives\n {2}nodes {5}node "r" \(RandomUniformLike\)\n/);
  t.deepEqual(
    f.list().filter((name) => name.startsWith("case")),
    ["case", "case/README.md", "case/case.onnx", "case/expected-0-r.npy", "case/input-0-a.npy"],
  );
  const again = f.run([
    "debug",
    "bisect",
    "case/case.onnx",
    "--input",
    "a=@case/input-0-a.npy",
    "--against",
    "onnxruntime",
    "--json",
  ]);
  t.is(again.code, 1, again.err);
  t.like(json(t, again)["finding"], { stage: "importer", name: "r" });
});

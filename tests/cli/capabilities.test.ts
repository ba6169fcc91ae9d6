// `psionic capabilities` and `psionic explain`; and that docs/operators.md is what the matrix prints.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { matrixMarkdown } from "../../compiler/cli/matrix/markdown.js";
import { matrix } from "../../compiler/cli/matrix/matrix.js";
import { OPS } from "../../compiler/ir/ops.js";
import { dtypesOf, formOf } from "../../targets/wasm/capabilities.js";
import { folder, json, works } from "./command.js";
import { tinyOnnx } from "./tiny-onnx.js";

function repositoryRoot(): string {
  let at = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(at, "package.json"))) at = dirname(at);
  return at;
}

test("docs/operators.md is what the tables and the last conformance run say", (t) => {
  const page = readFileSync(join(repositoryRoot(), "docs", "operators.md"), "utf8");
  t.true(page === matrixMarkdown(matrix()), "it is stale: run make matrix, or psionic capabilities --markdown");
});

test("every op that the target takes was tested on every dtype that it takes", (t) => {
  const rows = new Map(matrix().ops.map((r) => [r.op, r.cases]));
  const untested: string[] = [];
  for (const op of Object.keys(OPS) as (keyof typeof OPS)[]) {
    if (formOf(op) === "memory" || op === "dims") continue;
    for (const dtype of dtypesOf(op)) {
      // Functions of 8-bit floats and narrower are their parts, with a rounding after each.
      if (formOf(op) === "decomposed" && /^f[48]/.test(dtype)) continue;
      if (rows.get(op)?.[dtype] === undefined) untested.push(`${op} ${dtype}`);
    }
  }
  t.deepEqual(untested, []);
});

test("capabilities prints the matrix as a table, as JSON and as the page", (t) => {
  const f = folder(t);
  const plain = f.run(["capabilities"]);
  works(t, plain);
  t.regex(plain.out, /^add +fused +floats, integers +exact/m);
  t.regex(plain.out, /^Conv +A +/m);
  const document = json(t, f.run(["capabilities", "--json"]));
  t.is(document["target"], "wasm");
  t.regex(f.run(["capabilities", "--markdown"]).out, /^# Operators$/m);
});

test("explain says how each op runs", (t) => {
  const f = folder(t);
  const nodes = [
    { op: "Relu", inputs: ["x"], outputs: ["h"] },
    { op: "MatMul", inputs: ["h", "x"], outputs: ["y"] },
  ];
  f.write("m.onnx", tinyOnnx([["x", [4, 4]]], [["y", [4, 4]]], nodes));
  const ran = f.run(["explain", "m.onnx"]);
  works(t, ran);
  t.regex(ran.out, /^max +fused +f32 +1$/m);
  t.regex(ran.out, /^matmul +kernel +f32 +1$/m);
  t.regex(ran.out, /kernels?: .*matmul; nothing is refused/);
});

test("explain lists every refusal and exits 1", (t) => {
  const f = folder(t);
  const nodes = [
    { op: "Mystery", inputs: ["x"], outputs: ["h"] },
    { op: "Riddle", inputs: ["x"], outputs: ["y"] },
  ];
  f.write(
    "m.onnx",
    tinyOnnx(
      [["x", [4]]],
      [
        ["h", [4]],
        ["y", [4]],
      ],
      nodes,
    ),
  );
  const ran = f.run(["explain", "m.onnx"]);
  t.is(ran.code, 1);
  t.regex(ran.out, /unsupported_op +node .*Mystery/);
  t.regex(ran.out, /unsupported_op +node .*Riddle/);
  t.regex(ran.out, /2 refused for wasm/);
  const child = f.run(["explain", "m.onnx", "--json"]);
  t.is(child.code, 1);
  t.is(JSON.parse(child.out).refusals.length, 2);
});

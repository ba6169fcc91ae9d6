// docs/operators.md, from the matrix.

import type { Form } from "../../../targets/wasm/capabilities.js";
import { isFloat, isInteger } from "../../ir/dtype.js";
import { accuracyText, dtypesText, type Matrix, opsetsText } from "./matrix.js";

const FORMS: Readonly<Record<Form, string>> = {
  memory: "memory",
  fused: "fused",
  view: "view",
  kernel: "kernel",
  control: "plan steps",
  decomposed: "decomposed",
};

function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The page, with a newline at its end. */
export function matrixMarkdown(m: Matrix): string {
  const cases = m.ops.reduce((n, r) => n + Object.values(r.cases).reduce((a, b) => a + b, 0), 0);
  const counts = (["A", "B", "C"] as const).map((t) => `${m.onnx.filter((r) => r.tier === t).length} ${t}`).join(", ");
  const ops = m.ops.map((r) => {
    const dtypes = m.dtypes.filter((d) => r.cases[d] !== undefined);
    const count = Object.values(r.cases).reduce((a, b) => a + b, 0);
    return [`\`${r.op}\``, FORMS[r.form], dtypesText(dtypes), accuracyText(r), String(count)];
  });
  const onnx = m.onnx
    .toSorted((a, b) => (a.tier === b.tier ? 0 : a.tier < b.tier ? -1 : 1))
    .map((r) => [
      r.domain === "" ? r.op : `${r.domain}:${r.op}`,
      r.tier,
      opsetsText(r.opsets),
      String(r.passed),
      r.refused === 0 ? "" : String(r.refused),
    ]);
  return `<!-- Made by \`make matrix\`; \`psionic capabilities --markdown\` prints it. -->

# Operators

What the \`${m.target}\` target computes. Every row has a code path in the compiler's tables and cases of the last
conformance run that passed: a row without both does not exist. \`psionic capabilities --json\` has the same by dtype;
\`psionic explain model.onnx\` says what of it a model needs.

## Dtypes

Floats: ${m.dtypes.filter(isFloat).join(", ")}.
Integers: ${m.dtypes.filter(isInteger).join(", ")}. And bool.
Floats below 32 bits compute in f32 and are rounded to nearest even after every op; 2-bit and 4-bit types take a byte
per element. Strings are moved and compared, by their numbers in a table. Complex numbers are refused.

## Ops of the graph

${cases} cases against the reference interpreter. *Exact*: the reference's bits, on special values (infinities, NaN, -0,
subnormals, extremes) and random ones. Bounds are in units in the last place of the register that computes; narrower
floats are rounded once from f32. The bounds hold for every finite argument.

${tableText(["op", "runs as", "dtypes", "accuracy", "cases"], ops)}

## ONNX operators

${m.onnx.length} operators with passing cases in the ONNX backend suites, by how common they are (${counts}): A is in most networks,
B in whole families of them, C rare. Opsets are those of the cases that passed.

${tableText(["operator", "tier", "opsets", "passed", "refused"], onnx)}
${
  m.onnxWithoutCases.length === 0
    ? ""
    : `
Translated too, but without a passing case in the suites, so without a row: ${m.onnxWithoutCases.join(", ")}.
`
}`;
}

// The capability matrix: operator by dtype by target. A row is there where the compiler's tables have a code path and a
// test of the last conformance run passed on it: the op table and the target's rows on one side, targets/wasm/tested.ts
// on the other.

import { isMathName, MATH } from "../../../codegen/math/index.js";
import { dtypesOf, type Form, formOf, WASM_DTYPES } from "../../../targets/wasm/capabilities.js";
import { TESTED_ONNX, TESTED_OPS } from "../../../targets/wasm/tested.js";
import { DOMAINS } from "../../import/onnx/table.js";
import { DTYPES, type DType, isFloat, isInteger } from "../../ir/dtype.js";
import { isOpName, OPS, type OpName } from "../../ir/ops.js";
import { type Tier, tierOf } from "./tiers.js";

export interface OpRow {
  readonly op: OpName;
  readonly form: Form;
  /** Cases that gave the reference's values, by the dtype of the first operand. */
  readonly cases: Readonly<Partial<Record<DType, number>>>;
  /** Units in the last place that results may be off, by register; 0 is the reference's bits. */
  readonly ulps: { readonly f32: number; readonly f64: number };
}

export interface OnnxRow {
  readonly domain: string;
  readonly op: string;
  readonly tier: Tier;
  /** Cases of the ONNX backend suites in which it takes part. */
  readonly passed: number;
  readonly refused: number;
  /** Operator set versions of the cases that passed. */
  readonly opsets: readonly number[];
}

export interface Matrix {
  readonly target: "wasm";
  readonly dtypes: readonly DType[];
  readonly ops: readonly OpRow[];
  readonly onnx: readonly OnnxRow[];
  /** Operators that are translated and that no case of the suites has. */
  readonly onnxWithoutCases: readonly string[];
}

/** What conformance runs saw pass, as targets/wasm/tested.ts holds it. */
export interface Tested {
  readonly ops: Readonly<Record<string, string>>;
  readonly onnx: Readonly<Record<string, string>>;
}

function opRow(op: OpName, tested: Tested): OpRow | null {
  const cases: Partial<Record<DType, number>> = {};
  for (const entry of (tested.ops[op] ?? "").split(" ")) {
    const [dtype, count] = entry.split(":");
    const known = dtypesOf(op).find((d) => d === dtype);
    if (known !== undefined) cases[known] = Number(count);
  }
  if (Object.keys(cases).length === 0) return null;
  const bound = isMathName(op) ? MATH[op] : { ulp32: 0, ulp64: 0 };
  return { op, form: formOf(op), cases, ulps: { f32: bound.ulp32, f64: bound.ulp64 } };
}

function onnxRow(domain: string, op: string, tested: Tested): OnnxRow | null {
  const text = tested.onnx[domain === "" ? op : `${domain}:${op}`];
  if (text === undefined) return null;
  const [passed, refused, opsets] = text.split(" ");
  if (Number(passed) === 0) return null;
  const versions = (opsets ?? "").split(",").map(Number);
  return { domain, op, tier: tierOf(domain, op), passed: Number(passed), refused: Number(refused), opsets: versions };
}

export function matrix(tested: Tested = { ops: TESTED_OPS, onnx: TESTED_ONNX }): Matrix {
  const names = Object.keys(OPS).filter(isOpName);
  const onnx = Object.entries(DOMAINS).flatMap(([domain, table]) =>
    Object.keys(table)
      .toSorted()
      .map((op) => ({ name: domain === "" ? op : `${domain}:${op}`, row: onnxRow(domain, op, tested) })),
  );
  return {
    target: "wasm",
    dtypes: WASM_DTYPES,
    ops: names.flatMap((op) => opRow(op, tested) ?? []),
    onnx: onnx.flatMap((o) => o.row ?? []),
    onnxWithoutCases: onnx.filter((o) => o.row === null).map((o) => o.name),
  };
}

/** Dtypes as the names of whole kinds where all of one are there. */
export function dtypesText(dtypes: readonly DType[]): string {
  const kinds: readonly (readonly [string, (d: DType) => boolean])[] = [
    ["floats", isFloat],
    ["integers", isInteger],
    ["bool", (d) => DTYPES[d].kind === "bool"],
  ];
  const parts: string[] = [];
  for (const [name, is] of kinds) {
    const all = WASM_DTYPES.filter(is);
    const have = all.filter((d) => dtypes.includes(d));
    if (have.length === all.length) parts.push(name);
    else parts.push(...have);
  }
  return parts.join(", ");
}

/** What a row promises of its results. */
export function accuracyText(row: OpRow): string {
  if (row.form === "decomposed") return "as its parts";
  const { f32, f64 } = row.ulps;
  if (f32 === 0 && f64 === 0) return SUMS.has(row.op) ? "exact but for the order of sums" : "exact";
  return `${f32} ulp (f32), ${f64} ulp (f64)`;
}

const SUMS: ReadonlySet<OpName> = new Set(["matmul", "blockMatmul", "conv", "reduce", "cumulate", "scatter"]);

/** Versions as ranges: 1, 7, 13-22. */
export function opsetsText(opsets: readonly number[]): string {
  return opsets.join(", ");
}

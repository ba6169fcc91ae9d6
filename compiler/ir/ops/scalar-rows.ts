// Rows of the scalar ops, made from their meanings in scalar.ts.

import { DTYPES, type DType } from "../dtype.js";
import type { InferContext, OpSpec } from "../op-spec.js";
import { arity } from "../op-spec.js";
import type { TensorType } from "../types.js";
import { broadcastShapes } from "./broadcast.js";
import { evaluateScalar } from "./eval-scalar.js";
import { SCALAR, type ScalarDomain, type ScalarName, type ScalarRow } from "./scalar.js";
import type { scalarAttrs } from "./schemas.js";
import { scalarVjp } from "./vjp-scalar.js";

type Row = Omit<OpSpec<Readonly<Record<never, never>>>, "attrs">;

export function inDomain(dtype: DType, domain: ScalarDomain): boolean {
  const { kind } = DTYPES[dtype];
  const integer = kind === "int" || kind === "uint";
  switch (domain) {
    case "float":
      return kind === "float";
    case "int":
      return integer;
    case "number":
      return integer || kind === "float";
    case "bool":
      return kind === "bool";
    case "bits":
      return integer || kind === "bool";
    case "any":
      return integer || kind === "float" || kind === "bool";
    case "equal":
      return kind !== "complex";
  }
}

function inferScalar(name: string, row: ScalarRow, cx: InferContext<unknown>): readonly TensorType[] {
  const [first, ...rest] = cx.types;
  if (first === undefined) return cx.fail(`${name} has no inputs`);
  if (!inDomain(first.dtype, row.domain)) cx.fail(`${name} takes ${row.domain} values, has ${first.dtype}`);
  for (const t of rest)
    if (t.dtype !== first.dtype) cx.fail(`${name} takes operands of one dtype, has ${first.dtype} and ${t.dtype}`);
  const shape = broadcastShapes(
    cx.types.map((t) => t.shape),
    (a, b, what) => cx.unify(a, b, `${name}: ${what}`),
  );
  return [{ dtype: row.result === "bool" ? "bool" : first.dtype, shape }];
}

function rowOf(name: ScalarName): Row {
  const row: ScalarRow = SCALAR[name];
  const vjp = scalarVjp(name);
  return {
    class: "scalar",
    arity: arity(row.arity),
    infer: (cx) => inferScalar(name, row, cx),
    evaluate: (cx) => [evaluateScalar(row, cx)],
    ...(vjp === undefined ? {} : { vjp }),
  };
}

export const scalarRows = Object.fromEntries(Object.keys(SCALAR).map((k) => [k, rowOf(k as ScalarName)])) as {
  readonly [K in keyof typeof scalarAttrs]: Row;
};

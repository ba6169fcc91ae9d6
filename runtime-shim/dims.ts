// Dimensions of the manifest, as text and as functions of the symbols' values. A DimJson that comes here has been
// validated (depth, operators, names). Evaluation never throws: a value that does not exist (division by zero) or that
// leaves the safe integers is NaN, which fails every comparison of its callers.

import type { DimJson, DimOp } from "./format.js";

export type DimFn = (values: readonly number[]) => number;

function floorMod(a: number, b: number): number {
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
}

const APPLY: Readonly<Record<DimOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  div: (a, b) => (a - floorMod(a, b)) / b,
  mod: floorMod,
  min: Math.min,
  max: Math.max,
};

/** The dimension as a function of the symbols' values; `slot` gives a name's index among them. */
export function compileDim(dim: DimJson, slot: (name: string) => number): DimFn {
  if (typeof dim === "number") return () => dim;
  if (typeof dim === "string") {
    const index = slot(dim);
    return (values) => values[index] ?? Number.NaN;
  }
  const apply = APPLY[dim[0]];
  const left = compileDim(dim[1], slot);
  const right = compileDim(dim[2], slot);
  return (values) => {
    const value = apply(left(values), right(values));
    return Number.isSafeInteger(value) ? value + 0 : Number.NaN;
  };
}

/** The dimension's value where it has no symbol, else null. NaN where it does not exist. */
export function constantDim(dim: DimJson): number | null {
  let hasSymbol = false;
  const value = compileDim(dim, () => {
    hasSymbol = true;
    return 0;
  })([]);
  return hasSymbol ? null : value;
}

/** `2*n + 1`, `floordiv(n, 2)`, `min(a, b)`: the text form that the compiler's printer uses too. */
export function dimText(dim: DimJson): string {
  if (typeof dim !== "object") return `${dim}`;
  const [op, a, b] = dim;
  if (op === "add") {
    return typeof b === "number" && b < 0 ? `${dimText(a)} - ${-b}` : `${dimText(a)} + ${dimText(b)}`;
  }
  if (op === "mul") return `${factor(a)}*${factor(b)}`;
  return `${op === "div" ? "floordiv" : op}(${dimText(a)}, ${dimText(b)})`;
}

function factor(dim: DimJson): string {
  return typeof dim === "object" && dim[0] === "add" ? `(${dimText(dim)})` : dimText(dim);
}

export function shapeText(shape: readonly DimJson[]): string {
  return `[${shape.map(dimText).join(", ")}]`;
}

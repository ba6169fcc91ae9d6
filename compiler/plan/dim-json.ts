// Dimensions in the portable form that plans and bundles carry.

import { type Atom, type Dim, terms } from "../ir/dim.js";
import type { DimJson } from "./plan.js";

export function toDimJson(d: Dim): DimJson {
  if (typeof d === "number") return d;
  let sum: DimJson | null = null;
  for (const t of terms(d)) {
    let product: DimJson | null = t.coeff === 1 && t.factors.length > 0 ? null : t.coeff;
    for (const f of t.factors) {
      const factor = atomJson(f);
      product = product === null ? factor : ["mul", factor, product];
    }
    const term: DimJson = product ?? 1;
    sum = sum === null ? term : ["add", sum, term];
  }
  return sum ?? 0;
}

function atomJson(a: Atom): DimJson {
  if (a.kind === "sym") return a.name;
  const op = a.kind === "floordiv" ? "div" : a.kind;
  return [op, toDimJson(a.a), toDimJson(a.b)];
}

/** Names of the symbols in a dimension. */
export function symbolNames(d: DimJson, into: Set<string> = new Set()): Set<string> {
  if (typeof d === "string") into.add(d);
  else if (typeof d !== "number") {
    symbolNames(d[1], into);
    symbolNames(d[2], into);
  }
  return into;
}

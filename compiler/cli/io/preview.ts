// A tensor as a few lines for a person: all elements where there are few, the ends of every axis where there are many.

import { sizeOf, type Tensor } from "../../ir/tensor.js";
import { texts } from "./texts.js";

const FULL_ELEMS = 64;
const EDGE = 3;

/** Nested lists with "..." where elements are left out; floats by their shortest exact digits for the dtype. */
export function preview(t: Tensor): string {
  const all = t.size <= FULL_ELEMS;
  const nest = (axis: number, from: number): string => {
    const size = t.shape[axis];
    if (size === undefined) return formatElement(t, from);
    const stride = sizeOf(t.shape.slice(axis + 1));
    const parts: string[] = [];
    for (let i = 0; i < size; i++) {
      if (!all && size > 2 * EDGE && i === EDGE) {
        parts.push("...");
        i = size - EDGE;
      }
      parts.push(nest(axis + 1, from + i * stride));
    }
    const leaf = axis === t.shape.length - 1;
    return `[${parts.join(leaf ? ", " : `,\n${" ".repeat(axis + 1)}`)}]`;
  };
  return nest(0, 0);
}

function formatElement(t: Tensor, i: number): string {
  const v = t.elements[i] ?? 0;
  if (t.dtype === "str") return JSON.stringify(texts.string(Number(v)));
  if (t.dtype === "bool") return v === 0 ? "false" : "true";
  if (typeof v === "bigint") return String(v);
  if (Object.is(v, -0)) return "-0";
  if (t.dtype === "f64" || !Number.isFinite(v)) return String(v);
  return shortest(v);
}

/** The fewest digits that give the same float32. */
function shortest(v: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const text = v.toPrecision(digits);
    if (Math.fround(Number(text)) === v) return String(Number(text));
  }
  return String(Number(v.toPrecision(9)));
}

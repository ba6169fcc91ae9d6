// Whether tensors hold the same bits. Which NaN a NaN is, no target promises: all are alike.

import { isFloat } from "../../compiler/ir/dtype.js";
import type { Tensor } from "../../compiler/ir/tensor.js";

type Tensors = Readonly<Record<string, Tensor>>;

/** Null, or where two results part first. */
export function bitDifference(have: Tensors, want: Tensors): string | null {
  for (const [name, w] of Object.entries(want)) {
    const h = have[name];
    if (h === undefined) return `"${name}" is missing`;
    if (h.dtype !== w.dtype || h.shape.join() !== w.shape.join())
      return `"${name}" is ${h.dtype}[${h.shape.join(", ")}], want ${w.dtype}[${w.shape.join(", ")}]`;
    if (Buffer.compare(h.bytes, w.bytes) === 0) continue;
    const [a, b] = [h.numbers(), w.numbers()];
    const at = a.findIndex((x, i) => !Object.is(x, b[i]));
    if (at >= 0) return `"${name}" is ${a[at]} at element ${at}, want ${b[at]}`;
    // i64 beyond 2 ** 53 is the same number and not the same bits.
    if (!isFloat(w.dtype)) return `"${name}" has other bits`;
  }
  return null;
}

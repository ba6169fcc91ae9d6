// Compares tensors as the ONNX backend tests do: floats within atol + rtol * |want|, NaN equal to NaN, everything else
// exactly.

import { isFloat } from "../../compiler/ir/dtype.js";
import type { Tensor } from "../../compiler/ir/tensor.js";

export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** What differs, in a sentence, or null. */
export function difference(have: Tensor | undefined, want: Tensor, { rtol, atol }: Tolerance): string | null {
  if (have === undefined) return "is missing";
  if (have.dtype !== want.dtype) return `has dtype ${have.dtype}, want ${want.dtype}`;
  if (have.shape.join() !== want.shape.join())
    return `has shape [${have.shape.join(", ")}], want [${want.shape.join(", ")}]`;
  const [a, b] = [have.elements, want.elements];
  const float = isFloat(have.dtype) || have.dtype.startsWith("c");
  let wrong = 0;
  let first = "";
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    if (x === y) continue;
    if (float && close(Number(x), Number(y), rtol, atol)) continue;
    if (wrong++ === 0) first = `element ${i} is ${x}, want ${y}`;
  }
  return wrong === 0 ? null : `${wrong} of ${b.length} elements differ: ${first}`;
}

function close(x: number, y: number, rtol: number, atol: number): boolean {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) && Number.isNaN(y);
  return Math.abs(x - y) <= atol + rtol * Math.abs(y);
}

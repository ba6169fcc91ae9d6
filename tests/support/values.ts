// Between the compiler's tensors and the runtime's values: the same bytes under two types, and strings by a table.

import type { DType } from "../../compiler/ir/dtype.js";
import type { StringTable } from "../../compiler/ir/strings.js";
import { Tensor } from "../../compiler/ir/tensor.js";
import { viewOf } from "../../runtime-shim/dtype.js";
import { isDType } from "../../runtime-shim/format.js";
import type { Value } from "./oracle.js";

/** `strings` numbers str tensors. */
export function toValue(t: Tensor, strings?: StringTable): Value {
  const { dtype, shape, bytes, size } = t;
  if (!isDType(dtype)) throw new Error(`the runtime has no ${dtype}`);
  if (dtype === "str") {
    if (strings === undefined) throw new Error("strings need a table");
    return { dtype, shape, data: strings.stringsOf(t) };
  }
  const copy = new Uint8Array(bytes);
  return { dtype, shape, data: viewOf(dtype, copy.buffer, 0, size) };
}

export function fromValue({ dtype, shape, data }: Value, strings?: StringTable): Tensor {
  if (!ArrayBuffer.isView(data)) {
    if (strings === undefined) throw new Error("strings need a table");
    return strings.tensor(shape, data);
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Tensor(dtype satisfies DType, shape, bytes);
}

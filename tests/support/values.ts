// Between the compiler's tensors and the runtime's values: the same bytes under two types.

import type { DType } from "../../compiler/ir/dtype.js";
import { Tensor } from "../../compiler/ir/tensor.js";
import { viewOf } from "../../runtime-shim/dtype.js";
import { isDType } from "../../runtime-shim/format.js";
import type { Value } from "./oracle.js";

export function toValue(t: Tensor): Value {
  const { dtype, shape, bytes, size } = t;
  if (!isDType(dtype)) throw new Error(`the runtime has no ${dtype}`);
  const copy = new Uint8Array(bytes);
  return { dtype, shape, data: viewOf(dtype, copy.buffer, 0, size) };
}

export function fromValue({ dtype, shape, data }: Value): Tensor {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Tensor(dtype satisfies DType, shape, bytes);
}

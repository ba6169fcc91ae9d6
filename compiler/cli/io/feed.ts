// Tensors to what the runtime takes and back: the same bytes, as the typed array of their dtype.

import { createHash } from "node:crypto";
import { isDType, viewOf } from "../../../runtime-shim/dtype.js";
import type { Feed, TensorView } from "../../../runtime-shim/index.js";
import { bytesOf } from "../../ir/dtype.js";
import { Tensor } from "../../ir/tensor.js";
import { badInput } from "../failures.js";
import { texts } from "./texts.js";

/** The tensor as an argument of `run`. Throws where its dtype cannot cross the border. */
export function feedFrom(t: Tensor): Feed {
  if (!isDType(t.dtype)) throw badInput(`${t.dtype} arrays cannot be given to a compiled model`);
  if (t.dtype === "str") return { data: texts.stringsOf(t), shape: t.shape, dtype: t.dtype };
  const data = viewOf(t.dtype, t.bytes.slice().buffer, 0, t.size);
  return { data, shape: t.shape, dtype: t.dtype };
}

/** An output of `run` as a tensor. */
export function tensorOfView(v: TensorView): Tensor {
  const { data } = v;
  if (!ArrayBuffer.isView(data)) return texts.tensor(v.shape, data);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length * bytesOf(v.dtype));
  return new Tensor(v.dtype, v.shape, bytes);
}

/** SHA-256 of the elements' bytes, hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

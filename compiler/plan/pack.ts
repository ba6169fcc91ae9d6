// Constants as kernels read them: the plain bytes, or a matrix in panels.

import { bytesOf } from "../ir/dtype.js";
import type { Tensor } from "../ir/tensor.js";
import type { Layout } from "./buffers.js";

export function layoutName(layout: Layout): string {
  if (layout === "plain") return "plain";
  return `panels(nr=${layout.nr}, batch=${layout.batch}, k=${layout.k}, n=${layout.n})`;
}

/** The bytes of a constant in a layout. */
export function pack(tensor: Tensor, layout: Layout): Uint8Array {
  if (layout === "plain") return tensor.bytes;
  const { nr, batch, k, n, batchStride, rowStride } = layout;
  const size = bytesOf(tensor.dtype);
  const panels = Math.ceil(n / nr);
  const out = new Uint8Array(batch * panels * k * nr * size);
  const source = tensor.bytes;
  let at = 0;
  for (let g = 0; g < batch; g++) {
    for (let p = 0; p < panels; p++) {
      const column = Math.min(p * nr, n - nr);
      for (let i = 0; i < k; i++) {
        const from = (g * batchStride + i * rowStride + column) * size;
        out.set(source.subarray(from, from + nr * size), at);
        at += nr * size;
      }
    }
  }
  return out;
}

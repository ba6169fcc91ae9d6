// Constants as kernels read them: the plain bytes, or a matrix in panels of elements or of bits.

import { bytesOf } from "../ir/dtype.js";
import type { Tensor } from "../ir/tensor.js";
import type { Layout, Panels } from "./buffers.js";
import { packBits } from "./pack-bits.js";

export function layoutName(layout: Layout): string {
  if (layout === "plain") return "plain";
  if ("bits" in layout) return `bits(bits=${layout.bits}, nr=${layout.nr}, k=${layout.k}, n=${layout.n})`;
  const { nr, batch, k, n, pair, run } = layout;
  return `panels(nr=${nr}, batch=${batch}, k=${k}, n=${n}${pair === 1 ? "" : `, pair=${pair}, run=${run}`})`;
}

/** Elements of one panel. */
export function panelElements({ nr, k, pair, run }: Panels): number {
  return (k / run) * Math.ceil(run / pair) * pair * nr;
}

/** The bytes of a constant in a layout. */
export function pack(tensor: Tensor, layout: Layout): Uint8Array {
  if (layout === "plain") return tensor.bytes;
  if ("bits" in layout) return packBits(tensor, layout);
  const { nr, batch, k, n, batchStride, rowStride, pair, run } = layout;
  const size = bytesOf(tensor.dtype);
  const panels = Math.ceil(n / nr);
  const panelBytes = panelElements(layout) * size;
  const out = new Uint8Array(batch * panels * panelBytes);
  const source = tensor.bytes;
  const runBytes = Math.ceil(run / pair) * pair * nr * size;
  for (let g = 0; g < batch; g++) {
    for (let p = 0; p < panels; p++) {
      const column = Math.min(p * nr, n - nr);
      const panel = (g * panels + p) * panelBytes;
      for (let i = 0; i < k; i++) {
        const from = (g * batchStride + i * rowStride + column) * size;
        const at = panel + Math.floor(i / run) * runBytes + Math.floor((i % run) / pair) * pair * nr * size;
        if (pair === 1) out.set(source.subarray(from, from + nr * size), at);
        else
          for (let j = 0; j < nr; j++) {
            const element = source.subarray(from + j * size, from + (j + 1) * size);
            out.set(element, at + (j * pair + ((i % run) % pair)) * size);
          }
      }
    }
  }
  return out;
}

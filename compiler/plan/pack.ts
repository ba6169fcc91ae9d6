// Constants as kernels read them: the plain bytes, or a matrix in panels of elements or of bits.

import { bytesOf } from "../ir/dtype.js";
import { wordsOf } from "../ir/ops/strided.js";
import type { Tensor } from "../ir/tensor.js";
import type { Layout, Panels } from "./buffers.js";
import { packBits } from "./pack-bits.js";

export function layoutName(layout: Layout): string {
  if (layout === "plain") return "plain";
  if ("bits" in layout)
    return `bits(bits=${layout.bits}${layout.group === 2 ? "" : `, group=${layout.group}`}, nr=${layout.nr}, k=${layout.k}, n=${layout.n})`;
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
  const panelSize = panelElements(layout);
  const out = new Uint8Array(batch * panels * panelSize * size);
  const { words: from, perElement } = wordsOf(size, tensor.bytes);
  const { words: to } = wordsOf(size, out);
  const runSize = Math.ceil(run / pair) * pair * nr;
  for (let g = 0; g < batch; g++) {
    for (let p = 0; p < panels; p++) {
      const column = Math.max(0, Math.min(p * nr, n - nr));
      const panel = (g * panels + p) * panelSize;
      for (let i = 0; i < k; i++) {
        const inRun = i % run;
        const row = panel + Math.floor(i / run) * runSize + Math.floor(inRun / pair) * pair * nr + (inRun % pair);
        let source = (g * batchStride + i * rowStride + column) * perElement;
        for (let j = 0; j < Math.min(nr, n); j++) {
          const target = (row + j * pair) * perElement;
          for (let lane = 0; lane < perElement; lane++) to[target + lane] = from[source++] ?? 0;
        }
      }
    }
  }
  return out;
}

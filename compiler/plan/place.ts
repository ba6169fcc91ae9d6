// Where everything lies in memory: zeros, weights, state, and one arena in which buffers that are never alive together
// share bytes. Sizes are those of the largest shapes. Greedy by size, each buffer at the lowest offset that is free for
// its whole life.

import { type Dim, formatDim, range } from "../ir/dim.js";
import { bytesOf } from "../ir/dtype.js";
import { refuse } from "../ir/errors.js";
import type { Value } from "../ir/graph.js";
import { elementCount, formatType } from "../ir/types.js";
import type { Buffer, Lifetimes, Scratch } from "./lifetimes.js";

export const ALIGN = 64;
export const PAGE = 65536;
const MAX_BYTES = 2 ** 32 - PAGE;

export function align(n: number, to = ALIGN): number {
  return Math.ceil(n / to) * to;
}

/** Bytes of a value at its largest shape. */
export function bytesAtMost(v: Value): number {
  return boundBytes(elementCount(v.type.shape), bytesOf(v.type.dtype), formatType(v.type));
}

function boundBytes(count: Dim, each: number, what: string): number {
  const { hi } = range(count);
  if (!Number.isFinite(hi) || hi * each > MAX_BYTES)
    refuse({
      code: "resource_limit",
      scope: "plan",
      subject: what,
      detail: `a buffer of ${what} takes up to ${Number.isFinite(hi) ? `${hi * each} bytes` : `an unbounded size (${formatDim(count)})`}; WebAssembly memory ends at 4 GiB`,
      at: "",
      hint: "bound its dimensions: --dim name=lo..hi, or --bound n for sizes that depend on data",
    });
  return Math.max(0, hi) * each;
}

export interface Placement {
  /** Offset within the arena. */
  readonly offsets: ReadonlyMap<Buffer | Scratch, number>;
  readonly sizes: ReadonlyMap<Buffer | Scratch, number>;
  readonly bytes: number;
}

export function placeArena({ buffers, scratch }: Lifetimes): Placement {
  interface Item {
    readonly key: Buffer | Scratch;
    readonly bytes: number;
    readonly first: number;
    readonly last: number;
    offset: number;
  }
  const items: Item[] = [
    ...buffers.map((b): Item => ({ key: b, bytes: bytesAtMost(b.value), first: b.first, last: b.last, offset: 0 })),
    ...scratch.map(
      (s): Item => ({
        key: s,
        bytes: boundBytes(s.bytes, 1, `scratch of ${s.kernel.name}`),
        first: s.at,
        last: s.at,
        offset: 0,
      }),
    ),
  ];
  const bySize = items.map((item, i) => ({ item, i })).sort((a, b) => b.item.bytes - a.item.bytes || a.i - b.i);
  const placed: Item[] = [];
  let bytes = 0;
  for (const { item } of bySize) {
    const rivals = placed
      .filter((p) => p.first <= item.last && item.first <= p.last)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const r of rivals) {
      if (offset + item.bytes <= r.offset) break;
      offset = Math.max(offset, align(r.offset + r.bytes));
    }
    item.offset = offset;
    placed.push(item);
    bytes = Math.max(bytes, align(offset + item.bytes));
  }
  return {
    offsets: new Map(items.map((i) => [i.key, i.offset])),
    sizes: new Map(items.map((i) => [i.key, i.bytes])),
    bytes,
  };
}

export function checkTotal(bytes: number): void {
  if (bytes > MAX_BYTES)
    refuse({
      code: "resource_limit",
      scope: "plan",
      subject: "memory",
      detail: `the model takes ${bytes} bytes; WebAssembly memory ends at 4 GiB`,
      at: "",
      hint: "compile for smaller shapes: --dim name=lo..hi",
    });
}

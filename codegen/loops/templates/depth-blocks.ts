// A deep product in blocks of its depth: a block of rows and a panel's part of that depth stay in cache together. Sums wait
// in the output between the blocks, and are taken up where they were: their order over k does not change. Where kernels can
// ask for the next panel in time its depth may be whole, and no sum has to wait.

import { type Dim, indexVar, mul } from "../../../compiler/ir/dim.js";
import type { Value } from "../../../compiler/ir/graph.js";
import { elementCount } from "../../../compiler/ir/types.js";
import { choiceOf } from "../../../compiler/schedule/choices.js";
import type { MatmulForm } from "../../../compiler/schedule/contraction.js";
import type { Tile } from "../../../compiler/schedule/tiles.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { clearTile } from "./tile.js";

/** Steps of a sum from which on blocks of them pay. */
const DEEP = 1536;
/** Steps of a block, at most and at least. */
const MOST = 512;
const LEAST = 256;
/** Blocks of rows that threads share. */
const ROW_BLOCKS = 8;

export interface DepthBlocks {
  /** Steps of a block. */
  readonly length: number;
  readonly count: number;
  /** The block's number, a loop variable around the panels. */
  readonly at: Dim;
}

/**
 * How a product's depth is divided; null where it stays whole. Tiles must not overlap, since each adds to what it finds. What a
 * kernel reads never lies where it writes, so the sums wait in the output.
 */
export function depthBlocks(frame: Frame, { m, k, n }: MatmulForm, result: Value, tile: Tile): DepthBlocks | null {
  const { kernel, output } = frame;
  if (frame.unit.prefetches) return null;
  if (typeof m !== "number" || typeof k !== "number" || typeof n !== "number") return null;
  if (m % tile.mr !== 0 || n % tile.nr !== 0 || result.type.dtype !== "f32" || output.type.dtype !== "f32") return null;
  if (elementCount(result.type.shape) !== elementCount(output.type.shape)) return null;
  const length = k < DEEP ? null : divisor(k);
  if (length === null) return null;
  const rows = (choiceOf(kernel, "block") * 1024) / (4 * length);
  return m < ROW_BLOCKS * rows ? null : { length, count: k / length, at: indexVar("depth", k / length) };
}

function divisor(k: number): number | null {
  for (let length = MOST; length >= LEAST; length--) if (k % length === 0) return length;
  return null;
}

/** The loop over blocks around what runs for each. */
export function overDepth({ at, count }: DepthBlocks, body: Stmt[]): Stmt[] {
  return [forLoop(at, count, body)];
}

/** A tile's sums as a block finds them: zeros, or what the block before left at `index`. */
export function openSums(
  frame: Frame,
  { at }: DepthBlocks,
  acc: readonly (readonly Expr[])[],
  index: (row: number, vector: number) => Dim,
): Stmt[] {
  const { pool, output } = frame;
  const taken = eachSum(acc, (sum, i, j): Stmt => {
    const value = pool.load(frame.buffer(output), "f32", sum.type, index(i, j), 1);
    return { kind: "set", target: sum, value };
  });
  return [{ kind: "if", mask: pool.compare("eq", pool.index(at), pool.i32(0)), yes: clearTile(frame, acc), no: taken }];
}

/** What becomes of a tile's sums: `finish` after the last block, else they wait. */
export function closeSums(
  frame: Frame,
  { at, count }: DepthBlocks,
  acc: readonly (readonly Expr[])[],
  index: (row: number, vector: number) => Dim,
  finish: Stmt[],
): Stmt[] {
  const { pool, output } = frame;
  const buffer = frame.buffer(output);
  const kept = eachSum(
    acc,
    (value, i, j): Stmt => ({ kind: "store", buffer, dtype: "f32", index: index(i, j), value }),
  );
  return [{ kind: "if", mask: pool.compare("eq", pool.index(at), pool.i32(count - 1)), yes: finish, no: kept }];
}

function eachSum(acc: readonly (readonly Expr[])[], make: (sum: Expr, row: number, vector: number) => Stmt): Stmt[] {
  return acc.flatMap((row, i) => row.map((sum, j) => make(sum, i, j)));
}

/** Where a block's steps start. */
export function depthStart(blocks: DepthBlocks | null): Dim {
  return blocks === null ? 0 : mul(blocks.at, blocks.length);
}

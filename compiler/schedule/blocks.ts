// What a kernel with packed weights asks of its operands, and which tile it gets: constant weights of 2, 4 or 8 bits in
// blocks that end where words end (blockMatmul), or floats of 16 bits (matmul), as 32-bit words of one column each.

import { boundsOf } from "../ir/bounds.js";
import { type Dim, mul, range } from "../ir/dim.js";
import { bytesOf, DTYPES, isInteger } from "../ir/dtype.js";
import { constantOf, isOp, type Node, type NodeOf, type Value } from "../ir/graph.js";
import type { Choices, Template } from "./schedule.js";
import type { TileChooser } from "./tiles.js";

export interface BlockForm {
  readonly x: Value;
  readonly w: Value;
  /** What weights are but for bits: one per block and column, zeros also a scalar. null: they are floats. */
  readonly affine: { readonly scale: Value; readonly zero: Value } | null;
  /** Of integers in x, of 16 or 8 bits: scales and sums per row and block. */
  readonly quantized: { readonly scale: Value; readonly sum: Value } | null;
  /** Elements along k that are multiplied at a time, and lie so in words: pairs of 16 bits, or four bytes. */
  readonly group: 2 | 4;
  readonly m: Dim;
  readonly k: number;
  readonly n: number;
  readonly block: number;
  readonly groups: number;
  readonly bits: number;
}

/** Bits of a word, which holds neighbours along k of one column. */
const WORD_BITS = 32;
/** Columns that one vector holds. */
const LEAST_COLUMNS = 4;

export function perWord(bits: number): number {
  return WORD_BITS / bits;
}

/** The product that a kernel with packed weights computes; null where there is none for it. */
export function blockForm(node: Node): BlockForm | null {
  if (isOp(node, "matmul")) return narrowForm(node);
  if (!isOp(node, "blockMatmul")) return null;
  const [x, w, scale, zero, xScale, xSum] = node.inputs;
  if (x === undefined || w === undefined || scale === undefined || zero === undefined) return null;
  const [k, n] = w.type.shape;
  const { kind, bits } = DTYPES[w.type.dtype];
  const { block } = node.attrs;
  if ([w, scale, zero].some((v) => constantOf(v) === undefined)) return null;
  if (typeof k !== "number" || typeof n !== "number" || n < LEAST_COLUMNS || k < 1) return null;
  const groups = Math.ceil(k / block);
  if (groups > 1 && block % perWord(bits) !== 0) return null;
  // Signed weights are stored with an offset, which their zeros take exactly.
  if (kind === "int" && !isInteger(zero.type.dtype)) return null;
  const quantized = xScale === undefined || xSum === undefined ? null : { scale: xScale, sum: xSum };
  const { dtype } = x.type;
  if (quantized !== null && dtype !== "i16" && dtype !== "i8") return null;
  // One value cannot lie in two layouts for one kernel.
  if (zero === w || zero === scale) return null;
  const m = mul(1, ...x.type.shape.slice(0, -1));
  const group = dtype === "i8" ? 4 : 2;
  return { x, w, affine: { scale, zero }, quantized, group, m, k, n, block, groups, bits };
}

/** f32 by constant floats of 16 bits: one block without scales. */
function narrowForm(node: NodeOf<"matmul">): BlockForm | null {
  const [x, w] = node.inputs;
  if (x === undefined || w === undefined || constantOf(w) === undefined) return null;
  const [k, n, more] = w.type.shape;
  const { dtype } = w.type;
  if (x.type.dtype !== "f32" || node.attrs.dtype !== "f32" || (dtype !== "f16" && dtype !== "bf16")) return null;
  if (typeof k !== "number" || typeof n !== "number" || more !== undefined || n < LEAST_COLUMNS || k < 1) return null;
  const m = mul(1, ...x.type.shape.slice(0, -1));
  return { x, w, affine: null, quantized: null, group: 2, m, k, n, block: k, groups: 1, bits: 16 };
}

/** Three columns may share two sums, in which their products lie this many bits apart. */
export const SHARED_COLUMNS = 3;
export const SHARED_SUMS = 2;
export const SHARED_SHIFT = 11;
/** Columns of a panel whose tiles do. */
const SHARED_PANEL = 24;

/**
 * Whether columns of integers in pairs can share sums (shared-sums.ts in codegen): two weights fit an operand of 16 bits, two
 * sums 32, and what the first of them adds to the upper bits is less than the lower bits tell apart.
 */
export function sharesSums({ x, quantized, group, bits, block, k }: BlockForm): boolean {
  if (quantized === null || group !== 2) return false;
  const { lo, hi } = boundsOf(x);
  const weight = 2 ** bits - 1;
  const sum = Math.max(-lo, hi) * weight * Math.min(block, k);
  const apart = 2 ** SHARED_SHIFT;
  return weight * (apart + 1) < 2 ** 15 && sum * (apart + 1) < 2 ** 31 && 2 * (sum / apart + 1) < apart;
}

/** Bits by which the sums of a row stand above what they are, where weights are multiplied in their places. */
export const ROW_SCALE = 8;

/**
 * Whether a row of integers in pairs multiplies weights of 4 bits where they lie in their halves, and its own numbers times the
 * powers of two that make up for it: those must fit 16 bits, and the sums 32.
 */
export function rowScales({ x, quantized, group, bits, block, k }: BlockForm): boolean {
  if (quantized === null || group !== 2 || bits !== 4) return false;
  const { lo, hi } = boundsOf(x);
  const scaled = 2 ** ROW_SCALE;
  const isSmall = lo * scaled >= -(2 ** 15) && hi * scaled < 2 ** 15;
  return isSmall && Math.max(-lo, hi) * (2 ** bits - 1) * Math.min(block, k) * scaled < 2 ** 31;
}

/** Whether the tiles of a kernel with panels of `nr` columns, in vectors of `lanes`, share sums. */
export function tilesShareSums(form: BlockForm, nr: number, lanes: number): boolean {
  return nr % (SHARED_COLUMNS * lanes) === 0 && sharesSums(form);
}

/** A panel's columns are read whole by one row; tiles of rows take parts of them. */
export function blockChoices(form: BlockForm, tiles: TileChooser): { template: Template; choices: Choices } {
  const apart = form.k * bytesOf(form.x.type.dtype);
  const { mr, nr } = tiles.blockMatmul({ rows: range(form.m).hi, columns: form.n, apart }, form.quantized !== null);
  const isShared = mr > 1 && form.n >= SHARED_PANEL && sharesSums(form);
  return { template: "blockMatmul", choices: { mr, nr: isShared ? SHARED_PANEL : nr } };
}

/** Rows of a column's weights once they are unpacked, 32 bits each: a real number, or the integers of a dot product. */
export function unpackedRows({ k, quantized, group }: BlockForm): number {
  return quantized === null ? k : Math.ceil(k / group);
}

/** Bytes that a panel's weights take unpacked: where there are tiles of rows. */
export function blockScratchBytes(form: BlockForm, choices: Choices): number {
  return choices["mr"] === 1 ? 0 : unpackedRows(form) * Number(choices["nr"]) * 4;
}

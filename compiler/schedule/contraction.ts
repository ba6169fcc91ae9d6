// What a contraction's kernel asks of its operands, and which tile it gets. Matrix products and pointwise convolutions
// share one form: rows of `a` (any strides) by columns of `b` (contiguous in n, or a constant to be packed).

import { type Dim, indexVar, linearIn, mul, range, symOf } from "../ir/dim.js";
import { bytesOf, type DType } from "../ir/dtype.js";
import { constantOf, isOp, type Node, type NodeOf, type Value } from "../ir/graph.js";
import { elementCount } from "../ir/types.js";
import { copiesPanels } from "./copied.js";
import type { Choices, Template } from "./schedule.js";
import type { GroupSize, TileChooser, TileShape } from "./tiles.js";
import { locate, unravel } from "./views.js";

/** A pointwise convolution is a matrix product over pixels. */
function isPointwise(node: NodeOf<"conv">): boolean {
  const { strides, low, high, groups, layout } = node.attrs;
  const window = node.inputs[1]?.type.shape.slice(0, -2) ?? [];
  return (
    layout === "nhwc" &&
    groups === 1 &&
    window.every((d) => d === 1) &&
    strides.every((s) => s === 1) &&
    [...low, ...high].every((p) => p === 0)
  );
}

const FEW_INPUTS = 8;

/** The form of a convolution of small groups; null where its groups are large, or not known. */
export function groupForm(node: Node): GroupSize | null {
  if (!isOp(node, "conv")) return null;
  const { groups, layout } = node.attrs;
  const [inputs, outs] = node.inputs[1]?.type.shape.slice(-2) ?? [];
  if (layout !== "nhwc" || groups === 1 || typeof inputs !== "number" || typeof outs !== "number") return null;
  return inputs <= FEW_INPUTS ? { groups, inputs, results: outs / groups } : null;
}

export interface MatmulForm {
  readonly a: Value;
  readonly b: Value;
  /** Batch axes that loop outside: both operands vary with them, or b does. */
  readonly batch: readonly Dim[];
  readonly m: Dim;
  readonly k: Dim;
  readonly n: Dim;
  /** Positions of a(batch, m, k) and b(batch, k, n). */
  positionA(batch: readonly Dim[], m: Dim, k: Dim): Dim[];
  positionB(batch: readonly Dim[], k: Dim, n: Dim): Dim[];
}

/** The matrix product that a node computes; null for convolutions that are none. */
export function matmulForm(node: Node): MatmulForm | null {
  const [a, b] = node.inputs;
  if (a === undefined || b === undefined) return null;
  const n = b.type.shape.at(-1) ?? 1;
  const k = b.type.shape.at(-2) ?? 1;
  if (isOp(node, "conv")) {
    if (!isPointwise(node)) return null;
    const { shape } = a.type;
    const pixels = mul(1, ...shape.slice(0, -1));
    return {
      a,
      b,
      batch: [],
      m: pixels,
      k,
      n,
      positionA: (_, m, at) => [...unravel(m, shape.slice(0, -1)), at],
      positionB: (_, at, column) => [...b.type.shape.slice(0, -2).map(() => 0), at, column],
    };
  }
  if (!isOp(node, "matmul")) return null;
  const out = node.outputs[0]?.type.shape ?? [];
  const batchAll = out.slice(0, -2);
  const clip = (position: readonly Dim[], v: Value): Dim[] => {
    const own = v.type.shape.slice(0, -2);
    return own.map((size, axis) => (size === 1 ? 0 : (position[axis + batchAll.length - own.length] ?? 0)));
  };
  const m = out.at(-2) ?? 1;
  // b is the same for every batch: the batches are just more rows.
  if (b.type.shape.slice(0, -2).every((d) => d === 1)) {
    const shared = [...batchAll, m];
    return {
      a,
      b,
      batch: [],
      m: elementCount(shared),
      k,
      n,
      positionA: (_, row, at) => {
        const position = unravel(row, shared);
        return [...clip(position.slice(0, -1), a), position.at(-1) ?? 0, at];
      },
      positionB: (_, at, column) => [...b.type.shape.slice(0, -2).map(() => 0), at, column],
    };
  }
  return {
    a,
    b,
    batch: batchAll,
    m,
    k,
    n,
    positionA: (batch, row, at) => [...clip(batch, a), row, at],
    positionB: (batch, at, column) => [...clip(batch, b), at, column],
  };
}

/** Whether the kernel can read `a` where it lies: its offset is linear in row and depth. */
export function readsInPlaceA(form: MatmulForm): boolean {
  const { m, k, batch } = probe(form);
  const { offset } = locate(form.a, form.positionA(batch, m, k));
  return isLinear(offset, m) && isLinear(offset, k);
}

/** Whether the kernel can read `b` where it lies: contiguous columns, rows a constant stride apart. */
export function readsInPlaceB(form: MatmulForm): boolean {
  const { k, n, batch } = probe(form);
  const { offset } = locate(form.b, form.positionB(batch, k, n));
  const column = symOf(n);
  if (column === undefined || !isLinear(offset, k)) return false;
  return linearIn(offset, column)?.coeff === 1;
}

function probe(form: MatmulForm): { m: Dim; k: Dim; n: Dim; batch: Dim[] } {
  return {
    m: indexVar("?m", form.m),
    k: indexVar("?k", form.k),
    n: indexVar("?n", form.n),
    batch: form.batch.map((size, axis) => indexVar(`?b${axis}`, size)),
  };
}

function isLinear(offset: Dim, v: Dim): boolean {
  const s = symOf(v);
  return s !== undefined && linearIn(offset, s) !== null;
}

/** Columns of a constant b: packed at compile time into panels of `nr` columns, rows one after another. */
export function isPacked(b: Value): boolean {
  return constantOf(b) !== undefined;
}

/** What a register tile of a contraction covers, at most. */
export function tileShape(node: Node): TileShape {
  const form = matmulForm(node);
  if (form !== null) {
    return { rows: range(form.m).hi, columns: range(form.n).hi, apart: rowsApart(form), pads: isPacked(form.b) };
  }
  const outs = node.inputs[1]?.type.shape.at(-1) ?? 0;
  const rows = range(node.outputs[0]?.type.shape.at(-2) ?? 1).hi;
  if (!isOp(node, "conv")) return { rows, columns: range(outs).hi };
  const [x] = node.inputs;
  const pixel = Number(x?.type.shape.at(-1) ?? 0) * bytesOf(x?.type.dtype ?? "f32") * (node.attrs.strides.at(-1) ?? 1);
  const columns = typeof outs === "number" ? outs / node.attrs.groups : 8;
  const pads = node.inputs[1] !== undefined && isPacked(node.inputs[1]);
  return { rows, columns, apart: Number.isFinite(pixel) ? pixel : 0, pads };
}

/** Bytes from a row of `a` to the next; 0 where they are not a constant distance apart. */
function rowsApart(form: MatmulForm): number {
  const { m, k, batch } = probe(form);
  const row = symOf(m);
  const step = row === undefined ? null : linearIn(locate(form.a, form.positionA(batch, m, k)).offset, row);
  return typeof step?.coeff === "number" ? Math.abs(step.coeff) * bytesOf(form.a.type.dtype) : 0;
}

/** Few columns of a constant, whose sums run in vectors along the depth. */
export interface InnerForm {
  readonly element: { readonly a: DType; readonly b: DType; readonly sum: DType };
  readonly columns: number;
  /** Elements of a column. */
  readonly depth: number;
  /** Partial results of a sum: element k goes to the one of number k mod so many. */
  readonly partials: 4 | 8 | 16;
}

const FEW_COLUMNS = 3;
const LANE_BYTES = 4;

/** Whether vectors run along a contraction's depth; null where they run along its columns. The same on every target. */
export function innerForm(node: Node): InnerForm | null {
  const [a, b] = node.inputs;
  const columns = b?.type.shape.at(-1);
  const run = b?.type.shape.at(-2);
  const sum = node.outputs[0]?.type.dtype;
  if (a === undefined || b === undefined || sum === undefined || constantOf(b) === undefined) return null;
  if (typeof columns !== "number" || columns < 1 || columns > FEW_COLUMNS || typeof run !== "number") return null;
  const element = { a: a.type.dtype, b: b.type.dtype, sum };
  const isFloat = element.a === "f32" && element.b === "f32" && sum === "f32";
  const isInteger = INNER_BYTES.has(`${element.a} ${element.b}`) && sum === "i32";
  if (!isFloat && !isInteger) return null;
  const perLane = isFloat ? 1 : LANE_BYTES / bytesOf(element.a);
  const partials = ([16, 8, 4] as const).find((n) => run % (n * perLane) === 0);
  if (partials === undefined || run === 0) return null;
  const form = matmulForm(node);
  if (form !== null) {
    const isShared = form.batch.length === 0 && b.type.shape.slice(0, -2).every((d) => d === 1);
    return isShared && isContiguousA(form) ? { element, columns, depth: run, partials } : null;
  }
  if (!isOp(node, "conv") || node.attrs.layout !== "nhwc" || node.attrs.groups !== 1) return null;
  const depth = b.type.shape.slice(0, -1).reduce((product: number, d) => product * Number(d), 1);
  return { element, columns, depth, partials };
}

/** Integers with a dot product of pairs or of four, a row's beside a column's. */
const INNER_BYTES: ReadonlySet<string> = new Set(["i16 i16", "i16 i8", "u8 i8", "i8 u8"]);

/** Whether the elements of a row follow each other in memory. */
export function isContiguousA(form: MatmulForm): boolean {
  const { m, k, batch } = probe(form);
  const depth = symOf(k);
  const { offset } = locate(form.a, form.positionA(batch, m, k));
  return depth !== undefined && isLinear(offset, m) && linearIn(offset, depth)?.coeff === 1;
}

/** Template and tile of a contraction. The sums' order does not depend on the tile. */
export function chooseTile(node: Node, tiles: TileChooser): { template: Template; choices: Choices } {
  if (innerForm(node) !== null) return { template: "innerProducts", choices: {} };
  const shape = tileShape(node);
  const form = matmulForm(node);
  if (form !== null) {
    const tile = tiles.matmul(shape);
    const copied = tiles.copiesPanels && copiesPanels(form, tile) ? { copied: 1 } : {};
    return { template: "matmul", choices: { ...tile, packed: isPacked(form.b) ? 1 : 0, ...copied } };
  }
  const small = groupForm(node);
  const grouped = small === null ? null : tiles.depthwise(small);
  if (grouped !== null) return { template: "depthwise", choices: { ...grouped } };
  const w = node.inputs[1];
  const packed = w !== undefined && isPacked(w) ? 1 : 0;
  return { template: "conv", choices: { ...tiles.conv(shape), packed } };
}

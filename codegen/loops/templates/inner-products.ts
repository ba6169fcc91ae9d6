// innerProducts: a product or convolution of so few columns that vectors run along its depth instead. Rows and columns are
// contiguous along it: a tile of rows shares what it loads of the columns, and every sum has partial results in its lanes,
// of f32 as many as the depth says (contraction.ts), on every target alike. Integers add up to the same in any order.

import { isKnownFinite } from "../../../compiler/ir/bounds.js";
import { add, type Dim, indexVar, mul, sub } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp, type NodeOf, type Value } from "../../../compiler/ir/graph.js";
import { type InnerForm, innerForm, matmulForm } from "../../../compiler/schedule/contraction.js";
import { holder, ravel } from "../../../compiler/schedule/views.js";
import { type Expr, I32, type Reg } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, parallelLoop } from "../nest.js";
import { type PartialForm, Partials } from "../partials.js";
import type { Stmt } from "../stmt.js";
import { atEdges, type LastAxis, type TapSpan } from "./conv-window.js";
import { operandReader } from "./matmul.js";
import {
  dotOnto,
  dotWidth,
  type Element,
  outputTarget,
  type RowAt,
  rowPointers,
  rowsAt,
  rowTiles,
  storeElement,
  tiles,
} from "./tile.js";

/** Registers that a tile's sums may fill, and rows that pointers may stand for. */
const SUMS = 12;
const MOST_ROWS = 8;

export function lowerInnerProducts(frame: Frame): Stmt[] {
  const { anchor } = frame.kernel;
  const form = innerForm(anchor);
  const [a, b] = anchor.inputs;
  const result = anchor.outputs[0];
  if (form === null || a === undefined || b === undefined || result === undefined)
    throw new Bug("loops", "inner products without their operands");
  const products = new Products(frame, form, b, result);
  return matmulForm(anchor) === null && isOp(anchor, "conv")
    ? overImage(frame, anchor, a, b, products)
    : overRows(frame, products);
}

/** What tiles of one kernel have in common: the columns, one after another in memory, and how sums lie in registers. */
class Products {
  readonly element: Element;
  readonly result: Value;
  readonly columns: number;
  /** Rows of a tile. */
  readonly rows: number;
  readonly #frame: Frame;
  readonly #b: Value;
  readonly #depth: number;
  readonly #partials: PartialForm;
  /** Elements of the depth in a lane. */
  readonly #dot: number;

  constructor(frame: Frame, { element, columns, depth, partials }: InnerForm, b: Value, result: Value) {
    this.#frame = frame;
    this.#b = b;
    this.#depth = depth;
    this.element = element;
    this.result = result;
    this.columns = columns;
    this.#dot = element.sum === "f32" ? 1 : dotWidth(element, true);
    const lanes = Math.min(frame.pool.vectorLanes, partials);
    // Integers take one register of each: their order is free.
    const vectors = element.sum === "f32" ? partials / lanes : 1;
    this.#partials = { lanes, vectors, isLong: true };
    this.rows = Math.min(MOST_ROWS, Math.max(1, Math.floor(SUMS / (columns * vectors))));
    const strides = { batchStride: columns, rowStride: columns };
    frame.pack(b, { nr: 1, batch: 1, k: depth, n: columns, ...strides, pair: 1, run: depth });
  }

  sums(rows: number): Partials[][] {
    const kind = this.element.sum === "f32" ? "f32" : "i32";
    return Array.from({ length: rows }, (_, i) =>
      Array.from({ length: this.columns }, (_, j) => new Partials(this.#frame.pool, kind, `${i}_${j}`, this.#partials)),
    );
  }

  /** sums += rows . columns over `steps` elements, which are the columns' from `from` on. */
  accumulate(sums: readonly (readonly Partials[])[], rows: readonly RowAt[], from: Dim, steps: Dim): Stmt[] {
    const { pool, buffer } = this.#frame;
    const { lanes, vectors } = this.#partials;
    const { a, b, sum } = this.element;
    const type: Reg = { kind: sum === "f32" ? "f32" : "i32", lanes };
    const [bytesA, bytesB] = [this.#dot * bytesOf(a), this.#dot * bytesOf(b)];
    const pa = rowPointers(this.#frame, rows);
    const [pb, end] = [pool.variable(I32, "pb"), pool.variable(I32, "pend")];
    const body: Stmt[] = [];
    const set = (target: Expr, value: Expr): number => body.push({ kind: "set", target, value });
    for (let v = 0; v < vectors; v++) {
      const columns = Array.from({ length: this.columns }, (_, j) => {
        const target = pool.variable(type, `b${j}`);
        const offset = j * this.#depth * bytesOf(b) + v * lanes * bytesB;
        // Pairs of bytes are widened as they are read.
        const read = bytesB < 4 ? { ...type, lanes: 2 * lanes } : type;
        set(target, pool.loadAt(pb, offset, bytesB < 4 ? "i8" : type.kind === "f32" ? "f32" : "i32", read));
        return target;
      });
      for (const [i, { address, offset }] of rows.entries()) {
        const row = pool.variable(type, "a");
        const at = offset + v * lanes * bytesA;
        set(row, pool.loadAt(pa.get(address) ?? pb, at, type.kind === "f32" ? "f32" : "i32", type));
        for (const [j, column] of columns.entries()) {
          const target = sums[i]?.[j]?.at(v);
          if (target === undefined) throw new Bug("loops", "a row without sums");
          set(
            target,
            sum === "f32"
              ? pool.same("madd", row, column, target)
              : dotOnto(this.#frame, this.element, row, column, target),
          );
        }
      }
    }
    for (const p of pa.values()) set(p, pool.same("add", p, pool.i32(vectors * lanes * bytesA)));
    set(pb, pool.same("add", pb, pool.i32(vectors * lanes * bytesB)));
    const start = pool.address(buffer(this.#b), from, bytesOf(b));
    return [
      ...[...pa].map(([value, target]): Stmt => ({ kind: "set", target, value })),
      { kind: "set", target: pb, value: start },
      { kind: "set", target: end, value: pool.same("add", pb, pool.index(mul(steps, bytesOf(b)))) },
      { kind: "while", mask: pool.compare("ltU", pb, end), body },
    ];
  }

  /** Stores the sums of rows whose results start at these elements. */
  store(sums: readonly (readonly Partials[])[], starts: readonly Dim[]): Stmt[] {
    const { sum } = this.element;
    const target = outputTarget(this.#frame);
    return sums.flatMap((row, i) =>
      row.flatMap((partials, j) => [
        ...partials.narrow(),
        storeElement(this.#frame, this.result, partials.total("sum", sum), add(starts[i] ?? 0, j), i, j, target),
      ]),
    );
  }
}

/** Rows of a product, or pixels of a pointwise convolution. */
function overRows(frame: Frame, products: Products): Stmt[] {
  const form = matmulForm(frame.kernel.anchor);
  if (form === null) throw new Bug("loops", "inner products of no rows");
  const { element, columns } = products;
  const reader = operandReader(frame);
  const block = (count: number, row: Dim): Stmt[] => {
    const sums = products.sums(count);
    const places = sums.map((_, i) => reader.locate(form.a, form.positionA([], add(row, i), 0)));
    const source = places[0]?.source ?? form.a;
    const starts = places.map((p) => p.offset);
    const rows = rowsAt(frame, frame.buffer(source), starts, bytesOf(element.a));
    return [
      ...sums.flat().flatMap((p) => p.clear(0)),
      ...products.accumulate(sums, rows, 0, form.k),
      ...products.store(
        sums,
        sums.map((_, i) => mul(add(row, i), columns)),
      ),
    ];
  };
  return rowTiles(frame, form.m, products.rows, (mr) =>
    tiles(frame, `tile${mr}_`, mr, form.m, (row) => block(mr, row)),
  );
}

/** Pixels of a convolution over NHWC data. */
function overImage(frame: Frame, anchor: NodeOf<"conv">, x: Value, w: Value, products: Products): Stmt[] {
  const { pool } = frame;
  const { element, columns, result } = products;
  const { strides, dilations, low, high } = anchor.attrs;
  const last = strides.length - 1;
  const image = x.type.shape;
  const out = result.type.shape;
  const channels = Number(image.at(-1));
  const window = (anchor.inputs[1]?.type.shape.slice(0, -2) ?? []).map(Number);
  const buffer = frame.buffer(holder(x));
  const bytes = bytesOf(element.a);
  const n = indexVar("n", image[0] ?? 1);
  const outer = Array.from({ length: last }, (_, j) => indexVar(`y${j}`, out[j + 1] ?? 1));
  const tap = window.map((size, j) => indexVar(`tap${j}`, size));
  const width = out[last + 1] ?? 1;
  const padded = (j: number): boolean => (low[j] ?? 0) > 0 || (high[j] ?? 0) > 0;
  const inputAt = (j: number, position: Dim, t: Dim): Dim =>
    sub(add(mul(position, strides[j] ?? 1), mul(t, dilations[j] ?? 1)), low[j] ?? 0);
  const isIn = (j: number, position: Dim): Expr =>
    pool.compare("ltU", pool.index(position), pool.index(image[j + 1] ?? 1));
  const axis: LastAxis = {
    image: image[last + 1] ?? 1,
    size: width,
    taps: window[last] ?? 1,
    stride: strides[last] ?? 1,
    dilation: dilations[last] ?? 1,
    low: low[last] ?? 0,
    isPadded: padded(last),
  };

  const block = (count: number, start: Dim): Stmt[] => {
    const sums = products.sums(count);
    const weights = (at: readonly Dim[]): Dim => mul(ravel(at, window), channels);
    /** Where `some` pixels from `from` on start at the taps `at`. */
    const startsOf = (at: readonly Dim[], from: number, some: number): Dim[] => {
      const lead = [n, ...outer.map((y, j) => inputAt(j, y, at[j] ?? 0))];
      return Array.from({ length: some }, (_, i) =>
        ravel([...lead, inputAt(last, add(start, from + i), at[last] ?? 0), 0], image),
      );
    };
    const overOuterTaps = (body: Stmt[]): Stmt[] => {
      let inner = body;
      for (let j = last - 1; j >= 0; j--) {
        const mask = isIn(j, inputAt(j, outer[j] ?? 0, tap[j] ?? 0));
        if (padded(j)) inner = [{ kind: "if", mask, yes: inner, no: [] }];
        inner = [forLoop(tap[j] ?? 0, window[j] ?? 1, inner)];
      }
      return inner;
    };
    const spanned = ({ from, to, first, end }: TapSpan): Stmt[] => {
      const over = (at: readonly Dim[], steps: Dim): Stmt[] => {
        const rows = rowsAt(frame, buffer, startsOf(at, first, end - first), bytes);
        return products.accumulate(sums.slice(first, end), rows, weights(at), steps);
      };
      // Without dilation the taps of a row and their channels are one run of memory.
      if (axis.dilation === 1) return over([...tap.slice(0, -1), from], (to - from) * channels);
      return [{ kind: "for", v: tap[last] ?? 0, from, to, step: 1, body: over(tap, channels) }];
    };
    /** Each tap by itself; pixels that have it outside the image read zeros, or sit it out. */
    const tested = (): Stmt[] => {
      const pixels = startsOf(tap, 0, count).map((from, i) => {
        const mask = isIn(last, inputAt(last, add(start, i), tap[last] ?? 0));
        return { mask, address: pool.address(buffer, from, bytes) };
      });
      const overTaps = (body: Stmt[]): Stmt[] => overOuterTaps([forLoop(tap[last] ?? 0, axis.taps, body)]);
      const over = (some: typeof sums, rows: readonly RowAt[]): Stmt[] =>
        products.accumulate(some, rows, weights(tap), channels);
      if (!isKnownFinite(w)) {
        const alone = ({ mask, address }: (typeof pixels)[number], i: number): Stmt => {
          return { kind: "if", mask, yes: over(sums.slice(i, i + 1), [{ address, offset: 0 }]), no: [] };
        };
        return overTaps(pixels.map(alone));
      }
      const zeros = pool.address(frame.zeros(channels * bytes), 0, bytes);
      const rows = pixels.map(
        ({ mask, address }): RowAt => ({ address: pool.select(mask, address, zeros), offset: 0 }),
      );
      return overTaps(over(sums, rows));
    };
    const pixel = (i: number): Dim => ravel([n, ...outer, add(start, i)], out.slice(0, -1));
    return [
      ...sums.flat().flatMap((p) => p.clear(0)),
      ...atEdges(pool, axis, count, start, (spans) => overOuterTaps(spans.flatMap(spanned)), tested),
      ...products.store(
        sums,
        sums.map((_, i) => mul(pixel(i), columns)),
      ),
    ];
  };
  let body = rowTiles(frame, width, products.rows, (mr) =>
    tiles(frame, `tile${mr}_`, mr, width, (start) => block(mr, start)),
  );
  for (let j = outer.length - 1; j >= 0; j--) body = [parallelLoop(outer[j] ?? 0, out[j + 1] ?? 1, body)];
  return [parallelLoop(n, image[0] ?? 1, body)];
}

// innerProducts: a product or convolution of so few columns that vectors run along its depth instead. Rows and columns are
// contiguous along it: a tile of rows shares what it loads of the columns, and every sum has partial results in its lanes,
// of f32 as many as the depth says (contraction.ts), on every target alike. Integers add up to the same in any order.

import { add, type Dim, mul } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp, type NodeOf, type Value } from "../../../compiler/ir/graph.js";
import { type InnerForm, innerForm, matmulForm } from "../../../compiler/schedule/contraction.js";
import { ravel } from "../../../compiler/schedule/views.js";
import { type Expr, I32, type Reg } from "../expr.js";
import type { Frame } from "../frame.js";
import { type PartialForm, Partials } from "../partials.js";
import type { Stmt } from "../stmt.js";
import { ConvWalk } from "./conv-walk.js";
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
  const [, b] = anchor.inputs;
  const result = anchor.outputs[0];
  if (form === null || b === undefined || result === undefined)
    throw new Bug("loops", "inner products without their operands");
  const products = new Products(frame, form, b, result);
  return matmulForm(anchor) === null && isOp(anchor, "conv")
    ? overImage(frame, anchor, products)
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

/** Pixels of a convolution over data with channels last. */
function overImage(frame: Frame, anchor: NodeOf<"conv">, products: Products): Stmt[] {
  const walk = new ConvWalk(frame, anchor);
  const channels = Number(walk.image.at(-1));
  const block = (count: number, start: Dim): Stmt[] => {
    const sums = products.sums(count);
    const taps = walk.tile(count, start, {
      channel: 0,
      channels,
      read: channels,
      joins: true,
      add: (at, steps, first, rows) => {
        const from = mul(ravel(at, walk.window), channels);
        return products.accumulate(sums.slice(first, first + rows.length), rows, from, steps);
      },
    });
    return [
      ...sums.flat().flatMap((p) => p.clear(0)),
      ...taps,
      ...products.store(
        sums,
        sums.map((_, i) => mul(walk.pixel(add(start, i)), products.columns)),
      ),
    ];
  };
  const body = rowTiles(frame, walk.width, products.rows, (mr) =>
    tiles(frame, `tile${mr}_`, mr, walk.width, (start) => block(mr, start)),
  );
  return walk.overImages(walk.overOuter(body));
}

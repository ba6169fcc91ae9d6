// The walk over a convolution of data with channels last: loops over its results, and for a tile of neighbouring ones the taps
// of the window that they have inside the image, in order. What is done with the taps is the template's: it gets them as rows,
// one for each pixel, that begin at the first of the elements to be added up.

import { isKnownFinite } from "../../../compiler/ir/bounds.js";
import { add, type Dim, indexVar, mul, sub } from "../../../compiler/ir/dim.js";
import { bytesOf, type DType } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import type { NodeOf, Value } from "../../../compiler/ir/graph.js";
import { holder, ravel } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, parallelLoop } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { atEdges, type LastAxis, type TapSpan } from "./conv-window.js";
import { type RowAt, rowsAt } from "./tile.js";

/** What a tile of pixels adds up. */
export interface TapSums {
  /** The first of the image's channels that are added up, and how many there are. */
  readonly channel: Dim;
  readonly channels: number;
  /** Elements that are read of a row, which may be some more: as many zeros stand for a row outside the image. */
  readonly read: number;
  /** Whether the taps of a row of the window may be given at once, where their channels follow each other in memory. */
  readonly joins: boolean;
  /** Adds `steps` elements of each row, from the taps `at` on, to the sums of the pixels from the `first` of the tile on. */
  add(at: readonly Dim[], steps: Dim, first: number, rows: readonly RowAt[]): Stmt[];
  /** All taps of a row of the window, where the template has a form of its own for them. */
  addRow?(spans: readonly TapSpan[]): Stmt[];
}

export class ConvWalk {
  readonly #frame: Frame;
  readonly #attrs: NodeOf<"conv">["attrs"];
  readonly #weights: Value;
  readonly #source: number;
  readonly #dtype: DType;
  readonly #last: number;
  readonly #axis: LastAxis | null;
  readonly image: readonly Dim[];
  readonly window: readonly Dim[];
  /** The result's shape. */
  readonly out: readonly Dim[];
  /** Results of the last axis. */
  readonly width: Dim;
  /** The image, the place along each axis but the last, and the tap of each axis. */
  readonly n: Dim;
  readonly outer: readonly Dim[];
  readonly tap: readonly Dim[];

  /** `x`: what is read as the image. */
  constructor(frame: Frame, node: NodeOf<"conv">, x = node.inputs[0]) {
    const [, w] = node.inputs;
    const result = node.outputs[0];
    if (x === undefined || w === undefined || result === undefined) throw new Bug("loops", "conv without its operands");
    const { strides, dilations, low } = node.attrs;
    const spatial = strides.length;
    const last = spatial - 1;
    this.#frame = frame;
    this.#attrs = node.attrs;
    this.#weights = w;
    this.#source = frame.buffer(holder(x));
    this.#dtype = x.type.dtype;
    this.#last = last;
    this.image = x.type.shape;
    this.out = result.type.shape;
    this.window = w.type.shape.slice(0, spatial);
    this.width = this.out[spatial] ?? 1;
    this.n = indexVar("n", this.image[0] ?? 1);
    this.outer = Array.from({ length: last }, (_, j) => indexVar(`y${j}`, this.out[j + 1] ?? 1));
    this.tap = this.window.map((length, j) => indexVar(`tap${j}`, length));
    const taps = this.window[last];
    this.#axis =
      typeof taps === "number"
        ? {
            image: this.image[spatial] ?? 1,
            size: this.width,
            taps,
            stride: strides[last] ?? 1,
            dilation: dilations[last] ?? 1,
            low: low[last] ?? 0,
            isPadded: this.#isPadded(last),
          }
        : null;
  }

  #isPadded(j: number): boolean {
    const { low, high } = this.#attrs;
    return (low[j] ?? 0) > 0 || (high[j] ?? 0) > 0;
  }

  /** Where axis `j` of the image is read for a result and a tap. */
  #inputAt(j: number, position: Dim, tap: Dim): Dim {
    const { strides, dilations, low } = this.#attrs;
    return sub(add(mul(position, strides[j] ?? 1), mul(tap, dilations[j] ?? 1)), low[j] ?? 0);
  }

  #isInside(j: number, position: Dim, tap: Dim): Expr {
    const { pool } = this.#frame;
    return pool.compare("ltU", pool.index(this.#inputAt(j, position, tap)), pool.index(this.image[j + 1] ?? 1));
  }

  /** Loops over the results' places along all axes but the last, from axis `from` on. */
  overOuter(body: Stmt[], from = 0): Stmt[] {
    let loops = body;
    for (let j = this.outer.length - 1; j >= from; j--)
      loops = [parallelLoop(this.outer[j] ?? 0, this.out[j + 1] ?? 1, loops)];
    return loops;
  }

  overImages(body: Stmt[]): Stmt[] {
    return [parallelLoop(this.n, this.image[0] ?? 1, body)];
  }

  /** The number of a result's pixel. */
  pixel(column: Dim): Dim {
    return ravel([this.n, ...this.outer, column], this.out.slice(0, -1));
  }

  /** The element of the image that a result reads at a tap. */
  element(at: readonly Dim[], column: Dim, channel: Dim): Dim {
    const rows = this.outer.map((y, j) => this.#inputAt(j, y, at[j] ?? 0));
    return ravel([this.n, ...rows, this.#inputAt(this.#last, column, at[this.#last] ?? 0), channel], this.image);
  }

  /** Loops over the taps of all axes but the last, each row of the window under a test where the image may end. */
  #overWindowRows(body: Stmt[]): Stmt[] {
    let loops = body;
    for (let j = this.#last - 1; j >= 0; j--) {
      const [place, tap] = [this.outer[j] ?? 0, this.tap[j] ?? 0];
      if (this.#isPadded(j)) loops = [{ kind: "if", mask: this.#isInside(j, place, tap), yes: loops, no: [] }];
      loops = [forLoop(tap, this.window[j] ?? 1, loops)];
    }
    return loops;
  }

  /** The taps of the `rows` pixels from `start` on, which are a tile of those that cover the last axis. */
  tile(rows: number, start: Dim, sums: TapSums): Stmt[] {
    const axis = this.#axis;
    const tested = (): Stmt[] => this.#tested(rows, start, sums);
    const spanned = (spans: readonly TapSpan[]): Stmt[] =>
      this.#overWindowRows(sums.addRow?.(spans) ?? spans.flatMap((span) => this.#spanned(span, start, sums)));
    return axis === null ? tested() : atEdges(this.#frame.pool, axis, rows, start, spanned, tested);
  }

  /** Taps that some pixels have inside the image. */
  #spanned({ from, to, first, end }: TapSpan, start: Dim, sums: TapSums): Stmt[] {
    const { tap } = this;
    const over = (at: readonly Dim[], steps: Dim): Stmt[] => {
      const starts = Array.from({ length: end - first }, (_, i) =>
        this.element(at, add(start, first + i), sums.channel),
      );
      return sums.add(at, steps, first, rowsAt(this.#frame, this.#source, starts, bytesOf(this.#dtype)));
    };
    // Without dilation and groups the taps of a row and their channels are one run of memory.
    const { dilations, groups } = this.#attrs;
    const isRun = sums.joins && groups === 1 && (dilations[this.#last] ?? 1) === 1;
    if (isRun) return over([...tap.slice(0, -1), from], (to - from) * sums.channels);
    return [{ kind: "for", v: tap[this.#last] ?? 0, from, to, step: 1, body: over(tap, sums.channels) }];
  }

  /** Each tap by itself; pixels that have it outside the image read zeros, or sit it out where those might not be nothing. */
  #tested(rows: number, start: Dim, { channel, channels, read, add: addTap }: TapSums): Stmt[] {
    const { pool } = this.#frame;
    const bytes = bytesOf(this.#dtype);
    const tap = this.tap[this.#last] ?? 0;
    const pixels = Array.from({ length: rows }, (_, i) => ({
      mask: this.#isInside(this.#last, add(start, i), tap),
      address: pool.address(this.#source, this.element(this.tap, add(start, i), channel), bytes),
    }));
    const overTaps = (body: Stmt[]): Stmt[] => this.#overWindowRows([forLoop(tap, this.window[this.#last] ?? 1, body)]);
    if (!isKnownFinite(this.#weights)) {
      const alone = ({ mask, address }: (typeof pixels)[number], i: number): Stmt => {
        return { kind: "if", mask, yes: addTap(this.tap, channels, i, [{ address, offset: 0 }]), no: [] };
      };
      return overTaps(pixels.map(alone));
    }
    const zeros = pool.address(this.#frame.zeros(read * bytes), 0, bytes);
    const at = pixels.map(({ mask, address }): RowAt => ({ address: pool.select(mask, address, zeros), offset: 0 }));
    return overTaps(addTap(this.tap, channels, 0, at));
  }
}

// conv: a convolution over NHWC data as register tiles of pixels by output channels, without an im2col buffer: for every
// tap of the window, each pixel row of the tile points at its input pixel, or at zeros outside the image. Weights are
// packed at compile time where they are constant. Groups run one after another.

import { isKnownFinite } from "../../../compiler/ir/bounds.js";
import {
  add,
  ceildiv,
  type Dim,
  floordiv,
  indexVar,
  min,
  mul,
  provenLessEqual,
  range,
  sub,
} from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { constantOf, isOp } from "../../../compiler/ir/graph.js";
import { panelElements } from "../../../compiler/plan/pack.js";
import { choiceOf } from "../../../compiler/schedule/choices.js";
import { tileShape } from "../../../compiler/schedule/contraction.js";
import { fitTile } from "../../../compiler/schedule/tiles.js";
import { holder, ravel } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, parallelLoop } from "../nest.js";
import type { Panels, Stmt } from "../stmt.js";
import { aheadOf } from "./ahead.js";
import { lowerContractionScalar } from "./contraction-scalar.js";
import { atEdges, type LastAxis, type TapSpan } from "./conv-window.js";
import { closeDots, dotUnit, sumDots, sumRows } from "./dot-sums.js";
import {
  accumulate,
  accumulators,
  clearTile,
  dotWidth,
  evenBlock,
  type RowAt,
  rowsAt,
  rowTiles,
  storeTile,
  tileKind,
  tileParts,
  tiles,
} from "./tile.js";
import { isWidened, widened, widenPanel } from "./widened.js";

export function lowerConv(frame: Frame): Stmt[] {
  const { kernel, pool } = frame;
  const { anchor } = kernel;
  const [x, w] = anchor.inputs;
  const result = anchor.outputs[0];
  if (!isOp(anchor, "conv") || x === undefined || w === undefined || result === undefined)
    throw new Bug("loops", "conv without its operands");
  const { strides, dilations, low, high, groups, layout } = anchor.attrs;
  const nr = choiceOf(kernel, "nr");
  const spatial = strides.length;
  const channels = w.type.shape.at(-2) ?? 1;
  const outs = floordiv(w.type.shape.at(-1) ?? 1, groups);
  const element = { a: x.type.dtype, b: w.type.dtype, sum: result.type.dtype };
  const kind = tileKind(element);
  const scalar = (): Stmt[] => lowerContractionScalar(frame);
  const packed = constantOf(w) !== undefined;
  // Panels have the schedule's columns; a tile that the registers cannot hold takes a part of them.
  const unit = dotUnit(frame, element, packed);
  const fitting = fitTile(unit, { mr: choiceOf(kernel, "mr"), nr }, tileShape(anchor));
  if (kind === null || layout !== "nhwc" || typeof channels !== "number" || typeof outs !== "number" || outs < nr)
    return scalar();
  const dot = dotWidth(element, packed);
  let panels: Panels | null = null;
  const window = w.type.shape.slice(0, spatial);
  const taps = mul(1, ...window);
  if (packed) {
    if (typeof taps !== "number") return scalar();
    panels = {
      nr,
      batch: groups,
      k: taps * channels,
      n: outs,
      batchStride: outs,
      rowStride: outs * groups,
      pair: dot,
      run: dot > 1 ? channels : taps * channels,
    };
    frame.pack(w, panels);
  }
  const widens = isWidened(frame, element, packed);
  const multiplied = widens ? widened(element) : element;
  const runRows = Math.ceil(channels / dot) * dot;
  const image = x.type.shape;
  const out = result.type.shape;
  const n = indexVar("n", image[0] ?? 1);
  const g = indexVar("group", groups);
  const outer = Array.from({ length: spatial - 1 }, (_, j) => indexVar(`y${j}`, out[j + 1] ?? 1));
  const width = out[spatial] ?? 1;
  const tap = Array.from({ length: spatial }, (_, j) => indexVar(`tap${j}`, window[j] ?? 1));
  const last = spatial - 1;
  const bytesA = bytesOf(element.a);
  const bytesB = bytesOf(element.b);
  const inputAt = (j: number, position: Dim, t: Dim): Dim =>
    sub(add(mul(position, strides[j] ?? 1), mul(t, dilations[j] ?? 1)), low[j] ?? 0);
  const panelIndex = indexVar("panel", Math.ceil(outs / nr));
  const strideB = packed ? nr : outs * groups;
  /** The panel's rows for a tap, from column `part` on; the taps and channels of a row of the window follow each other. */
  const panelOf = (column: Dim, part: Dim, at: readonly Dim[]): Expr => {
    const tapIndex = mul(ravel(at, window), packed ? runRows : channels);
    if (panels === null)
      return pool.address(
        frame.buffer(holder(w)),
        add(mul(tapIndex, outs * groups), mul(g0, outs), column, part),
        bytesB,
      );
    const inPanel = add(mul(tapIndex, nr), mul(part, dot));
    if (widens) return pool.address(frame.scratch, inPanel, bytesOf("i16"));
    return pool.address(frame.buffer(w), add(panelStart(panels), inPanel), bytesB);
  };
  const panelStart = (layout: Panels): Dim => {
    const panel = add(mul(g0, Math.ceil(outs / nr)), outs === nr ? 0 : panelIndex);
    return mul(panel, panelElements(layout));
  };
  const g0: Dim = groups === 1 ? 0 : g;
  const buffer = frame.buffer(holder(x));
  const padded = (j: number): boolean => (low[j] ?? 0) > 0 || (high[j] ?? 0) > 0;

  const lastTaps = window[last];
  const axis: LastAxis | null =
    typeof lastTaps === "number"
      ? {
          image: image[last + 1] ?? 1,
          size: width,
          taps: lastTaps,
          stride: strides[last] ?? 1,
          dilation: dilations[last] ?? 1,
          low: low[last] ?? 0,
          isPadded: padded(last),
        }
      : null;
  // Without dilation and groups the taps of a row and their channels are one run of memory.
  const isRun = (dilations[last] ?? 1) === 1 && groups === 1 && lastTaps !== 1 && channels % dot === 0;

  const block = (rows: number, first: Dim, part: Dim, start: Dim): Stmt[] => {
    const column = part === 0 ? first : frame.reader.dynamicIndex(pool.index(add(first, part)), outs);
    const acc = accumulators(frame, kind, { mr: dot > 1 ? sumRows(frame, multiplied, rows) : rows, nr: fitting.nr });
    /** Sums over `steps` elements from the taps `at`, for as many pixels from `skipped` on as there are pointers. */
    const sums = (at: readonly Dim[], steps: Dim, skipped: number, pointers: readonly RowAt[]): Stmt[] => {
      const weights = panelOf(first, part, at);
      const tile = add(outer[0] ?? 0, floordiv(start, rows));
      const ahead = aheadOf(frame, panels, bytesB, rows, tile, weights);
      if (dot > 1) {
        const all = Array.from({ length: rows }, (_, i) => pointers[i - skipped] ?? null);
        return sumDots(frame, multiplied, acc, all, weights, ceildiv(steps, dot), nr, widens ? null : ahead);
      }
      const own = acc.slice(skipped, skipped + pointers.length);
      const [stepA, stepB] = [pool.i32(bytesA), pool.i32(strideB * bytesB)];
      return accumulate(frame, element, own, pointers, weights, steps, stepA, stepB, ahead);
    };
    /** Loops over the taps of the outer axes, each row of the window under a test where the image may end. */
    const overRows = (body: Stmt[]): Stmt[] => {
      let inner = body;
      for (let j = last - 1; j >= 0; j--) {
        if (padded(j)) {
          const mask = pool.compare(
            "ltU",
            pool.index(inputAt(j, outer[j] ?? 0, tap[j] ?? 0)),
            pool.index(image[j + 1] ?? 1),
          );
          inner = [{ kind: "if", mask, yes: inner, no: [] }];
        }
        inner = [forLoop(tap[j] ?? 0, window[j] ?? 1, inner)];
      }
      return inner;
    };
    /** Where `count` pixels from `from` on start at the taps `at`. */
    const startsOf = (at: readonly Dim[], from: number, count: number): Dim[] => {
      const lead = [n, ...outer.map((y, j) => inputAt(j, y, at[j] ?? 0))];
      const columns = Array.from({ length: count }, (_, i) => inputAt(last, add(start, from + i), at[last] ?? 0));
      return columns.map((column) => ravel([...lead, column, mul(g0, channels)], image));
    };
    const spanned = ({ from, to, first, end }: TapSpan): Stmt[] => {
      const over = (at: readonly Dim[], steps: Dim): Stmt[] =>
        sums(at, steps, first, rowsAt(frame, buffer, startsOf(at, first, end - first), bytesA));
      if (isRun) return over([...tap.slice(0, -1), from], (to - from) * channels);
      return [{ kind: "for", v: tap[last] ?? 0, from, to, step: 1, body: over(tap, channels) }];
    };
    /** Each tap by itself; pixels that have it outside the image read zeros, or sit it out. */
    const tested = (): Stmt[] => {
      const pixels = startsOf(tap, 0, rows).map((from, i) => {
        const column = pool.index(inputAt(last, add(start, i), tap[last] ?? 0));
        const mask = pool.compare("ltU", column, pool.index(image[last + 1] ?? 1));
        return { mask, address: pool.address(buffer, from, bytesA) };
      });
      const overTaps = (body: Stmt[]): Stmt[] => overRows([forLoop(tap[last] ?? 0, window[last] ?? 1, body)]);
      if (!isKnownFinite(w)) {
        const alone = ({ mask, address }: (typeof pixels)[number], i: number): Stmt => {
          return { kind: "if", mask, yes: sums(tap, channels, i, [{ address, offset: 0 }]), no: [] };
        };
        return overTaps(pixels.map(alone));
      }
      const zeros = pool.address(frame.zeros(runRows * bytesA), 0, bytesA);
      const pointers = pixels.map(
        ({ mask, address }): RowAt => ({ address: pool.select(mask, address, zeros), offset: 0 }),
      );
      return overTaps(sums(tap, channels, 0, pointers));
    };
    const inner =
      axis === null ? tested() : atEdges(pool, axis, rows, start, (spans) => overRows(spans.flatMap(spanned)), tested);
    const pixel = (i: number): Dim => ravel([n, ...outer, add(start, i)], out.slice(0, -1));
    return [
      ...clearTile(frame, acc),
      ...inner,
      ...(dot > 1 ? closeDots(frame, multiplied, acc, rows) : []),
      ...storeTile(frame, result, acc.slice(0, rows), column, (i, c) =>
        add(mul(pixel(i), outs * groups), mul(g0, outs), c),
      ),
    ];
  };
  const most = Math.min(range(width).hi, fitting.mr);
  let body: Stmt[] = [];
  const columns = (column: Dim, part: Dim): Stmt[] => {
    let inner = rowTiles(frame, width, most, (mr) =>
      tiles(frame, mr === 1 ? "pixel" : `tile${mr}_`, mr, width, (start) => block(mr, column, part, start)),
    );
    for (let j = outer.length - 1; j >= 1; j--) inner = [parallelLoop(outer[j] ?? 0, out[j + 1] ?? 1, inner)];
    return inner;
  };
  // A strip of output rows whose input rows stay in cache while all panels pass over it.
  const height = outer.length === 0 ? 1 : (out[1] ?? 1);
  const touched = image.slice(1, -1).map((size, j) => {
    const [stride, length] = [strides[j] ?? 1, range(window[j] ?? 1).hi];
    return (j === 0 ? stride : range(size).hi) * Math.min(1, length / stride);
  });
  const rowBytes = touched.reduce((n, r) => n * r, channels * groups * bytesA);
  const strip = stripRows(height, rowBytes, choiceOf(kernel, "block") * 1024, {
    bytes: range(taps).hi * channels * outs * bytesB,
    panels: Math.ceil(outs / nr),
  });
  const y = outer[0];
  const overRows = (from: Dim, to: Dim): Stmt[] =>
    tiles(frame, "panel", nr, outs, (column) => {
      const inner = tileParts(nr, fitting.nr, (part) =>
        y === undefined
          ? columns(column, part)
          : [{ kind: "for", v: y, from, to, step: 1, body: columns(column, part), parallel: true }],
      );
      if (!widens || panels === null) return inner;
      return [
        ...widenPanel(frame, pool.address(frame.buffer(w), panelStart(panels), bytesB), panelElements(panels)),
        ...inner,
      ];
    });
  if (y === undefined || provenLessEqual(height, strip)) body = overRows(0, height);
  else {
    const strips = ceildiv(height, strip);
    const s = indexVar("strip", strips);
    body = [parallelLoop(s, strips, overRows(mul(s, strip), min(mul(add(s, 1), strip), height)))];
  }
  body = [parallelLoop(n, image[0] ?? 1, body)];
  if (groups > 1) body = [parallelLoop(g, groups, body)];
  return body;
}

/**
 * Output rows of a strip, whose input rows stay in cache (`most` bytes) while all panels pass over it. Each strip reads the
 * weights again; without strips each panel reads the image again.
 */
function stripRows(height: Dim, rowBytes: number, most: number, weights: { bytes: number; panels: number }): Dim {
  const strip = evenBlock(height, Math.max(1, Math.floor(most / Math.max(1, rowBytes))));
  const rows = range(height).hi;
  const strips = Math.ceil(rows / strip);
  return (strips - 1) * weights.bytes < (weights.panels - 1) * rows * rowBytes ? strip : height;
}

// conv: a convolution over NHWC data as register tiles of pixels by output channels, without an im2col buffer: for every
// tap of the window, each pixel row of the tile points at its input pixel, or at zeros outside the image. Weights are
// packed at compile time where they are constant. Groups run one after another.

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
} from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { constantOf, isOp } from "../../../compiler/ir/graph.js";
import { elementCount } from "../../../compiler/ir/types.js";
import { panelElements } from "../../../compiler/plan/pack.js";
import { choiceOf } from "../../../compiler/schedule/choices.js";
import { tileShape } from "../../../compiler/schedule/contraction.js";
import { fitTile } from "../../../compiler/schedule/tiles.js";
import { holder, ravel } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { parallelLoop } from "../nest.js";
import type { Panels, Stmt } from "../stmt.js";
import { aheadOf } from "./ahead.js";
import { lowerContractionScalar } from "./contraction-scalar.js";
import { ConvWalk } from "./conv-walk.js";
import { closeDots, dotUnit, sumDots, sumRows } from "./dot-sums.js";
import {
  accumulate,
  accumulators,
  clearTile,
  dotWidth,
  evenBlock,
  outputTarget,
  panelParts,
  panelTiles,
  type RowAt,
  rowTiles,
  storeTile,
  tileKind,
  tiles,
} from "./tile.js";
import { dotSteps, isWidened, panelGroup, rowsOf, widened, widenPanel } from "./widened.js";

export function lowerConv(frame: Frame): Stmt[] {
  const { kernel, pool } = frame;
  const { anchor } = kernel;
  const [input, w] = anchor.inputs;
  const result = anchor.outputs[0];
  if (!isOp(anchor, "conv") || input === undefined || w === undefined || result === undefined)
    throw new Bug("loops", "conv without its operands");
  const x = rowsOf(frame, input);
  const { strides, groups, layout } = anchor.attrs;
  const nr = choiceOf(kernel, "nr");
  const channels = w.type.shape.at(-2) ?? 1;
  const outs = floordiv(w.type.shape.at(-1) ?? 1, groups);
  const element = { a: x.type.dtype, b: w.type.dtype, sum: result.type.dtype };
  const kind = tileKind(element);
  const scalar = (): Stmt[] => lowerContractionScalar(frame);
  const packed = constantOf(w) !== undefined;
  // Panels have the schedule's columns; a tile that the registers cannot hold takes a part of them.
  const unit = dotUnit(frame, element, packed);
  const fitting = fitTile(unit, { mr: choiceOf(kernel, "mr"), nr }, tileShape(anchor));
  if (kind === null || layout !== "nhwc" || typeof channels !== "number" || typeof outs !== "number") return scalar();
  if (!packed && outs < nr) return scalar();
  const dot = dotWidth(element, packed);
  const group = panelGroup(frame, dot);
  let panels: Panels | null = null;
  const taps = elementCount(w.type.shape.slice(0, -2));
  if (packed) {
    if (typeof taps !== "number") return scalar();
    panels = {
      nr,
      batch: groups,
      k: taps * channels,
      n: outs,
      batchStride: outs,
      rowStride: outs * groups,
      pair: group,
      run: dot > 1 ? channels : taps * channels,
    };
    frame.pack(w, panels);
  }
  const widens = isWidened(frame, element, packed);
  const multiplied = widens ? widened(element) : element;
  const runRows = Math.ceil(channels / group) * group;
  const walk = new ConvWalk(frame, anchor, x);
  const { window, outer, width } = walk;
  const g = indexVar("group", groups);
  const g0: Dim = groups === 1 ? 0 : g;
  const bytesA = bytesOf(element.a);
  const bytesB = bytesOf(element.b);
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
    const panel = add(mul(g0, Math.ceil(outs / nr)), outs <= nr ? 0 : panelIndex);
    return mul(panel, panelElements(layout));
  };

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
        return sumDots(frame, multiplied, acc, all, weights, dotSteps(steps, dot, group), nr, widens ? null : ahead);
      }
      const own = acc.slice(skipped, skipped + pointers.length);
      const [stepA, stepB] = [pool.i32(bytesA), pool.i32(strideB * bytesB)];
      return accumulate(frame, element, own, pointers, weights, steps, stepA, stepB, ahead);
    };
    const flat = (i: number, c: Dim): Dim => add(mul(walk.pixel(add(start, i)), outs * groups), mul(g0, outs), c);
    const joins = window.at(-1) !== 1 && channels % group === 0;
    return [
      ...clearTile(frame, acc),
      ...walk.tile(rows, start, { channel: mul(g0, channels), channels, read: runRows, joins, add: sums }),
      ...(dot > 1 ? closeDots(frame, multiplied, acc, rows) : []),
      ...storeTile(frame, result, acc.slice(0, rows), column, flat, outputTarget(frame), outs),
    ];
  };
  const most = Math.min(range(width).hi, fitting.mr);
  const columns = (column: Dim, part: Dim): Stmt[] => {
    const inner = rowTiles(frame, width, most, (mr) =>
      tiles(frame, mr === 1 ? "pixel" : `tile${mr}_`, mr, width, (start) => block(mr, column, part, start)),
    );
    return walk.overOuter(inner, 1);
  };
  // A strip of output rows whose input rows stay in cache while all panels pass over it.
  const height = outer.length === 0 ? 1 : (walk.out[1] ?? 1);
  const touched = walk.image.slice(1, -1).map((size, j) => {
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
    panelTiles(frame, nr, outs, (column) => {
      const inner = panelParts(frame, nr, fitting.nr, outs, (part) =>
        y === undefined
          ? columns(column, part)
          : [{ kind: "for", v: y, from, to, step: 1, body: columns(column, part), parallel: true }],
      );
      if (!widens || panels === null) return inner;
      return [...widenPanel(frame, pool.address(frame.buffer(w), panelStart(panels), bytesB), panels), ...inner];
    });
  let body: Stmt[];
  if (y === undefined || provenLessEqual(height, strip)) body = overRows(0, height);
  else {
    const strips = ceildiv(height, strip);
    const s = indexVar("strip", strips);
    body = [parallelLoop(s, strips, overRows(mul(s, strip), min(mul(add(s, 1), strip), height)))];
  }
  body = walk.overImages(body);
  return groups > 1 ? [parallelLoop(g, groups, body)] : body;
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

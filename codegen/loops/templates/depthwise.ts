// depthwise: one filter per channel over NHWC data, vectors over channels, some neighbouring pixels at a time: an input
// vector serves every tap that touches it and a filter vector serves all of them. Tiles that touch the image's edge along
// the last axis read zeros outside it; along the other axes a row of taps is tested once.

import { isKnownFinite } from "../../../compiler/ir/bounds.js";
import { add, type Dim, indexVar, mul, range, sub } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp } from "../../../compiler/ir/graph.js";
import { choiceOf } from "../../../compiler/schedule/choices.js";
import { holder, ravel } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, parallelLoop } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { lowerContractionScalar } from "./contraction-scalar.js";
import { accumulators, clearTile, storeTile, tileKind, tileLanes, tiles, whenAtLeast } from "./tile.js";

/** Taps along the last axis that are unrolled; more of them are a loop. */
const MAX_TAPS = 16;

export function lowerDepthwise(frame: Frame): Stmt[] {
  const { kernel, pool } = frame;
  const { anchor } = kernel;
  const [x, w] = anchor.inputs;
  const result = anchor.outputs[0];
  if (!isOp(anchor, "conv") || x === undefined || w === undefined || result === undefined)
    throw new Bug("loops", "depthwise without its operands");
  const { strides, dilations, low, high, groups } = anchor.attrs;
  const spatial = strides.length;
  const last = spatial - 1;
  const window = w.type.shape.slice(0, spatial);
  const lengths = window.map(Number);
  const lastLength = lengths[last] ?? 1;
  const element = { a: x.type.dtype, b: w.type.dtype, sum: result.type.dtype };
  const kind = tileKind(element);
  const known = window.every((d) => typeof d === "number");
  const loadsAsIs = element.a !== "bf16";
  if (kind === null || groups < choiceOf(kernel, "nr") || !known || !loadsAsIs) return lowerContractionScalar(frame);

  const image = x.type.shape;
  const out = result.type.shape;
  const nr = choiceOf(kernel, "nr");
  const lanes = tileLanes(frame, nr);
  const vectors = nr / lanes;
  const [stride, dilation] = [strides[last] ?? 1, dilations[last] ?? 1];
  const n = indexVar("n", image[0] ?? 1);
  const outer = Array.from({ length: last }, (_, j) => indexVar(`y${j}`, out[j + 1] ?? 1));
  const tap = Array.from({ length: last }, (_, j) => indexVar(`tap${j}`, lengths[j] ?? 1));
  const [source, filter] = [frame.buffer(holder(x)), frame.buffer(holder(w))];
  const type = { kind, lanes };
  const padded = (j: number): boolean => (low[j] ?? 0) > 0 || (high[j] ?? 0) > 0;
  const width = image[last + 1] ?? 1;
  const rowOf = (j: number): Dim =>
    sub(add(mul(outer[j] ?? 0, strides[j] ?? 1), mul(tap[j] ?? 0, dilations[j] ?? 1)), low[j] ?? 0);
  const isInside = (column: Dim): Expr => pool.compare("ltU", pool.index(column), pool.index(width));
  const load = (column: Dim, channel: Dim, tested: boolean): Expr => {
    const pixel = ravel([n, ...outer.map((_, j) => rowOf(j)), column], image.slice(0, -1));
    const index = add(mul(pixel, groups), channel);
    if (!tested) return pool.load(source, element.a, type, index, 1);
    const bytes = bytesOf(element.a);
    const zeros = pool.address(frame.zeros(groups * bytes), channel, bytes);
    return pool.loadAt(pool.select(isInside(column), pool.address(source, index, bytes), zeros), 0, element.a, type);
  };
  const weight = (at: Dim, channel: Dim): Expr =>
    pool.load(filter, element.b, type, add(mul(ravel([...tap, at], lengths), groups), channel), 1);
  const columnOf = (pixel: Dim): Dim => sub(mul(pixel, stride), low[last] ?? 0);

  /** Loops over the taps of the outer axes, each row of taps under a test where the image may end. */
  const overTaps = (inner: Stmt[]): Stmt[] => {
    let body = inner;
    for (let j = last - 1; j >= 0; j--) {
      if (padded(j)) {
        const mask = pool.compare("ltU", pool.index(rowOf(j)), pool.index(image[j + 1] ?? 1));
        body = [{ kind: "if", mask, yes: body, no: [] }];
      }
      body = [forLoop(tap[j] ?? 0, lengths[j] ?? 1, body)];
    }
    return body;
  };

  const hasZeros = isKnownFinite(w);
  /** Adds a product; a column that may lie outside the image sits out where its zero times a weight may be none. */
  const onto = (target: Expr, column: Dim, value: Expr, factor: Expr, tested: boolean): Stmt => {
    const step: Stmt = { kind: "set", target, value: pool.same("madd", value, factor, target) };
    return tested && !hasZeros ? { kind: "if", mask: isInside(column), yes: [step], no: [] } : step;
  };

  /** Every tap of a long window for every pixel of the tile. */
  const looped = (acc: readonly (readonly Expr[])[], start: Dim, channel: Dim, tested: boolean): Stmt[] => {
    const along = indexVar("along", lastLength);
    const steps = acc.flatMap((row, i) =>
      row.map((target, j): Stmt => {
        const column = add(columnOf(add(start, i)), mul(along, dilation));
        const value = load(column, add(channel, j * lanes), tested);
        return onto(target, column, value, weight(along, add(channel, j * lanes)), tested);
      }),
    );
    return [forLoop(along, lastLength, steps)];
  };

  /** The taps of the last axis one by one: an input vector serves every tap that touches it. */
  const unrolled = (acc: readonly (readonly Expr[])[], start: Dim, channel: Dim, tested: boolean): Stmt[] => {
    const mr = acc.length;
    const steps: Stmt[] = [];
    const filters = Array.from({ length: lastLength }, (_, t) =>
      Array.from({ length: vectors }, (_, j) => weight(t, add(channel, j * lanes))),
    );
    // Input columns in order; each goes to the pixels and taps that meet there, taps in order for every pixel.
    const reach = (mr - 1) * stride + (lastLength - 1) * dilation;
    for (let offset = 0; offset <= reach; offset++) {
      for (let j = 0; j < vectors; j++) {
        for (let i = 0; i < mr; i++) {
          const along = offset - i * stride;
          const target = acc[i]?.[j];
          if (target === undefined || along < 0 || along % dilation !== 0 || along / dilation >= lastLength) continue;
          const column = add(columnOf(start), offset);
          const value = load(column, add(channel, j * lanes), tested);
          const factor = filters[along / dilation]?.[j] ?? value;
          steps.push(onto(target, column, value, factor, tested));
        }
      }
    }
    return steps;
  };

  /** `mr` pixels from `start`; `tested` where their taps may lie outside the image. */
  const pixels = (mr: number, start: Dim, channel: Dim, tested: boolean): Stmt[] => {
    const acc = accumulators(frame, kind, { mr, nr });
    const taps = lastLength > MAX_TAPS ? looped : unrolled;
    return [...clearTile(frame, acc), ...overTaps(taps(acc, start, channel, tested)), ...store(acc, start, channel)];
  };

  const store = (acc: readonly (readonly Expr[])[], start: Dim, channel: Dim): Stmt[] => {
    const pixel = (i: number): Dim => ravel([n, ...outer, add(start, i)], out.slice(0, -1));
    return storeTile(frame, result, acc, channel, (i, c) => add(mul(pixel(i), groups), c));
  };

  const channels = (body: (channel: Dim) => Stmt[]): Stmt[] => tiles(frame, "channels", nr, groups, body);
  const tile =
    (mr: number) =>
    (start: Dim): Stmt[] => {
      const inside = channels((c) => pixels(mr, start, c, false));
      if (!padded(last)) return inside;
      const reach = (mr - 1) * stride + (lastLength - 1) * dilation;
      const first = pool.index(columnOf(start));
      const mask = pool.op(
        "and",
        { kind: "mask32", lanes: 1 },
        pool.compare("le", pool.i32(0), first),
        pool.compare("lt", pool.index(add(columnOf(start), reach)), pool.index(width)),
      );
      return [{ kind: "if", mask, yes: inside, no: channels((c) => pixels(mr, start, c, true)) }];
    };
  const size = out[last + 1] ?? 1;
  const length = Math.min(choiceOf(kernel, "mr"), range(size).hi);
  let body = whenAtLeast(
    frame,
    size,
    length,
    () => tiles(frame, "tile", length, size, tile(length)),
    () => tiles(frame, "pixel", 1, size, tile(1)),
  );
  for (let j = last - 1; j >= 0; j--) body = [parallelLoop(outer[j] ?? 0, out[j + 1] ?? 1, body)];
  return [parallelLoop(n, image[0] ?? 1, body)];
}

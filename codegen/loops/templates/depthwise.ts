// depthwise: a convolution of small groups over data with channels last, of one channel each or of a few. Vectors run over the
// results of neighbouring groups, some neighbouring pixels at a time: what is read of the image serves every tap that touches
// it and a filter vector serves all pixels.

import { add, type Dim, mul, range } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp } from "../../../compiler/ir/graph.js";
import { choiceOf } from "../../../compiler/schedule/choices.js";
import { groupForm } from "../../../compiler/schedule/contraction.js";
import { holder, ravel } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import type { Stmt } from "../stmt.js";
import { lowerContractionScalar } from "./contraction-scalar.js";
import { ConvWalk, type TapSums } from "./conv-walk.js";
import type { TapSpan } from "./conv-window.js";
import { groupLanes, type ReadChannels } from "./group-lanes.js";
import { accumulators, clearTile, type RowAt, storeTile, tileKind, tileLanes, tiles, whenAtLeast } from "./tile.js";

/** Products of a row of the window that are unrolled; more of them are a loop over its taps. */
const MOST_UNROLLED = 24;

export function lowerDepthwise(frame: Frame): Stmt[] {
  const { kernel, pool } = frame;
  const { anchor } = kernel;
  const [x, w] = anchor.inputs;
  const result = anchor.outputs[0];
  const form = groupForm(anchor);
  if (!isOp(anchor, "conv") || x === undefined || w === undefined || result === undefined || form === null)
    throw new Bug("loops", "depthwise without its operands");
  const { strides, dilations } = anchor.attrs;
  const { groups, inputs, results } = form;
  const element = { a: x.type.dtype, b: w.type.dtype, sum: result.type.dtype };
  const kind = tileKind(element);
  const nr = choiceOf(kernel, "nr");
  const walk = new ConvWalk(frame, anchor);
  const known = walk.window.every((d) => typeof d === "number");
  const loadsAsIs = element.a !== "bf16";
  const outs = groups * results;
  if (kind === null || outs < nr || nr % results !== 0 || !known || !loadsAsIs) return lowerContractionScalar(frame);

  const lanes = tileLanes(frame, nr);
  const vectors = nr / lanes;
  const [source, filter] = [frame.buffer(holder(x)), frame.buffer(holder(w))];
  const type = { kind, lanes };
  const bytes = bytesOf(element.a);
  const taps = Number(walk.window.at(-1));
  const [stride, dilation] = [strides.at(-1) ?? 1, dilations.at(-1) ?? 1];

  /** The sums of as many pixels from `start` on as `acc` has rows, for the results of the groups from `group` on. */
  const sumsOf = (acc: readonly (readonly Expr[])[], start: Dim, group: Dim): TapSums => {
    const channel = mul(group, inputs);
    const weight = (at: readonly Dim[], j: number, p: number): Expr => {
      const row = add(mul(ravel(at, walk.window), inputs), p);
      return pool.load(filter, element.b, type, add(mul(row, outs), mul(group, results), j * lanes), 1);
    };
    /** Adds what one place of the image gives to these sums, which take it at taps of their own. */
    const onto = (read: ReadChannels, taken: readonly { at: readonly Dim[]; sums: readonly Expr[] }[]): Stmt[] => {
      const steps: Stmt[] = [];
      for (let j = 0; j < vectors; j++)
        for (let p = 0; p < inputs; p++) {
          const value = groupLanes(pool, type, form, [j, p], nr, read);
          for (const { at, sums } of taken) {
            const target = sums[j] ?? value;
            steps.push({ kind: "set", target, value: pool.same("madd", value, weight(at, j, p), target) });
          }
        }
      return steps;
    };
    const rowTap = walk.tap.slice(0, -1);
    /** A row of the window: the image's places in order, each to the pixels and taps that meet there. */
    const addRow = (spans: readonly TapSpan[]): Stmt[] => {
      const has = (t: number, i: number): boolean =>
        Number.isInteger(t) && spans.some((s) => s.from <= t && t < s.to && s.first <= i && i < s.end);
      const places = (acc.length - 1) * stride + (taps - 1) * dilation + 1;
      return Array.from({ length: places }, (_, place) => {
        const taken = acc.flatMap((sums, i) => {
          const t = (place - i * stride) / dilation;
          return has(t, i) ? [{ at: [...rowTap, t], sums }] : [];
        });
        const at = add(walk.element([...rowTap, 0], start, channel), mul(place, image));
        const read: ReadChannels = (e, of, splat) =>
          splat
            ? pool.loadAt(pool.address(source, at, bytes), e * bytes, element.a, of, splat)
            : pool.load(source, element.a, of, add(at, e), 1);
        return onto(read, taken);
      }).flat();
    };
    const addTap = (at: readonly Dim[], _: Dim, first: number, rows: readonly RowAt[]): Stmt[] =>
      rows.flatMap(({ address, offset }, i) =>
        onto(
          (e, of, splat) => pool.loadAt(address, offset + e * bytes, element.a, of, splat),
          [{ at, sums: acc[first + i] ?? [] }],
        ),
      );
    const read = (nr / results) * inputs;
    const isUnrolled = taps * inputs <= MOST_UNROLLED;
    return { channel, channels: inputs, read, joins: false, add: addTap, ...(isUnrolled ? { addRow } : {}) };
  };
  const image = groups * inputs;

  const pixels = (count: number, start: Dim, group: Dim): Stmt[] => {
    const acc = accumulators(frame, kind, { mr: count, nr });
    const first = mul(group, results);
    const column = results === 1 || group === 0 ? first : frame.reader.dynamicIndex(pool.index(first), outs - nr + 1);
    return [
      ...clearTile(frame, acc),
      ...walk.tile(count, start, sumsOf(acc, start, group)),
      ...storeTile(frame, result, acc, column, (i, c) => add(mul(walk.pixel(add(start, i)), outs), c)),
    ];
  };
  const tile =
    (count: number) =>
    (start: Dim): Stmt[] =>
      tiles(frame, "channels", nr / results, groups, (group) => pixels(count, start, group));
  const length = Math.min(choiceOf(kernel, "mr"), range(walk.width).hi);
  const body = whenAtLeast(
    frame,
    walk.width,
    length,
    () => tiles(frame, "tile", length, walk.width, tile(length)),
    () => tiles(frame, "pixel", 1, walk.width, tile(1)),
  );
  return walk.overImages(walk.overOuter(body));
}

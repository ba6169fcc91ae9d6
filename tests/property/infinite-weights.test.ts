// Convolutions with weights that are infinite or NaN: what lies outside an image is not there, and no zero that such a weight
// makes NaN. Widths that tiles fit and do not fit, known and only known at run time, on every target against the reference.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, sym } from "../../compiler/ir/dim.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { sameEverywhere } from "../support/everywhere.js";
import { graphOf } from "../support/reference.js";

const CHANNELS = 8;
const HEIGHT = 3;

function filled(shape: readonly number[], at: (i: number) => number): Tensor {
  return tensorFrom(
    "f32",
    shape,
    Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => at(i)),
  );
}

/** Of every filter's row the first or the last weight is infinite; those of the last filter may be NaN. */
function weights(outs: number, channels: number, taps: number): Tensor {
  const size = channels * taps;
  return filled([outs, channels, 1, taps], (i) => {
    const isLast = Math.floor(i / size) === outs - 1;
    if (i % taps === (isLast ? taps - 1 : 0)) return isLast && outs > 2 ? Number.NaN : Number.POSITIVE_INFINITY;
    return 1;
  });
}

function outputs(b: Builder, x: Value, taps: number): Record<string, Value> {
  const half = (taps - 1) / 2;
  const attrs = { low: [0, half], high: [0, half] };
  const along = (w: Tensor, more: ir.Conv = {}): Value => ir.conv(b, x, ir.constant(b, w), { ...attrs, ...more });
  const behind = (v: Value): Value => {
    const outs = Number(v.type.shape[1]);
    return ir.conv(
      b,
      ir.min(b, v, 99),
      ir.constant(
        b,
        filled([4, outs, 1, 1], () => 1),
      ),
    );
  };
  const apart = ir.pad(b, x, 0, [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]);
  return {
    tiles: behind(along(weights(32, CHANNELS, taps))),
    few: behind(along(weights(2, CHANNELS, taps))),
    depthwise: behind(along(weights(CHANNELS, 1, taps), { groups: CHANNELS })),
    twice: behind(along(weights(2 * CHANNELS, 1, taps), { groups: CHANNELS })),
    pairs: behind(along(weights(CHANNELS, 2, taps), { groups: CHANNELS / 2 })),
    alone: along(weights(CHANNELS, 1, taps), { groups: CHANNELS }),
    apart: ir.conv(b, apart, ir.constant(b, weights(4, CHANNELS, taps)), attrs),
  };
}

for (const [width, least, taps] of [
  [5, null, 3],
  [17, null, 5],
  [31, 1, 3],
  [20, 7, 5],
  [20, 12, 5],
  [40, 12, 3],
  [40, null, 27],
] as const)
  test(`${width} pixels${least === null ? "" : `, known to be ${least} or more`}, ${taps} taps`, async (t) => {
    const b = new Builder();
    const size: Dim = least === null ? width : sym("width", least, 64);
    const x = ir.input(b, "x", "f32", [1, CHANNELS, HEIGHT, size]);
    const graph = graphOf(b, [x], outputs(b, x, taps));
    await sameEverywhere(graph, b, { x: filled([1, CHANNELS, HEIGHT, width], () => 1) });
    t.pass();
  });

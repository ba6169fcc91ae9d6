// Adjoints of contractions, as contractions. A convolution's are convolutions too: of the stretched gradient with the
// flipped window (for x), and of x with the gradient as its window (for w).

import type { AttrValues } from "../attrs.js";
import * as ir from "../build.js";
import { add, type Dim, mul, sub } from "../dim.js";
import type { Builder, Value } from "../graph.js";
import type { Vjp } from "../op-spec.js";
import type { contractAttrs } from "./schemas.js";
import { noGradient, operandOf, unbroadcast } from "./vjp-common.js";

type Rule<K extends keyof typeof contractAttrs> = Vjp<AttrValues<(typeof contractAttrs)[K]>>;
type ConvAttrs = AttrValues<(typeof contractAttrs)["conv"]>;

export const matmul: Rule<"matmul"> = (b, { inputs, attrs: { dtype } }, [g]) => {
  if (g == null) return [null, null];
  const [x, y] = [operandOf(inputs, 0), operandOf(inputs, 1)];
  const transposed = (v: Value): Value => ir.swapAxes(b, ir.cast(b, v, dtype));
  const dx = unbroadcast(b, ir.matmul(b, g, transposed(y), dtype), x.type.shape);
  const dy = unbroadcast(b, ir.matmul(b, transposed(x), g, dtype), y.type.shape);
  return [ir.cast(b, dx, x.type.dtype), ir.cast(b, dy, y.type.dtype)];
};

export const conv: Rule<"conv"> = (b, { inputs, attrs }, [g]) => {
  if (g == null) return [null, null];
  const [x, w] = [operandOf(inputs, 0), operandOf(inputs, 1)];
  const rank = x.type.shape.length;
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i);
  const last = attrs.layout === "nhwc";
  // To [n, c, ...] and [m, c / groups, ...], and back.
  const toX = last ? [0, rank - 1, ...spatial.map((i) => i + 1)] : spatial.map((i) => i + 2);
  const toW = [rank - 1, rank - 2, ...spatial];
  const inverse = (perm: readonly number[]): number[] => perm.map((_, i) => perm.indexOf(i));
  const own = (v: Value, perm: readonly number[]): Value =>
    ir.cast(b, last ? ir.transpose(b, v, perm) : v, attrs.dtype);
  const back = (v: Value, perm: readonly number[], to: Value): Value =>
    ir.cast(b, last ? ir.transpose(b, v, inverse(perm)) : v, to.type.dtype);
  const [xs, ws, gs] = [own(x, toX), own(w, toW), own(g, toX)];
  return [back(inputGradient(b, xs, ws, gs, attrs), toX, x), back(windowGradient(b, xs, ws, gs, attrs), toW, w)];
};

const spatialOf = (v: Value): readonly Dim[] => v.type.shape.slice(2);

function inputGradient(b: Builder, x: Value, w: Value, g: Value, attrs: ConvAttrs): Value {
  const { strides, dilations, low, high, groups, dtype } = attrs;
  const [outputs, perGroup, ...lengths] = w.type.shape;
  if (typeof outputs !== "number" || perGroup === undefined)
    return noGradient(
      "conv",
      "conv with an unknown number of output channels has no gradient",
      "give w a static shape",
    );
  const stretched = spatialOf(g).map((d, i) => add(mul(sub(d, 1), strides[i] ?? 1), 1));
  const padded = spatialOf(x).map((d, i) => add(d, low[i] ?? 0, high[i] ?? 0));
  const reach = lengths.map((k, i) => mul(dilations[i] ?? 1, sub(k, 1)));
  const edges = padded.map((d, i) => sub(d, stretched[i] ?? 0));
  const wide = ir.pad(b, g, 0, [0, 0, ...reach], [0, 0, ...edges], [0, 0, ...strides.map((s) => s - 1)]);
  // [m, c / groups, ...] to [c, m / groups, ...], group by group.
  const grouped = ir.reshape(b, w, [groups, outputs / groups, perGroup, ...lengths]);
  const swapped = ir.swapAxes(b, grouped, 1, 2);
  const turned = ir.reshape(b, swapped, [mul(groups, perGroup), outputs / groups, ...lengths]);
  const flipped = ir.flip(
    b,
    turned,
    lengths.map((_, i) => i + 2),
  );
  const full = ir.conv(b, wide, flipped, { dilations, groups, dtype });
  return ir.slice(b, full, [0, 0, ...low], x.type.shape);
}

function windowGradient(b: Builder, x: Value, w: Value, g: Value, attrs: ConvAttrs): Value {
  const { strides, dilations, low, high, groups, dtype } = attrs;
  const [batch, channels] = x.type.shape;
  const [outputs, perGroup, ...lengths] = w.type.shape;
  if (batch === undefined || channels === undefined || outputs === undefined || perGroup === undefined)
    return noGradient("conv", "conv has too few axes", "");
  if (groups > 1 && typeof batch !== "number")
    return noGradient(
      "conv",
      "the gradient of a grouped conv's window wants a static batch size",
      "fix the batch size, or use groups = 1",
    );
  const padded = ir.pad(b, x, 0, [0, 0, ...low], [0, 0, ...high]);
  const spatial = padded.type.shape.slice(2);
  const rest = spatial.map((_, i) => i + 3);
  // [n, groups * c, ...] to [c, groups * n, ...]: the batch is what is summed over.
  const grouped = ir.reshape(b, padded, [batch, groups, perGroup, ...spatial]);
  const turned = ir.transpose(b, grouped, [2, 1, 0, ...rest]);
  const source = ir.reshape(b, turned, [perGroup, mul(groups, batch), ...spatial]);
  const taps = ir.conv(b, source, ir.swapAxes(b, g, 0, 1), {
    strides: dilations,
    dilations: strides,
    groups,
    dtype,
  });
  const cut = ir.slice(b, taps, [0, 0, ...lengths.map(() => 0)], [perGroup, outputs, ...lengths]);
  return ir.swapAxes(b, cut, 0, 1);
}

// Adjoints of reductions. Equal greatest (least) elements share the gradient evenly.

import type { AttrValues } from "../attrs.js";
import * as ir from "../build.js";
import type { Builder, Value } from "../graph.js";
import type { Vjp } from "../op-spec.js";
import { elementCount } from "../types.js";
import type { reduceAttrs } from "./schemas.js";
import { noGradient, operandOf } from "./vjp-common.js";

type Rule<K extends keyof typeof reduceAttrs> = Vjp<AttrValues<(typeof reduceAttrs)[K]>>;

export const reduce: Rule<"reduce"> = (b, { inputs, outputs, attrs: { kind, axes } }, [g]) => {
  if (g == null) return [null];
  const x = operandOf(inputs, 0);
  const kept = x.type.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const spread = ir.broadcast(b, ir.reshape(b, g, kept), x.type.shape);
  if (kind === "sum") return [spread];
  if (kind === "prod") return [ir.mul(b, spread, othersProduct(b, x, axes))];
  const { dtype } = x.type;
  const chosen = ir.cast(b, ir.eq(b, x, ir.reshape(b, operandOf(outputs, 0), kept)), dtype);
  return [ir.div(b, ir.mul(b, spread, chosen), ir.sum(b, chosen, axes, true))];
};

/** For each element, the product of the others along `axes`: running products from both ends, so that zeros are right. */
function othersProduct(b: Builder, x: Value, axes: readonly number[]): Value {
  const { shape } = x.type;
  const outer = ir.allAxes(x).filter((i) => !axes.includes(i));
  const perm = [...outer, ...axes];
  const moved = ir.transpose(b, x, perm);
  const lines = ir.reshape(b, moved, [
    ...outer.map((i) => shape[i] ?? 1),
    elementCount(axes.map((i) => shape[i] ?? 1)),
  ]);
  const before = ir.cumulate(b, "prod", lines, outer.length, { exclusive: true });
  const after = ir.cumulate(b, "prod", lines, outer.length, { exclusive: true, reverse: true });
  const others = ir.reshape(b, ir.mul(b, before, after), moved.type.shape);
  return ir.transpose(
    b,
    others,
    perm.map((_, i) => perm.indexOf(i)),
  );
}

export const cumulate: Rule<"cumulate"> = (b, { attrs: { kind, axis, exclusive, reverse } }, [g]) => {
  if (g == null) return [null];
  if (kind !== "sum")
    return noGradient(
      "cumulate",
      `a running ${kind} has no gradient`,
      "a running sum has one (of logarithms, for products)",
    );
  return [ir.cumulate(b, "sum", g, axis, { exclusive, reverse: !reverse })];
};

// Adjoints of ops that move elements: each element's gradient goes back to where the element came from.

import type { AttrValues } from "../attrs.js";
import * as ir from "../build.js";
import { add, type Dim, mul, sub } from "../dim.js";
import type { Vjp } from "../op-spec.js";
import type { shapeAttrs } from "./schemas.js";
import { accumulateAt, operandOf, positionsIn, unbroadcast, zerosLike } from "./vjp-common.js";

type Rule<K extends keyof typeof shapeAttrs> = Vjp<AttrValues<(typeof shapeAttrs)[K]>>;

export const reshape: Rule<"reshape"> = (b, { inputs }, [g]) => [
  g == null ? null : ir.reshape(b, g, operandOf(inputs, 0).type.shape),
];

export const transpose: Rule<"transpose"> = (b, { attrs: { perm } }, [g]) => [
  g == null
    ? null
    : ir.transpose(
        b,
        g,
        perm.map((_, i) => perm.indexOf(i)),
      ),
];

export const broadcast: Rule<"broadcast"> = (b, { inputs }, [g]) => [
  g == null ? null : unbroadcast(b, g, operandOf(inputs, 0).type.shape),
];

export const slice: Rule<"slice"> = (b, { inputs, attrs: { starts, sizes, steps } }, [g]) => {
  if (g == null) return [null];
  const x = operandOf(inputs, 0);
  if (sizes.includes(0)) return [zerosLike(b, x)];
  const backward = steps.flatMap((s, i) => (s < 0 ? [i] : []));
  const low: Dim[] = [];
  const high: Dim[] = [];
  for (const [i, size] of x.type.shape.entries()) {
    const step = steps[i] ?? 1;
    const reach = mul(step, sub(sizes[i] ?? 1, 1));
    const start = starts[i] ?? 0;
    low.push(step < 0 ? add(start, reach) : start);
    high.push(sub(sub(size, 1), step < 0 ? start : add(start, reach)));
  }
  const interior = steps.map((s) => Math.abs(s) - 1);
  return [ir.pad(b, ir.flip(b, g, backward), 0, low, high, interior)];
};

export const pad: Rule<"pad"> = (b, { inputs, attrs: { low, high, interior } }, [g]) => {
  if (g == null) return [null, null];
  const { shape } = operandOf(inputs, 0).type;
  const steps = interior.map((n) => n + 1);
  const inside = ir.pad(b, ir.full(b, "bool", shape, 1), 0, low, high, interior);
  return [ir.slice(b, g, low, shape, steps), ir.sum(b, ir.select(b, inside, 0, g))];
};

export const concat: Rule<"concat"> = (b, { inputs, attrs: { axis } }, [g]) => {
  if (g == null) return inputs.map(() => null);
  let start: Dim = 0;
  return inputs.map((x) => {
    const size = x.type.shape[axis] ?? 0;
    const part = ir.sliceAxis(b, g, axis, start, size);
    start = add(start, size);
    return part;
  });
};

export const window: Rule<"window"> = (b, { inputs, attrs }, [g]) => {
  if (g == null) return [null];
  const x = operandOf(inputs, 0);
  return [accumulateAt(b, x, ir.window(b, positionsIn(b, x.type.shape), attrs), g)];
};

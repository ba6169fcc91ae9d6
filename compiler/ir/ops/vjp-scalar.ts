// Adjoints of elementwise ops. At ties max and min share the gradient evenly; where a function has no derivative the
// rule gives the customary one (abs at 0: 0).

import type { AttrValues } from "../attrs.js";
import * as ir from "../build.js";
import { isFloat } from "../dtype.js";
import type { Builder, Value } from "../graph.js";
import type { Vjp } from "../op-spec.js";
import type { ScalarName } from "./scalar.js";
import type { convertAttrs } from "./schemas.js";
import { operandOf, unbroadcast } from "./vjp-common.js";

type NoAttrs = Readonly<Record<never, never>>;

/** Gradient of x from that of f(x) = y. */
type Unary = (b: Builder, g: Value, x: Value, y: Value) => Value | null;
/** Gradients of x and y from that of f(x, y) = z, before unbroadcasting. */
type Binary = (b: Builder, g: Value, x: Value, y: Value, z: Value) => readonly [Value | null, Value | null];

const flat: Unary = () => null;

const UNARY: Partial<Record<ScalarName, Unary>> = {
  neg: (b, g) => ir.neg(b, g),
  abs: (b, g, x) => ir.mul(b, g, ir.sign(b, x)),
  sign: flat,
  floor: flat,
  ceil: flat,
  trunc: flat,
  round: flat,
  sqrt: (b, g, _x, y) => ir.div(b, g, ir.mul(b, y, 2)),
  exp: (b, g, _x, y) => ir.mul(b, g, y),
  log: (b, g, x) => ir.div(b, g, x),
  sin: (b, g, x) => ir.mul(b, g, ir.cos(b, x)),
  cos: (b, g, x) => ir.mul(b, g, ir.neg(b, ir.sin(b, x))),
  tan: (b, g, _x, y) => ir.mul(b, g, ir.add(b, ir.square(b, y), 1)),
  asin: (b, g, x) => ir.div(b, g, ir.sqrt(b, oneMinusSquare(b, x))),
  acos: (b, g, x) => ir.neg(b, ir.div(b, g, ir.sqrt(b, oneMinusSquare(b, x)))),
  atan: (b, g, x) => ir.div(b, g, ir.add(b, ir.square(b, x), 1)),
  sinh: (b, g, x) => ir.mul(b, g, ir.cosh(b, x)),
  cosh: (b, g, x) => ir.mul(b, g, ir.sinh(b, x)),
  tanh: (b, g, _x, y) => ir.mul(b, g, oneMinusSquare(b, y)),
  asinh: (b, g, x) => ir.div(b, g, ir.sqrt(b, ir.add(b, ir.square(b, x), 1))),
  acosh: (b, g, x) => ir.div(b, g, ir.sqrt(b, ir.mul(b, ir.sub(b, x, 1), ir.add(b, x, 1)))),
  atanh: (b, g, x) => ir.div(b, g, oneMinusSquare(b, x)),
  erf: (b, g, x) => ir.mul(b, g, ir.mul(b, ir.exp(b, ir.neg(b, ir.square(b, x))), 2 / Math.sqrt(Math.PI))),
  sigmoid: (b, g, _x, y) => ir.mul(b, g, ir.mul(b, y, ir.sub(b, 1, y))),
  log1p: (b, g, x) => ir.div(b, g, ir.add(b, x, 1)),
  expm1: (b, g, _x, y) => ir.mul(b, g, ir.add(b, y, 1)),
};

const BINARY: Partial<Record<ScalarName, Binary>> = {
  add: (_b, g) => [g, g],
  sub: (b, g) => [g, ir.neg(b, g)],
  mul: (b, g, x, y) => [ir.mul(b, g, y), ir.mul(b, g, x)],
  div: (b, g, _x, y, z) => [ir.div(b, g, y), ir.neg(b, ir.div(b, ir.mul(b, g, z), y))],
  rem: (b, g, x, y) => [g, ir.neg(b, ir.mul(b, g, ir.trunc(b, ir.div(b, x, y))))],
  mod: (b, g, x, y) => [g, ir.neg(b, ir.mul(b, g, ir.floor(b, ir.div(b, x, y))))],
  pow: powVjp,
  max: (b, g, x, y) => [ir.mul(b, g, share(b, y, x)), ir.mul(b, g, share(b, x, y))],
  min: (b, g, x, y) => [ir.mul(b, g, share(b, x, y)), ir.mul(b, g, share(b, y, x))],
  atan2: (b, g, x, y) => {
    const scaled = ir.div(b, g, ir.add(b, ir.square(b, x), ir.square(b, y)));
    return [ir.mul(b, scaled, y), ir.neg(b, ir.mul(b, scaled, x))];
  },
};

function oneMinusSquare(b: Builder, x: Value): Value {
  return ir.mul(b, ir.sub(b, 1, x), ir.add(b, x, 1));
}

/** 1 where low < high, a half where they are equal, 0 otherwise. */
function share(b: Builder, low: Value, high: Value): Value {
  const half = ir.select(b, ir.eq(b, low, high), ir.scalar(b, low.type.dtype, 0.5), 0);
  return ir.select(b, ir.lt(b, low, high), ir.scalar(b, low.type.dtype, 1), half);
}

/** x^0 is 1 everywhere, so its derivative in x is 0 also at 0; 0^y is 0 for y > 0, so its derivative in y is 0. */
function powVjp(b: Builder, g: Value, x: Value, y: Value, z: Value): readonly [Value, Value] {
  const slope = ir.mul(b, y, ir.pow(b, x, ir.sub(b, y, 1)));
  const inBase = ir.select(b, ir.eq(b, y, 0), 0, slope);
  const inExponent = ir.select(b, ir.eq(b, x, 0), 0, ir.mul(b, z, ir.log(b, x)));
  return [ir.mul(b, g, inBase), ir.mul(b, g, inExponent)];
}

/** The rule of a scalar op; undefined where its result is never a float, so that no gradient arrives. */
export function scalarVjp(name: ScalarName): Vjp<NoAttrs> | undefined {
  const unary = UNARY[name];
  const binary = BINARY[name];
  if (unary !== undefined)
    return (b, { inputs, outputs }, [g]) => {
      if (g === undefined || g === null) return [null];
      return [unary(b, g, operandOf(inputs, 0), operandOf(outputs, 0))];
    };
  if (binary !== undefined)
    return (b, { inputs, outputs }, [g]) => {
      if (g === undefined || g === null) return [null, null];
      const pair = binary(b, g, operandOf(inputs, 0), operandOf(inputs, 1), operandOf(outputs, 0));
      return pair.map((d, i) => (d === null ? null : unbroadcast(b, d, operandOf(inputs, i).type.shape)));
    };
  return undefined;
}

/** Between floats; what an integer or bool gives has no gradient. Saturation counts as the identity. */
export const castVjp: Vjp<AttrValues<(typeof convertAttrs)["cast"]>> = (b, { inputs }, [g]) => {
  const { dtype } = operandOf(inputs, 0).type;
  return [g === undefined || g === null || !isFloat(dtype) ? null : ir.cast(b, g, dtype)];
};

export const selectVjp: Vjp<AttrValues<(typeof convertAttrs)["select"]>> = (b, { inputs }, [g]) => {
  if (g === undefined || g === null) return [null, null, null];
  const [c, x, y] = [operandOf(inputs, 0), operandOf(inputs, 1), operandOf(inputs, 2)];
  return [
    null,
    unbroadcast(b, ir.select(b, c, g, 0), x.type.shape),
    unbroadcast(b, ir.select(b, c, 0, g), y.type.shape),
  ];
};

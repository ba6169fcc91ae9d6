// Random numbers: a hash of each element's position and the node's seed, so that the same bundle gives the same values in
// every run. A node without a seed asks for new values each time, and is refused.

import * as ir from "../../../ir/build.js";
import { type Dim, mul } from "../../../ir/dim.js";
import { type DType, isFloat } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";

function seedOf(cx: NodeContext): number {
  const seed = cx.hasAttribute("seed") && cx.attribute("seed")?.type === 2 ? cx.optInt("seed") : cx.optFloat("seed");
  if (seed === undefined)
    return cx.fail(
      "unsupported_op",
      "draws new random numbers in every run",
      "give the node a seed: the same values are then drawn in every run",
    );
  cx.session.notes.push(`${cx.at}: its random values are the same in every run`);
  return new Uint32Array(new Float64Array([seed]).buffer).reduce(
    (h, w) => Math.imul(h ^ w, 0x9e3779b1) >>> 0,
    0x85ebca6b,
  );
}

/** 32 random bits per element; `stream` tells draws of one node apart. */
function bits(cx: NodeContext, shape: readonly Dim[], seed: number, stream: number): Value {
  const { b } = cx;
  const index = ir.reshape(b, ir.iota(b, "u32", [mul(1, ...shape)]), shape);
  const mix = (v: Value, shift: number, by: number): Value =>
    ir.mul(b, ir.xor(b, v, ir.shr(b, v, ir.scalar(b, "u32", shift))), ir.scalar(b, "u32", by));
  const start = ir.add(
    b,
    ir.mul(b, index, ir.scalar(b, "u32", 0x9e3779b1)),
    ir.scalar(b, "u32", (seed + Math.imul(stream, 0x632be5ab)) >>> 0),
  );
  const mixed = mix(mix(start, 16, 0x7feb352d), 15, 0x846ca68b);
  return ir.xor(b, mixed, ir.shr(b, mixed, ir.scalar(b, "u32", 16)));
}

/** Uniform in [0, 1), in steps of 2^-24. */
function uniform(cx: NodeContext, shape: readonly Dim[], seed: number, dtype: DType, stream = 0): Value {
  const { b } = cx;
  const whole = ir.shr(b, bits(cx, shape, seed, stream), ir.scalar(b, "u32", 8));
  const wide: DType = dtype === "f64" ? "f64" : "f32";
  return ir.mul(b, ir.cast(b, whole, wide), 2 ** -24);
}

/** Standard normal, by Box and Muller. */
function normal(cx: NodeContext, shape: readonly Dim[], seed: number, dtype: DType): Value {
  const { b } = cx;
  const radius = ir.sqrt(b, ir.mul(b, ir.log(b, ir.sub(b, 1, uniform(cx, shape, seed, dtype))), -2));
  return ir.mul(b, radius, ir.cos(b, ir.mul(b, uniform(cx, shape, seed, dtype, 1), 2 * Math.PI)));
}

type Draw = (cx: NodeContext, shape: readonly Dim[], dtype: DType) => Value;

const drawUniform: Draw = (cx, shape, dtype) => {
  const [low, high] = [cx.float("low", 0), cx.float("high", 1)];
  return ir.add(cx.b, ir.mul(cx.b, uniform(cx, shape, seedOf(cx), dtype), high - low), low);
};

const drawNormal: Draw = (cx, shape, dtype) =>
  ir.add(cx.b, ir.mul(cx.b, normal(cx, shape, seedOf(cx), dtype), cx.float("scale", 1)), cx.float("mean", 0));

const shaped =
  (draw: Draw): Translator =>
  (cx) => {
    const dtype = cx.dtype("dtype", "f32");
    return ir.cast(cx.b, draw(cx, cx.intList("shape"), dtype), dtype);
  };

const like =
  (draw: Draw): Translator =>
  (cx) => {
    const x = cx.in(0);
    const dtype = cx.dtype("dtype", isFloat(x.type.dtype) ? x.type.dtype : "f32");
    return ir.cast(cx.b, draw(cx, x.type.shape, dtype), dtype);
  };

const bernoulli: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const wide: DType = x.type.dtype === "f64" ? "f64" : "f32";
  const hit = ir.lt(b, uniform(cx, x.type.shape, seedOf(cx), wide), ir.cast(b, x, wide));
  return ir.cast(b, hit, cx.dtype("dtype", x.type.dtype));
};

/** Training's dropout: each element is dropped with probability `ratio`, the others are scaled up. */
export function dropped(cx: NodeContext, x: Value, ratio: Value, training: Value): Value[] {
  const { b } = cx;
  const wide: DType = x.type.dtype === "f64" ? "f64" : "f32";
  const p = ir.cast(b, ir.reshape(b, ratio, []), wide);
  const keep = ir.ge(b, uniform(cx, x.type.shape, seedOf(cx), wide), p);
  const always = ir.not(b, ir.reshape(b, training, []));
  const mask = ir.or(b, keep, always);
  const scale = ir.select(b, always, 1, ir.div(b, 1, ir.sub(b, 1, p)));
  const scaled = ir.mul(b, ir.cast(b, x, wide), scale);
  return [ir.cast(b, ir.select(b, mask, scaled, 0), x.type.dtype), mask];
}

export const randomOps: Translators = {
  Bernoulli: bernoulli,
  RandomNormal: shaped(drawNormal),
  RandomNormalLike: like(drawNormal),
  RandomUniform: shaped(drawUniform),
  RandomUniformLike: like(drawUniform),
};

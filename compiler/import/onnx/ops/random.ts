// Random numbers: a hash of an element's position, its node's seed and the number of runs before this one, which a state
// slot counts. The same run of a bundle gives the same values on every host, the next run other ones, and a reset starts
// the sequence again. A node without a seed gets one from its place among the model's random nodes. In a loop the
// iteration's number counts too.

import * as ir from "../../../ir/build.js";
import { type Dim, mul, sub } from "../../../ir/dim.js";
import { type DType, isFloat } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";

/** What one node's draws depend on beside the position: two u32 scalars that each run changes. */
interface Source {
  readonly start: Value;
  readonly twist: Value;
}

const GOLDEN = 0x9e3779b1;

function sourceOf(cx: NodeContext): Source {
  const { b, session } = cx;
  const ordinal = session.nextRandom();
  const seed = seedOf(cx) ?? hash([ordinal], 0x3c6ef372);
  let start = ir.scalar(b, "u32", seed);
  let twist = ir.scalar(b, "u32", hash([seed], 0x1b873593));
  for (const count of [session.runCounter(), ...session.iterations]) {
    for (const word of [count, ir.shr(b, count, ir.scalar(b, "i64", 32))]) {
      const low = ir.cast(b, ir.and(b, word, ir.scalar(b, "i64", 0xffffffff)), "u32");
      start = mixed(cx, ir.xor(b, start, ir.mul(b, low, ir.scalar(b, "u32", GOLDEN))));
      twist = mixed(cx, ir.add(b, ir.mul(b, twist, ir.scalar(b, "u32", 5)), low));
    }
  }
  return { start, twist };
}

/** The node's seed as 32 bits: an integer for Dropout, a float for the others. Undefined where it has none. */
function seedOf(cx: NodeContext): number | undefined {
  const seed = cx.attribute("seed")?.type === 2 ? cx.optInt("seed") : cx.optFloat("seed");
  return seed === undefined ? undefined : hash(new Uint32Array(new Float64Array([seed]).buffer), 0x85ebca6b);
}

function hash(words: Iterable<number>, start: number): number {
  let h = start;
  for (const w of words) h = Math.imul(h ^ w, GOLDEN) >>> 0;
  return h;
}

/** A bijection of 32 bits, with `twist` between its halves. */
function mixed(cx: NodeContext, x: Value, twist?: Value): Value {
  const { b } = cx;
  const u32 = (n: number): Value => ir.scalar(b, "u32", n);
  const folded = (v: Value, shift: number): Value => ir.xor(b, v, ir.shr(b, v, u32(shift)));
  const first = ir.mul(b, folded(x, 16), u32(0x7feb352d));
  const second = twist === undefined ? first : ir.xor(b, first, twist);
  return folded(ir.mul(b, folded(second, 15), u32(0x846ca68b)), 16);
}

/** 32 random bits per element; `stream` tells draws of one node apart. */
function bits(cx: NodeContext, shape: readonly Dim[], source: Source, stream: number): Value {
  const { b } = cx;
  const index = ir.reshape(b, ir.iota(b, "u32", [mul(1, ...shape)]), shape);
  const at = ir.scalar(b, "u32", Math.imul(stream, 0x632be5ab) >>> 0);
  const start = ir.add(b, ir.mul(b, index, ir.scalar(b, "u32", GOLDEN)), ir.add(b, source.start, at));
  return mixed(cx, start, ir.xor(b, source.twist, at));
}

/** Uniform in [0, 1), in steps of 2^-24. */
function uniform(cx: NodeContext, shape: readonly Dim[], source: Source, dtype: DType, stream = 0): Value {
  const { b } = cx;
  const whole = ir.shr(b, bits(cx, shape, source, stream), ir.scalar(b, "u32", 8));
  const wide: DType = dtype === "f64" ? "f64" : "f32";
  return ir.mul(b, ir.cast(b, whole, wide), 2 ** -24);
}

/** Standard normal, by Box and Muller. */
function normal(cx: NodeContext, shape: readonly Dim[], source: Source, dtype: DType): Value {
  const { b } = cx;
  const radius = ir.sqrt(b, ir.mul(b, ir.log(b, ir.sub(b, 1, uniform(cx, shape, source, dtype))), -2));
  return ir.mul(b, radius, ir.cos(b, ir.mul(b, uniform(cx, shape, source, dtype, 1), 2 * Math.PI)));
}

type Draw = (cx: NodeContext, shape: readonly Dim[], dtype: DType) => Value;

const drawUniform: Draw = (cx, shape, dtype) => {
  const [low, high] = [cx.float("low", 0), cx.float("high", 1)];
  return ir.add(cx.b, ir.mul(cx.b, uniform(cx, shape, sourceOf(cx), dtype), high - low), low);
};

const drawNormal: Draw = (cx, shape, dtype) =>
  ir.add(cx.b, ir.mul(cx.b, normal(cx, shape, sourceOf(cx), dtype), cx.float("scale", 1)), cx.float("mean", 0));

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
  const hit = ir.lt(b, uniform(cx, x.type.shape, sourceOf(cx), wide), ir.cast(b, x, wide));
  return ir.cast(b, hit, cx.dtype("dtype", x.type.dtype));
};

/** Training's dropout: each element is dropped with probability `ratio`, the others are scaled up. */
export function dropped(cx: NodeContext, x: Value, ratio: Value, training: Value): Value[] {
  const { b } = cx;
  const wide: DType = x.type.dtype === "f64" ? "f64" : "f32";
  const p = ir.cast(b, ir.reshape(b, ratio, []), wide);
  const keep = ir.ge(b, uniform(cx, x.type.shape, sourceOf(cx), wide), p);
  const always = ir.not(b, ir.reshape(b, training, []));
  const mask = ir.or(b, keep, always);
  const scale = ir.select(b, always, 1, ir.div(b, 1, ir.sub(b, 1, p)));
  const scaled = ir.mul(b, ir.cast(b, x, wide), scale);
  return [ir.cast(b, ir.select(b, mask, scaled, 0), x.type.dtype), mask];
}

/** Draws classes from rows of unnormalized log-probabilities, by the inverse of their cumulated distribution. */
const multinomial: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  if (cx.rank(x) !== 2) cx.malformed("takes a matrix [batch, classes]");
  const samples = cx.int("sample_size", 1);
  if (samples < 0) cx.malformed(`draws ${samples} samples`);
  const [batch, classes] = [cx.dim(x, 0), cx.dim(x, 1)];
  if (classes === 0) cx.malformed("draws from no classes");
  const dtype = cx.dtype("dtype", "i32");
  if (dtype !== "i32" && dtype !== "i64") cx.malformed(`gives ${dtype}, takes dtype int32 or int64`);
  const wide: DType = x.type.dtype === "f64" ? "f64" : "f32";
  const logits = ir.cast(b, x, wide);
  const weight = ir.exp(b, ir.sub(b, logits, ir.reduceMax(b, logits, [1], true)));
  const below = ir.cumulate(b, "sum", weight, 1, { exclusive: false, reverse: false });
  const total = ir.sliceAxis(b, below, 1, sub(classes, 1), 1);
  // Below the total, also when rounded: a draw is at most 1 - 2^-24.
  const drawn = ir.mul(b, uniform(cx, [batch, samples], sourceOf(cx), wide), total);
  const passed = ir.ge(b, ir.unsqueeze(b, drawn, [2]), ir.unsqueeze(b, below, [1]));
  return ir.sum(b, ir.cast(b, passed, dtype), [2]);
};

export const randomOps: Translators = {
  Bernoulli: bernoulli,
  Multinomial: multinomial,
  RandomNormal: shaped(drawNormal),
  RandomNormalLike: like(drawNormal),
  RandomUniform: shaped(drawUniform),
  RandomUniformLike: like(drawUniform),
};

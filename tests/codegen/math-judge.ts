// What the tests of the elementary functions share: building and running one, samples, and errors in ulps.

import type { Expr } from "../../codegen/loops/expr.js";
import { ExprPool } from "../../codegen/loops/expr.js";
import { MATH, type MathFunction, type MathName, mathFunction, type OperandFacts } from "../../codegen/math/index.js";
import { closestToQuarterTurns } from "../support/precise.js";
import { type Column, Evaluator } from "./expr-eval.js";

export type Kind = "f32" | "f64";

export const NAMES = Object.keys(MATH) as MathName[];
export const rowOf = (name: MathName): MathFunction => MATH[name];

export interface Built {
  readonly x: Expr;
  readonly y: Expr;
  readonly result: Expr;
}

export function build(name: MathName, kind: Kind, lanes = 1, facts?: OperandFacts): Built {
  const pool = new ExprPool();
  const x = pool.variable({ kind, lanes }, "x");
  const y = pool.variable({ kind, lanes }, "y");
  return { x, y, result: mathFunction(name, pool, rowOf(name).arity === 1 ? [x] : [x, y], facts) };
}

export interface Points {
  readonly x: readonly number[];
  /** Second operands; unused where the function takes one. */
  readonly y: readonly number[];
}

export function evaluate(name: MathName, kind: Kind, points: Points, fused = false, facts?: OperandFacts): Column {
  const { x, y, result } = build(name, kind, 1, facts);
  const of = (values: readonly number[]): Column =>
    kind === "f32" ? new Float32Array(values) : new Float64Array(values);
  const inputs = new Map<Expr, Column>([
    [x, of(points.x)],
    [y, of(points.y)],
  ]);
  return new Evaluator(inputs, points.x.length, fused).at(result);
}

/** Every op of an expression, once. */
export function opsOf(e: Expr): Expr[] {
  const seen = new Set<Expr>();
  const visit = (n: Expr): void => {
    if (seen.has(n)) return;
    seen.add(n);
    if (n.kind === "op") for (const a of n.args) visit(a);
  };
  visit(e);
  return [...seen];
}

/** A fixed sequence of numbers in [0, 1). */
export function randoms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const view = new DataView(new ArrayBuffer(8));

export function ofBits32(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

export function ofBits64(bits: bigint): number {
  view.setBigUint64(0, BigInt.asUintN(64, bits));
  return view.getFloat64(0);
}

/** Zeros, ones, the ends of the normal and denormal ranges, infinities and NaN. */
export function specials(kind: Kind): number[] {
  const wide = kind === "f64";
  const [fraction, emin, emax] = wide ? [52, -1022, 1023] : [23, -126, 127];
  const positive = [
    0,
    2 ** (emin - fraction),
    2 ** emin * (1 - 2 ** -fraction),
    2 ** emin,
    1e-20,
    2 ** -fraction,
    0.25,
    0.5,
    1 - 2 ** (-fraction - 1),
    1,
    1 + 2 ** -fraction,
    1.5,
    2,
    3,
    4,
    2 ** 20,
    2 ** fraction - 1,
    2 ** fraction + 1,
    2 ** (fraction + 1),
    2 ** (fraction + 1) + 2,
    1e20,
    (2 - 2 ** -fraction) * 2 ** emax,
    Number.POSITIVE_INFINITY,
  ];
  return [...positive, ...positive.map((v) => -v), Number.NaN];
}

/** Where a function is most curved or most often used. */
const RANGE: Readonly<Record<MathName, readonly [number, number]>> = {
  exp: [-105, 90],
  log: [0.4, 3],
  log1p: [-0.9, 3],
  expm1: [-20, 90],
  sin: [-100, 100],
  cos: [-100, 100],
  tan: [-100, 100],
  asin: [-1, 1],
  acos: [-1, 1],
  atan: [-4, 4],
  atan2: [-4, 4],
  sinh: [-90, 90],
  cosh: [-90, 90],
  tanh: [-10, 10],
  asinh: [-9, 9],
  acosh: [1, 9],
  atanh: [-1, 1],
  erf: [-6.5, 6.5],
  sigmoid: [-105, 40],
  pow: [-4, 4],
  rem: [-4, 4],
};

/** `count` numbers over all bit patterns, as many in the function's range, and half as many around 0. */
export function sample(name: MathName, kind: Kind, count: number): Points {
  const next = randoms(name.length * 7919 + name.charCodeAt(0));
  const any = (): number =>
    kind === "f32"
      ? ofBits32(next() * 2 ** 32)
      : ofBits64((BigInt(Math.floor(next() * 2 ** 32)) << 32n) | BigInt(Math.floor(next() * 2 ** 32)));
  const [low, high] = RANGE[name];
  const within = (): number => low + (high - low) * next();
  const x = specials(kind);
  for (let i = 0; i < count; i++) x.push(any());
  for (let i = 0; i < count; i++) x.push(within());
  for (let i = 0; i < count / 2; i++) x.push((next() - 0.5) * 2.5);
  if (isTrigonometric(name)) {
    // Every binade up to the largest numbers, and between 1 and where the reduction changes.
    const [fraction, limit, emax] = kind === "f32" ? [23, 2 ** 20, 127] : [52, 2 ** 47, 1023];
    for (let i = 0; i < count / 2; i++) x.push(limit ** next() * 1.5);
    for (let i = 0; i < count; i++)
      x.push((i % 2 === 0 ? 1 : -1) * 2 ** (i % (emax + 1)) * (1 + next() * (1 - 2 ** -25)));
    // As close to multiples of pi/2 as the format gets.
    for (let i = 0; i < count / 2; i++) x.push(Math.floor((limit / 1.6) ** next()) * (Math.PI / 2));
    x.push(...closestToQuarterTurns(fraction, emax));
  }
  const points = { x, y: x };
  if (rowOf(name).arity === 1) return points;
  const pairs: { x: number[]; y: number[] } = { x: [], y: [] };
  for (const a of specials(kind)) for (const b of specials(kind)) push(pairs, a, b);
  for (let i = 0; i < count; i++) push(pairs, any(), any());
  for (let i = 0; i < count; i++) push(pairs, within(), within());
  const steep = kind === "f32" ? 105 : 745;
  if (name === "pow")
    for (let i = 0; i < count; i++) {
      const base = Math.exp((next() - 0.5) * 10 ** (i % 3));
      push(pairs, base, ((next() - 0.5) * 2 * steep) / Math.abs(Math.log(base)));
    }
  return pairs;
}

function push(pairs: { x: number[]; y: number[] }, x: number, y: number): void {
  pairs.x.push(x);
  pairs.y.push(y);
}

export function isTrigonometric(name: MathName): boolean {
  return name === "sin" || name === "cos" || name === "tan";
}

/** The results that C99 and this library fix and JavaScript's Math does not have, or undefined. */
export function ruled(name: MathName, x: number, y: number): number | undefined {
  if (name === "pow" && (x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY))) return 1;
  return undefined;
}

// Inverses of matrices, Fourier transforms of real signals, and triangles.

import * as ir from "../../../ir/build.js";
import type { DType } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import { tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { through } from "./contrib-through.js";
import { makeOps } from "./make.js";
import { along, gatherElements } from "./position.js";

/** Gauss-Jordan elimination with partial pivoting, all matrices of the batch at once. */
const inverse: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rank = cx.rank(x);
  if (rank < 2) cx.malformed(`takes rank 2 and up, has ${rank}`);
  const n = cx.dim(x, rank - 1);
  const wide: DType = x.type.dtype === "f64" ? "f64" : "f32";
  const batch = x.type.shape.slice(0, -2);
  const row = along(b, n, 0, 2);
  const column = along(b, n, 1, 2);
  const identity = ir.broadcast(b, ir.cast(b, ir.eq(b, row, column), wide), x.type.shape);
  const start = ir.concat(b, [ir.cast(b, x, wide), identity], rank - 1);
  const vector = ir.iota(b, "i64", [n]);
  const [done] = ir.loop(b, {
    trips: ir.dimValue(b, n),
    count: n,
    carried: [start],
    body: (i, [a]) => {
      if (a === undefined) return cx.malformed("has no matrix");
      const candidates = ir.select(b, ir.lt(b, vector, i), -1, ir.abs(b, ir.gather(b, a, i, rank - 1)));
      const pivot = ir.argreduce(b, "max", candidates, rank - 2, { keep: true });
      const order = ir.select(b, ir.eq(b, vector, i), pivot, ir.select(b, ir.eq(b, vector, pivot), i, vector));
      const index = ir.broadcast(b, ir.unsqueeze(b, ir.broadcast(b, order, [...batch, n]), [rank - 1]), a.type.shape);
      const swapped = gatherElements(b, a, index, rank - 2);
      const factor = ir.unsqueeze(b, ir.gather(b, swapped, i, rank - 1), [rank - 1]);
      const chosen = ir.unsqueeze(b, ir.gather(b, swapped, i, rank - 2), [rank - 2]);
      const scale = ir.unsqueeze(b, ir.gather(b, chosen, i, rank - 1), [rank - 1]);
      const unit = ir.div(b, chosen, scale);
      const cleared = ir.sub(b, swapped, ir.mul(b, factor, unit));
      return { carried: [ir.select(b, ir.eq(b, row, i), unit, cleared)] };
    },
  });
  if (done === undefined) return cx.malformed("has no result");
  return ir.cast(b, ir.sliceAxis(b, done, rank - 1, n, n), x.type.dtype);
};

/** A constant [rows, columns] matrix. */
function matrix(
  cx: NodeContext,
  dtype: DType,
  rows: number,
  columns: number,
  f: (j: number, k: number) => number,
): Value {
  const values: number[] = [];
  for (let j = 0; j < rows; j++) for (let k = 0; k < columns; k++) values.push(f(j, k));
  return ir.constant(cx.b, tensorFrom(dtype, [rows, columns], values));
}

function oneDimension(cx: NodeContext): void {
  if (cx.flag("normalized")) cx.malformed("has normalized = 1");
  if (!cx.flag("onesided", true)) cx.malformed("has onesided = 0");
  if (cx.int("signal_ndim") !== 1) cx.fail("unsupported_op", `transforms ${cx.int("signal_ndim")} axes, takes 1`);
}

/** Angles are reduced exactly before they are taken. */
const angle = (j: number, k: number, n: number): number => (2 * Math.PI * ((j * k) % n)) / n;

/** [..., n] to [..., floor(n / 2) + 1, 2]. */
const rfft: Translator = (cx) => {
  const { b } = cx;
  oneDimension(cx);
  const x = cx.in(0);
  const rank = cx.rank(x);
  const n = cx.size(x, rank - 1, "the length of the signal");
  const bins = Math.floor(n / 2) + 1;
  const { dtype } = x.type;
  const flat = rank === 1 ? ir.unsqueeze(b, x, [0]) : x;
  const part = (f: (a: number) => number): Value => {
    const product = ir.matmul(
      b,
      flat,
      matrix(cx, dtype, n, bins, (j, k) => f(angle(j, k, n))),
      dtype,
    );
    return ir.reshape(b, product, [...x.type.shape.slice(0, -1), bins, 1]);
  };
  return ir.concat(b, [part(Math.cos), part((a) => -Math.sin(a))], rank);
};

/** [..., m, 2] to [..., 2 * (m - 1)], divided by that length. */
const irfft: Translator = (cx) => {
  const { b } = cx;
  oneDimension(cx);
  const x = cx.in(0);
  const rank = cx.rank(x);
  const bins = cx.size(x, rank - 2, "the number of bins");
  if (rank < 2 || x.type.shape[rank - 1] !== 2 || bins < 2) cx.malformed("takes [..., bins, 2] with at least two bins");
  const n = 2 * (bins - 1);
  const { dtype } = x.type;
  const part = (i: number, f: (a: number) => number): Value => {
    const lead = x.type.shape.slice(0, -2);
    const v = ir.reshape(b, ir.sliceAxis(b, x, rank - 1, i, 1), lead.length === 0 ? [1, bins] : [...lead, bins]);
    // Every bin but the first and the last stands for its conjugate too.
    const weight = (j: number): number => (j === 0 || j === bins - 1 ? 1 : 2) / n;
    return ir.matmul(
      b,
      v,
      matrix(cx, dtype, bins, n, (j, k) => weight(j) * f(angle(j, k, n))),
      dtype,
    );
  };
  const sum = ir.add(
    b,
    part(0, Math.cos),
    part(1, (a) => -Math.sin(a)),
  );
  return ir.reshape(b, sum, [...x.type.shape.slice(0, -2), n]);
};

export const contribLinalg: Translators = {
  Inverse: inverse,
  Irfft: irfft,
  Rfft: rfft,
  Trilu: (cx) => through(cx, makeOps, "Trilu", [cx.in(0), cx.opt(1)]),
};

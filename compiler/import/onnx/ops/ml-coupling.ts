// Probabilities of classes from those of their pairs, by the iterations that libsvm has (Wu, Lin and Weng: Probability
// Estimates for Multi-class Classification by Pairwise Coupling, algorithm 2).

import * as ir from "../../../ir/build.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext } from "../context.js";
import { constantOf } from "./ml-common.js";

const MAX_ITERATIONS = 100;

/** First is class i of a pair (i, j), in the order (0, 1), (0, 2), ...: [n, pairs] to [n, classes]. */
export function coupled(cx: NodeContext, first: Value, classes: number): Value {
  const { b } = cx;
  const k = classes;
  const rows = cx.dim(first, 0);
  const pair = (i: number, j: number): number => i * k - (i * (i + 1)) / 2 + (j - i - 1);
  const cells = Array.from({ length: k * k }, (_, c) => ({ i: Math.floor(c / k), j: c % k }));
  const at = cells.map(({ i, j }) => (i === j ? 0 : pair(Math.min(i, j), Math.max(i, j))));
  const marks = (f: (i: number, j: number) => boolean): Value =>
    ir.reshape(
      b,
      ir.vector(
        b,
        "bool",
        cells.map(({ i, j }) => Number(f(i, j))),
      ),
      [k, k],
    );
  const diagonal = marks((i, j) => i === j);
  const found = ir.reshape(b, ir.gather(b, first, ir.vector(b, "i64", at), 1), [rows, k, k]);
  const r = ir.select(
    b,
    diagonal,
    0,
    ir.select(
      b,
      marks((i, j) => i < j),
      found,
      ir.sub(b, 1, found),
    ),
  );
  const own = ir.unsqueeze(b, ir.sum(b, ir.square(b, r), [1]), [1]);
  const q = ir.select(b, diagonal, own, ir.neg(b, ir.mul(b, r, ir.swapAxes(b, r))));
  const column = (v: Value, i: number): Value => ir.sliceAxis(b, v, 1, i, 1);
  const start = ir.full(b, "f32", [rows, k], Math.fround(1 / k));
  const [p] = ir.loop(b, {
    trips: MAX_ITERATIONS,
    count: 0,
    carried: [start],
    body: (_, [before]) => {
      if (before === undefined) return cx.malformed("has no probabilities");
      let product = ir.squeeze(b, ir.matmul(b, q, ir.unsqueeze(b, before, [2]), "f32"), [2]);
      let square = ir.sum(b, ir.mul(b, before, product), [1], true);
      const error = ir.reduceMax(b, ir.abs(b, ir.sub(b, product, square)), [1], true);
      const going = ir.ge(b, error, 0.005 / k);
      let next = before;
      for (let i = 0; i < k; i++) {
        const line = ir.squeeze(b, ir.sliceAxis(b, q, 1, i, 1), [1]);
        const pivot = column(line, i);
        const step = ir.div(b, ir.sub(b, square, column(product, i)), pivot);
        const by = ir.add(b, step, 1);
        const grown = ir.add(b, ir.mul(b, step, pivot), ir.mul(b, column(product, i), 2));
        square = ir.div(b, ir.div(b, ir.add(b, square, ir.mul(b, step, grown)), by), by);
        product = ir.div(b, ir.add(b, product, ir.mul(b, step, line)), by);
        const unit = constantOf(
          b,
          "f32",
          [k],
          Array.from({ length: k }, (_, j) => Number(i === j)),
        );
        next = ir.div(b, ir.add(b, next, ir.mul(b, step, unit)), by);
      }
      const any = ir.gt(b, ir.reduceMax(b, ir.cast(b, going, "i32"), [0, 1]), 0);
      return { condition: any, carried: [ir.select(b, going, next, before)] };
    },
  });
  return p ?? start;
}

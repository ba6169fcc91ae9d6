// Maps whose innermost axis has two elements: pixels that are doubled, planes that take turns. As many of these pairs as
// a vector has lanes are read as two vectors along the axis before, and alternate in registers.

import { add, type Dim, provenLessEqual, substitute } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { ravel } from "../../../compiler/schedule/views.js";
import { type Expr, reindex } from "../expr.js";
import type { Frame } from "../frame.js";
import { LANES, type Nest, parallelLoop, stored, symbolOf, vectorLoops } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";

/** The nest's loops, where its innermost axis is one of pairs; null where it is not, or pairs have no vectors. */
export function pairedNest({ pool, output, buffer }: Frame, nest: Nest, value: Expr): Stmt[] | null {
  const { shape, dtype } = output.type;
  const last = nest.vars.length - 1;
  const [u, v] = nest.vars.slice(-2);
  const size = nest.sizes[last - 1];
  if (u === undefined || v === undefined || size === undefined || nest.sizes[last] !== 2) return null;
  if (bytesOf(dtype) !== 4 || !provenLessEqual(LANES, size)) return null;
  const symbol = symbolOf(v);
  const sides = [0, 1].map((side) => {
    const at = (d: Dim): Dim => substitute(d, (s) => (s === symbol ? side : undefined));
    return { index: at(ravel(nest.position, shape)), value: reindex(pool, stored(pool, dtype, value), at) };
  });
  const start = sides[0]?.index ?? 0;
  const store = (index: Dim, e: Expr): Stmt => ({ kind: "store", buffer: buffer(output), dtype, index, value: e });
  const block = (lanes: number): Stmt[] | null => {
    const [even, odd] = sides.map((side) => new Vectorizer(pool, symbolOf(u), lanes).vector(side.value));
    if (!isWhole(even) || !isWhole(odd)) return null;
    return [store(start, pool.same("zipLow", even, odd)), store(add(start, lanes), pool.same("zipHigh", even, odd))];
  };
  if (block(LANES) === null) return null;
  const single = sides.map((side) => store(side.index, side.value));
  let body = vectorLoops(pool, u, size, block, single, true);
  for (let i = last - 2; i >= 0; i--) body = [parallelLoop(nest.vars[i] ?? 0, nest.sizes[i] ?? 1, body)];
  return body;
}

/** Whether a vector is read as such, not put together from elements. */
function isWhole(e: Expr | null | undefined): e is Expr {
  const seen = new Set<Expr>();
  const reads = (x: Expr): boolean => {
    if (seen.has(x)) return true;
    seen.add(x);
    return x.kind !== "lanes" && (x.kind !== "op" || x.args.every(reads));
  };
  return e !== null && e !== undefined && reads(e);
}

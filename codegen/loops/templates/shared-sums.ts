// Three columns of few bits in two sums of 32. A lane of products takes weights of 16 bits, so one operand holds two columns'
// weights, SHARED_SHIFT bits apart: its sum is that of the first plus 2^SHARED_SHIFT times that of the second, modulo 2^32. The
// sums p, q and r of three columns are in s = p + 2^S q and t = q + 2^S r, from which they follow exactly while p / 2^S is
// small: the upper bits of s are q but for that error, the lower bits of t are q modulo 2^S. So a pair of rows of k takes two
// multiplications instead of three. Whether sums are small enough is known when the plan is made (`sharesSums`).

import { SHARED_COLUMNS, SHARED_SHIFT, SHARED_SUMS } from "../../../compiler/schedule/blocks.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import type { Stmt } from "../stmt.js";
import { type PanelPart, type Pointer, type Reader, set, vectorAt, wordsReg } from "./block-words.js";

/** Bits of a lane above those that the second sum is known by. */
const ABOVE = 32 - SHARED_SHIFT;

/** `low` + 2^S `high`, of halves of 16 bits or of whole lanes. */
function joined({ pool }: Frame, low: Expr, high: Expr): Expr {
  return pool.same("add", low, pool.same("shl", high, pool.i32(SHARED_SHIFT)));
}

/** Threes of a row's vectors. */
function threes<T>(row: readonly T[]): (readonly [T, T, T])[] {
  const out: (readonly [T, T, T])[] = [];
  for (let j = 0; j + SHARED_COLUMNS <= row.length; j += SHARED_COLUMNS) {
    const [a, b, c] = row.slice(j);
    if (a !== undefined && b !== undefined && c !== undefined) out.push([a, b, c]);
  }
  return out;
}

/** Stores weights for shared sums: [three vectors of columns][k / 2][2], each of pairs along k. */
export function unpackedShared(frame: Frame, part: PanelPart, to: Pointer, partBytes: number): Reader {
  const { group } = part.form;
  const rowBytes = vectorAt(part, SHARED_SUMS);
  return {
    blockStart: [],
    use: (i, weights) =>
      threes(weights).flatMap(([a, b, c], three) =>
        [joined(frame, a, b), joined(frame, b, c)].map((value, v): Stmt => {
          const offset = three * partBytes + (i / group) * rowBytes + vectorAt(part, v);
          return { kind: "storeAt", dtype: "i32", address: to.at, offset, value };
        }),
      ),
    blockEnd: [],
    inPlace: false,
    perRow: [[to, rowBytes / group]],
    perBlock: [],
  };
}

/** Sums that columns share, which start at 0, and what gives the columns their own. */
export interface SharedSums {
  readonly sums: readonly (readonly Expr[])[];
  readonly close: readonly Stmt[];
}

/** `dots`: rows by three vectors of columns. */
export function sharedSums({ pool }: Frame, part: PanelPart, dots: readonly (readonly Expr[])[]): SharedSums {
  const type = wordsReg(part);
  const of = (r: number): readonly [Expr, Expr] => [
    pool.variable(type, `shared${r}_0`),
    pool.variable(type, `shared${r}_1`),
  ];
  const close = dots.flatMap((row, at) => {
    const [s, t] = of(at);
    return threes(row).flatMap(([p, q, r]) => {
      const near = pool.same("shrS", s, pool.i32(SHARED_SHIFT));
      const error = pool.same("shl", pool.same("sub", t, near), pool.i32(ABOVE));
      return [
        set(q, pool.same("add", near, pool.same("shrS", error, pool.i32(ABOVE)))),
        set(p, pool.same("sub", s, pool.same("shl", q, pool.i32(SHARED_SHIFT)))),
        set(r, pool.same("shrS", pool.same("sub", t, q), pool.i32(SHARED_SHIFT))),
      ];
    });
  });
  return { sums: dots.map((_, r) => of(r)), close };
}

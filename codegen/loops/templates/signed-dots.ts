// Dot products of four bytes for CPUs that have them of signed bytes alone, by columns of such. Unsigned rows go in less 128,
// which is their highest bit changed; the last row of sums gathers -128 times the columns, to be taken away in the end.

import { type Dim, mul } from "../../../compiler/ir/dim.js";
import { type Expr, I32, type Reg } from "../expr.js";
import type { Frame } from "../frame.js";
import { LANES } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { type RowAt, rowPointers } from "./tile.js";

const VECTOR: Reg = { kind: "i32", lanes: LANES };
const VECTOR_BYTES = 16;
const STEP = 4;
/** -128 in each byte. */
const LEAST = 0x80808080 | 0;

/**
 * acc += a[i] . b over `steps`, but for the sum of 128 . b, of which the row behind the others takes -1 times. A row that is
 * null is one of zeros.
 */
export function accumulateSigned(
  frame: Frame,
  acc: readonly (readonly Expr[])[],
  rows: readonly (RowAt | null)[],
  panel: Expr,
  steps: Dim,
  width: number,
): Stmt[] {
  const { pool } = frame;
  const pa = rowPointers(frame, rows);
  const [pb, end, a] = [pool.variable(I32, "pb"), pool.variable(I32, "pend"), pool.variable(VECTOR, "a4")];
  const least = pool.constant(VECTOR, LEAST);
  const set = (target: Expr, value: Expr): Stmt => ({ kind: "set", target, value });
  const columns = (acc[0] ?? []).map((_, j) => pool.variable(VECTOR, `b4_${j}`));
  const dots = (sums: readonly Expr[] = []): Stmt[] =>
    sums.map((sum, j) => set(sum, pool.same("dotS", a, columns[j] ?? a, sum)));
  const taken = ({ address, offset }: RowAt): Expr =>
    pool.same("xor", pool.loadAt(pa.get(address) ?? pb, offset, "i32", VECTOR, true), least);
  const body = [
    ...columns.map((b, j) => set(b, pool.loadAt(pb, j * VECTOR_BYTES, "i32", VECTOR))),
    set(a, least),
    ...dots(acc[rows.length]),
    ...rows.flatMap((row, i) => [set(a, row === null ? least : taken(row)), ...dots(acc[i])]),
    ...[...pa.values()].map((p) => set(p, pool.same("add", p, pool.i32(STEP)))),
    set(pb, pool.same("add", pb, pool.i32(width * STEP))),
  ];
  return [
    ...[...pa].map(([value, target]) => set(target, value)),
    set(pb, panel),
    set(end, pool.same("add", pb, pool.index(mul(steps, width * STEP)))),
    { kind: "while", mask: pool.compare("ltU", pb, end), body },
  ];
}

// Products of bytes in squares: two rows by two columns of eight bytes each, for CPUs that have an instruction for them. A
// tile's sums are squares then: of rows 2i and 2i + 1 and four columns, one vector holds both rows' sums of the first two
// columns, and the next one those of the others. Rows that are not there are zeros. Panels are those of dot products of four
// bytes, of which two steps interleaved give columns of eight.

import { type Expr, I32, I64, type Reg } from "../expr.js";
import type { Frame } from "../frame.js";
import { LANES } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { type RowAt, rowPointers } from "./tile.js";

const VECTOR: Reg = { kind: "i32", lanes: LANES };
const VECTOR_BYTES = 16;
/** Bytes along k of a panel's step, and of a square. */
const HALF = 4;
const WHOLE = 8;

const set = (target: Expr, value: Expr): Stmt => ({ kind: "set", target, value });

/** Pairs of rows of sums, each with its number. */
function pairsOf(
  acc: readonly (readonly Expr[])[],
): (readonly [row: number, pairs: readonly (readonly [Expr, Expr])[]])[] {
  return acc.flatMap((even, i) =>
    i % 2 === 1 ? [] : [[i, even.map((sum, j) => [sum, acc[i + 1]?.[j] ?? sum] as const)] as const],
  );
}

/** Squares become rows of sums, and rows squares. */
export function turnSquares({ pool }: Frame, acc: readonly (readonly Expr[])[]): Stmt[] {
  const first = pool.variable(VECTOR, "first");
  return pairsOf(acc).flatMap(([, pairs]) =>
    pairs.flatMap(([low, high]) => [
      set(first, low),
      set(low, pool.same("joinLow", first, high)),
      set(high, pool.same("joinHigh", first, high)),
    ]),
  );
}

/** acc += a[i] . b over `steps` of four bytes along k. `width`: columns of a step of the panel. */
export function accumulateSquares(
  frame: Frame,
  op: "squareU" | "squareS",
  acc: readonly (readonly Expr[])[],
  rows: readonly (RowAt | null)[],
  panel: Expr,
  steps: number,
  width: number,
): Stmt[] {
  const { pool } = frame;
  const pa = rowPointers(frame, rows);
  const [pb, end, a] = [pool.variable(I32, "pb"), pool.variable(I32, "pend"), pool.variable(VECTOR, "a4")];
  const stepBytes = width * HALF;
  const columns = (acc[0] ?? []).map((_, j) => [0, 1].map((half) => pool.variable(VECTOR, `square${j}_${half}`)));
  /** Eight bytes deep, or four and zeros. */
  const square = (isWhole: boolean): Stmt[] => {
    const row = (i: number): readonly Expr[] => {
      const own = rows[i] ?? null;
      const at = own === null ? null : (pa.get(own.address) ?? pb);
      const load = (dtype: "i64" | "i32", type: Reg): Expr =>
        own === null || at === null ? pool.constant(type, 0) : pool.loadAt(at, own.offset, dtype, type);
      return isWhole ? [load("i64", I64)] : [load("i32", I32), pool.i32(0)];
    };
    const both = (i: number): Expr => {
      const vector = pool.lanes([...row(i), ...row(i + 1)]);
      return isWhole ? pool.op("bits", VECTOR, vector) : vector;
    };
    const step = (j: number, at: number): Expr => pool.loadAt(pb, at + j * VECTOR_BYTES, "i32", VECTOR);
    return [
      ...columns.flatMap((halves, j) => {
        const [low, high] = [step(j, 0), isWhole ? step(j, stepBytes) : pool.constant(VECTOR, 0)];
        return halves.map((half, i) => set(half, pool.same(i === 0 ? "zipLow" : "zipHigh", low, high)));
      }),
      ...pairsOf(acc).flatMap(([i, pairs]) => {
        if ((rows[i] ?? rows[i + 1] ?? null) === null) return [];
        const squares = pairs.flatMap((sums, j) =>
          sums.map((sum, half) => set(sum, pool.same(op, a, columns[j]?.[half] ?? a, sum))),
        );
        return [set(a, both(i)), ...squares];
      }),
    ];
  };
  const advance = (p: Expr, bytes: number): Stmt => set(p, pool.same("add", p, pool.i32(bytes)));
  const pairs = Math.floor(steps / 2);
  const loop: Stmt[] = [
    set(end, pool.same("add", pb, pool.i32(pairs * 2 * stepBytes))),
    {
      kind: "while",
      mask: pool.compare("ltU", pb, end),
      body: [...square(true), ...[...pa.values()].map((p) => advance(p, WHOLE)), advance(pb, 2 * stepBytes)],
    },
  ];
  return [
    ...[...pa].map(([value, target]) => set(target, value)),
    set(pb, panel),
    ...(pairs > 0 ? loop : []),
    ...(steps % 2 === 1 ? square(false) : []),
  ];
}

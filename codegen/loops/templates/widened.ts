// Bytes for dot products of 16-bit pairs, widened once. A tile that reads bytes of weights widens them in every step; where many
// tiles of rows pass by a panel it goes to scratch in 16 bits first, which stays in cache meanwhile. Rows of bytes that other
// machines multiply as they are have a buffer in 16 bits, and panels of their weights hold four bytes of a column together.

import { ceildiv, type Dim, mul } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import type { Value } from "../../../compiler/ir/graph.js";
import { panelElements } from "../../../compiler/plan/pack.js";
import { type Expr, I32 } from "../expr.js";
import type { Frame } from "../frame.js";
import { LANES } from "../nest.js";
import type { Panels, Stmt } from "../stmt.js";
import { lowerMap } from "./map.js";
import { dotWidth, type Element } from "./tile.js";

/** Elements that one step widens. */
const STEP = 2 * LANES;
const VECTOR_BYTES = 2 * STEP;
/** Of a column's pair in 16 bits. */
const PAIR_BYTES = 4;

/** Bytes of a column that lie together where some machines multiply so many at a time. */
const QUAD = 4;

/** Whether this machine reads rows of bytes as they are. */
function multipliesBytes({ unit }: Frame): boolean {
  return unit.bytes !== "pairs";
}

/** What a contraction's kernel reads as its rows: bytes as they are where the machine multiplies them. */
export function rowsOf(frame: Frame, rows: Value): Value {
  const { bytes } = frame.kernel;
  return bytes !== null && multipliesBytes(frame) ? bytes : rows;
}

/** Elements along the depth that packed panels hold together: those of a dot product, or of another machine's. */
export function panelGroup({ kernel }: Frame, dot: 1 | 2 | 4): 1 | 2 | 4 {
  return kernel.bytes === null ? dot : QUAD;
}

/** Dot products along the depth of a panel. */
export function dotSteps(depth: Dim, dot: number, group: number): Dim {
  return mul(ceildiv(depth, group), group / dot);
}

/** Widens bytes that machines without products of bytes read in 16 bits; the others read none of them. */
export function lowerWiden(frame: Frame): Stmt[] {
  return multipliesBytes(frame) ? [] : lowerMap(frame);
}

/** Whether a kernel's panels of pairs are widened to its scratch: where the schedule gave it some. */
export function isWidened({ kernel }: Frame, element: Element, packed: boolean): boolean {
  return dotWidth(element, packed) === 2 && element.b === "i8" && kernel.scratch !== 0;
}

/** What is multiplied once panels are widened. */
export function widened(element: Element): Element {
  return { ...element, b: "i16" };
}

/**
 * Fills scratch with the panel at `panel`, a multiple of eight bytes, in 16 bits as pairs along the depth.
 */
export function widenPanel(frame: Frame, panel: Expr, layout: Panels): Stmt[] {
  const { pool, scratch } = frame;
  const [from, end, to] = [pool.variable(I32, "wf"), pool.variable(I32, "wend"), pool.variable(I32, "wt")];
  const step =
    layout.pair === QUAD ? quadStep(frame, from, to, layout.nr) : { elements: STEP, body: pairStep(frame, from, to) };
  const advance = (at: Expr, bytes: number): Stmt => ({
    kind: "set",
    target: at,
    value: pool.same("add", at, pool.i32(bytes)),
  });
  return [
    { kind: "set", target: from, value: panel },
    { kind: "set", target: end, value: pool.same("add", from, pool.i32(panelElements(layout))) },
    { kind: "set", target: to, value: pool.address(scratch, 0, 1) },
    {
      kind: "while",
      mask: pool.compare("ltU", from, end),
      body: [...step.body, advance(from, step.elements), advance(to, step.elements * bytesOf("i16"))],
    },
  ];
}

function halvesAt({ pool }: Frame, from: Expr, offset: number): Expr {
  return pool.loadAt(from, offset, "i8", { kind: "i32", lanes: STEP });
}

/** Eight bytes as they lie. */
function pairStep(frame: Frame, from: Expr, to: Expr): Stmt[] {
  const halves = frame.pool.variable({ kind: "i32", lanes: LANES }, "halves");
  return [
    { kind: "set", target: halves, value: halvesAt(frame, from, 0) },
    { kind: "storeAt", dtype: "i32", address: to, offset: 0, value: halves },
  ];
}

/** Four bytes of each column: the first pairs of all columns, then the second ones. */
function quadStep(frame: Frame, from: Expr, to: Expr, nr: number): { elements: number; body: Stmt[] } {
  const { pool } = frame;
  const names = ["left", "right", "low", "high"].map((name) => pool.variable({ kind: "i32", lanes: LANES }, name));
  const [left = from, right = from, low = from, high = from] = names;
  const set = (target: Expr, value: Expr): Stmt => ({ kind: "set", target, value });
  const store = (offset: number, value: Expr): Stmt => ({ kind: "storeAt", dtype: "i32", address: to, offset, value });
  const body = Array.from({ length: nr / LANES }, (_, j) => [
    set(left, halvesAt(frame, from, j * VECTOR_BYTES)),
    set(right, halvesAt(frame, from, j * VECTOR_BYTES + STEP)),
    set(low, pool.same("zipLow", left, right)),
    set(high, pool.same("zipHigh", left, right)),
    store(j * VECTOR_BYTES, pool.same("zipLow", low, high)),
    store(nr * PAIR_BYTES + j * VECTOR_BYTES, pool.same("zipHigh", low, high)),
  ]);
  return { elements: nr * QUAD, body: body.flat() };
}

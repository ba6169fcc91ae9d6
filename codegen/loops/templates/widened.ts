// Panels of 8-bit weights for dot products of 16-bit pairs, widened once. A tile that reads bytes widens them in every step;
// where many tiles of rows pass by a panel it goes to scratch in 16 bits first, which stays in cache meanwhile.

import { bytesOf } from "../../../compiler/ir/dtype.js";
import { type Expr, I32 } from "../expr.js";
import type { Frame } from "../frame.js";
import { LANES } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { dotWidth, type Element } from "./tile.js";

/** Elements that one step widens. */
const STEP = 2 * LANES;

/** Whether a kernel's panels of pairs are widened to its scratch: where the schedule gave it some. */
export function isWidened({ kernel }: Frame, element: Element, packed: boolean): boolean {
  return dotWidth(element, packed) === 2 && element.b === "i8" && kernel.scratch !== 0;
}

/** What is multiplied once panels are widened. */
export function widened(element: Element): Element {
  return { ...element, b: "i16" };
}

/** Fills scratch with a panel of bytes at `panel`, a multiple of eight of them. */
export function widenPanel({ pool, scratch }: Frame, panel: Expr, elements: number): Stmt[] {
  const [from, end, to] = [pool.variable(I32, "wf"), pool.variable(I32, "wend"), pool.variable(I32, "wt")];
  const halves = pool.variable({ kind: "i32", lanes: LANES }, "halves");
  const advance = (at: Expr, bytes: number): Stmt => ({
    kind: "set",
    target: at,
    value: pool.same("add", at, pool.i32(bytes)),
  });
  return [
    { kind: "set", target: from, value: panel },
    { kind: "set", target: end, value: pool.same("add", from, pool.i32(elements)) },
    { kind: "set", target: to, value: pool.address(scratch, 0, 1) },
    {
      kind: "while",
      mask: pool.compare("ltU", from, end),
      body: [
        { kind: "set", target: halves, value: pool.loadAt(from, 0, "i8", { kind: "i32", lanes: STEP }) },
        { kind: "storeAt", dtype: "i32", address: to, offset: 0, value: halves },
        advance(from, STEP),
        advance(to, STEP * bytesOf("i16")),
      ],
    },
  ];
}

// How a kernel is divided among threads. Its parallel loops that lie directly inside one another are one space of
// iterations, counted in the order of the loops; part p of n runs an equal, contiguous share of every space. Which
// elements are computed together never changes, so results do not depend on the number of parts.

import { ceildiv, type Dim, mul, sub, symOf, symsOf } from "../../compiler/ir/dim.js";
import type { LoopKernel, Stmt } from "./stmt.js";

export type Loop = Stmt & { readonly kind: "for" };

/** The loops of the space that starts at a parallel loop, outermost first: all have the same bounds in every iteration. */
export function spaceOf(kernel: LoopKernel, first: Loop): readonly Loop[] {
  const loops = [first];
  for (let at = first; ; ) {
    const [next] = at.body;
    if (at.body.length !== 1 || next === undefined || next.kind !== "for" || next.parallel !== true) return loops;
    if (!isFixed(kernel, next.from, loops) || !isFixed(kernel, next.to, loops)) return loops;
    loops.push(next);
    at = next;
  }
}

function isFixed(kernel: LoopKernel, d: Dim, loops: readonly Loop[]): boolean {
  if (typeof d === "number") return true;
  return [...symsOf(d)].every((s) => !kernel.pool.dynamic.has(s) && loops.every((l) => symOf(l.v) !== s));
}

/** Iterations of a loop whose bounds are in order. */
export function tripsOf({ from, to, step }: Loop): Dim {
  const length = sub(to, from);
  return step === 1 ? length : ceildiv(length, step);
}

/** Iterations of a space. */
export function sizeOf(loops: readonly Loop[]): Dim {
  return mul(1, ...loops.map(tripsOf));
}

/** Whether the kernel stores in parallel loops only, under branches at most: then it runs in parts. */
export function isDivisible(kernel: LoopKernel): boolean {
  const divides = (stmts: readonly Stmt[]): boolean =>
    stmts.every(
      (s) =>
        s.kind === "set" ||
        (s.kind === "for" && s.parallel === true) ||
        (s.kind === "if" && divides(s.yes) && divides(s.no)),
    );
  return kernel.body.some((s) => s.kind !== "set") && divides(kernel.body);
}

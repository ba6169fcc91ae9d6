// How often a kernel reads each of its expressions: what is read in several places is worth a local of its own.

import { type Dim, symsOf } from "../../compiler/ir/dim.js";
import type { Expr } from "../loops/expr.js";
import type { LoopKernel, Stmt } from "../loops/stmt.js";

/** How many places read each expression. */
export function countUses(kernel: LoopKernel): ReadonlyMap<Expr, number> {
  const uses = new Map<Expr, number>();
  const seen = new Set<Expr>();
  const indices = (d: Dim): void => {
    for (const s of symsOf(d)) {
      const dynamic = kernel.pool.dynamic.get(s);
      if (dynamic !== undefined) visit(dynamic);
    }
  };
  const visit = (e: Expr): void => {
    uses.set(e, (uses.get(e) ?? 0) + 1);
    if (seen.has(e)) return;
    seen.add(e);
    if (e.kind === "load" || e.kind === "address") indices(e.index);
    else if (e.kind === "index") indices(e.dim);
    if (e.kind === "op") for (const a of e.args) visit(a);
    else if (e.kind === "lane") visit(e.from);
    else if (e.kind === "lanes") for (const i of e.items) visit(i);
    else if (e.kind === "loadAt") visit(e.address);
  };
  const statement = (s: Stmt): void => {
    if (s.kind === "store" || s.kind === "set" || s.kind === "symbol" || s.kind === "storeAt") visit(s.value);
    if (s.kind === "storeAt" || s.kind === "prefetch") visit(s.address);
    if (s.kind === "store") indices(s.index);
    if (s.kind === "for") {
      indices(s.from);
      indices(s.to);
    }
    if (s.kind === "if" || s.kind === "while") visit(s.mask);
    if (s.kind === "for" || s.kind === "while") for (const x of s.body) statement(x);
    if (s.kind === "if") for (const x of [...s.yes, ...s.no]) statement(x);
  };
  for (const s of kernel.body) statement(s);
  return uses;
}

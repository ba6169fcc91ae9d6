// Which registers of a kernel hold byte addresses: those that an address is ever assigned to. They are pointers in LLVM,
// where WebAssembly has one kind of 32-bit number for both.

import type { Expr } from "../loops/expr.js";
import type { LoopKernel, Stmt } from "../loops/stmt.js";

export class Addresses {
  readonly #vars = new Set<string>();

  constructor(kernel: LoopKernel) {
    const sets: (Stmt & { kind: "set" })[] = [];
    collectSets(kernel.body, sets);
    for (let before = -1; before !== this.#vars.size; ) {
      before = this.#vars.size;
      for (const { target, value } of sets) if (target.kind === "var" && this.is(value)) this.#vars.add(target.name);
    }
  }

  is(e: Expr): boolean {
    if (e.kind === "address") return true;
    if (e.kind === "var") return this.#vars.has(e.name);
    if (e.kind !== "op" || e.type.kind !== "i32" || e.type.lanes !== 1) return false;
    if (e.op === "add") return e.args.some((a) => this.is(a));
    return e.op === "select" && e.args.slice(1).some((a) => this.is(a));
  }
}

function collectSets(body: readonly Stmt[], into: (Stmt & { kind: "set" })[]): void {
  for (const s of body) {
    if (s.kind === "set") into.push(s);
    else if (s.kind === "for" || s.kind === "while") collectSets(s.body, into);
    else if (s.kind === "if") {
      collectSets(s.yes, into);
      collectSets(s.no, into);
    }
  }
}

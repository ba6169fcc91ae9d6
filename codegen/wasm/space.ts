// A space of iterations (loops/parts.ts) as code that runs one share of it: iterations [size * part / parts, ...) in
// equal shares, entered in the middle of the loops and left when the share is done. The function's first two parameters
// are `part` and `parts`; (0, 1) runs everything.

import { symOf } from "../../compiler/ir/dim.js";
import { Bug } from "../../compiler/ir/errors.js";
import { type Loop, sizeOf, tripsOf } from "../loops/parts.js";
import type { Indices } from "./indices.js";
import type { Scopes } from "./scopes.js";
import { get, type Instruction, i32, set } from "./tree.js";

/** Parameters before the buffers of a function that runs in parts. */
export const PART_PARAMETERS = 2;

const part = get(0, "i32");
const parts = get(1, "i32");

/** Emits the share of a space; `body` emits one iteration. */
export function emitSpace(loops: readonly Loop[], scopes: Scopes, indices: Indices, body: () => void): void {
  const size = sizeOf(loops);
  if (size === 0) return;
  const before = loops.map((l) => ({ v: variable(l), place: scopes.loopVars.get(variable(l)) }));
  const local = (): number => scopes.newLocal("i32");
  const locals = before.map(({ place }) => place?.local ?? local());
  const all = loops.map((loop, i) => ({ loop, local: locals[i] ?? 0 }));
  const moving = all.filter(({ loop }) => tripsOf(loop) !== 1);
  const [share, rest, first, left] = [local(), local(), local(), local()];
  const value = (at: number): Instruction => get(at, "i32");
  scopes.push(set(share, ["i32.div_u", indices.dim(size), parts]));
  scopes.push(set(rest, ["i32.rem_u", indices.dim(size), parts]));
  const larger: Instruction = ["i32.lt_u", part, value(rest)];
  scopes.push(set(first, ["i32.add", ["i32.mul", value(share), part], ["select", larger, part, value(rest)]]));
  scopes.push(set(left, ["i32.add", value(share), larger]));

  const bounds = moving.map(({ loop }) => ({ from: indices.dim(loop.from), to: indices.dim(loop.to) }));
  // Only where something is left: a space without iterations has a size to divide by that is zero.
  const enter = (): void => {
    for (const [k, { loop, local }] of moving.entries()) {
      const inside = sizeOf(moving.slice(k + 1).map((m) => m.loop));
      let at: Instruction = inside === 1 ? value(first) : ["i32.div_u", value(first), indices.dim(inside)];
      if (k > 0) at = ["i32.rem_u", at, indices.dim(tripsOf(loop))];
      scopes.push(set(local, ["i32.add", bounds[k]?.from ?? i32(0), ["i32.mul", at, i32(loop.step)]]));
    }
  };

  const level = (k: number): void => {
    const own = moving[k];
    // The innermost iteration: also of a space that has only one.
    if (own === undefined) {
      body();
      scopes.push(set(left, ["i32.sub", value(left), i32(1)]));
      return;
    }
    const next = moving[k + 1];
    const inner = scopes.inside(
      () => {
        scopes.loopVars.set(variable(own.loop), { local: own.local, depth: scopes.depth });
        level(k + 1);
        if (next !== undefined) scopes.push(set(next.local, bounds[k + 1]?.from ?? i32(0)));
        scopes.push(set(own.local, ["i32.add", value(own.local), i32(own.loop.step)]));
        const more: Instruction = ["i32.ne", value(left), i32(0)];
        const inBounds: Instruction = ["i32.lt_s", value(own.local), bounds[k]?.to ?? i32(0)];
        scopes.push(["continue_if", k === 0 ? more : ["i32.and", more, inBounds]]);
      },
      false,
      false,
    );
    scopes.push(["loop", ...inner]);
  };
  const code = scopes.inside(
    () => {
      for (const { loop, local } of all) {
        if (tripsOf(loop) !== 1) continue;
        scopes.push(set(local, indices.dim(loop.from)));
        scopes.loopVars.set(variable(loop), { local, depth: scopes.depth });
      }
      enter();
      level(0);
    },
    false,
    true,
  );
  scopes.push(["if", ["i32.ne", value(left), i32(0)], ["block", ...code], ["block"]]);
  for (const { v, place } of before) {
    if (place === undefined) scopes.loopVars.delete(v);
    else scopes.loopVars.set(v, place);
  }
}

function variable(loop: Loop): NonNullable<ReturnType<typeof symOf>> {
  const v = symOf(loop.v);
  if (v === undefined) throw new Bug("wasm", `loop over ${String(loop.v)}, which is no variable`);
  return v;
}

// A space of iterations (loops/parts.ts) as code that runs one share of it: part p of n runs iterations [begin(p),
// begin(p + 1)) of the size in equal shares, enters the loops in their middle and leaves them when the share is done. The
// innermost loop counts to a bound of its own, so that LLVM sees a loop like any other.

import { add, type Dim, floordiv, min, mod, mul, range, type Sym, sym, symOf } from "../../compiler/ir/dim.js";
import { Bug } from "../../compiler/ir/errors.js";
import { type Loop, sizeOf, tripsOf } from "../loops/parts.js";
import { type Known, symbolNeed } from "./known.js";
import type { FunctionText } from "./text.js";

/** What a space is written with. */
export interface SpaceContext {
  readonly out: FunctionText;
  readonly known: Known;
  /** Values of loop variables, as i64. */
  readonly loopVars: Map<Sym, string>;
  /** A dimension as i64. */
  dim(d: Dim): string;
}

/** Parameters after the frame of a function that runs in parts. */
export const PART_PARAMETERS: readonly string[] = ["i32 %part", "i32 %parts"];

/** Iterations that are enough to be shared: loops inside keep their constant bounds, which LLVM unrolls and vectorizes by. */
const ENOUGH = 512;

/** The outermost loops of a space that have enough iterations, or all. */
export function sharedLoops(space: readonly Loop[]): readonly Loop[] {
  const enough = space.findIndex((_, i) => range(sizeOf(space.slice(0, i + 1))).lo >= ENOUGH);
  return enough === -1 ? space : space.slice(0, enough + 1);
}

const MOST = 2 ** 20;
const PART = sym("(part)", 0, MOST);
const PARTS = sym("(parts)", 1, MOST);

/** Emits the share of a space; `body` emits one iteration. */
export function emitSpace(loops: readonly Loop[], cx: SpaceContext, body: () => void): void {
  const { out, known, loopVars } = cx;
  const size = sizeOf(loops);
  if (size === 0) return;
  const before = new Map(loopVars);
  loopVars.set(symbolOf(PART), out.value("zext i32 %part to i64"));
  loopVars.set(symbolOf(PARTS), out.value("zext i32 %parts to i64"));
  const begin = (part: Dim): string => cx.dim(add(mul(floordiv(size, PARTS), part), min(part, mod(size, PARTS))));
  const [first, end] = [begin(PART), begin(add(PART, 1))];
  const left = out.slot("i64");
  out.line(`store i64 ${out.value(`sub i64 ${end}, ${first}`)}, ptr ${left}`);
  const at = sym("(first)", 0, range(size).hi);
  // Spaces of one range have one symbol: what the last one computed from its own start holds no more.
  known.forget(symbolNeed("(first)"));
  loopVars.set(symbolOf(at), first);

  const moving = loops.filter((l) => tripsOf(l) !== 1);
  for (const l of loops) if (tripsOf(l) === 1) loopVars.set(symbolOf(l.v), cx.dim(l.from));
  const levels = moving.map((loop, k) => {
    const inside = sizeOf(moving.slice(k + 1));
    const index = k === 0 ? floordiv(at, inside) : mod(floordiv(at, inside), tripsOf(loop));
    const from = cx.dim(loop.from);
    const slot = out.slot("i64");
    out.line(`store i64 ${cx.dim(add(loop.from, mul(index, loop.step)))}, ptr ${slot}`);
    return { loop, from, to: cx.dim(add(loop.from, mul(tripsOf(loop), loop.step))), slot };
  });

  const level = (k: number): void => {
    const own = levels[k];
    // A space of one iteration.
    if (own === undefined) {
      body();
      return;
    }
    const { loop, from, to, slot } = own;
    const isInnermost = k === levels.length - 1;
    const bound = isInnermost ? innermostBound(cx, own, left, k > 0) : to;
    const [again, after] = [out.fresh("loop"), out.fresh("after")];
    out.jump(again);
    out.block(again);
    const now = out.value(`load i64, ptr ${slot}`);
    loopVars.set(symbolOf(loop.v), now);
    if (isInnermost) body();
    else level(k + 1);
    const next = out.value(`add nsw i64 ${now}, ${loop.step}`);
    out.line(`store i64 ${next}, ptr ${slot}`);
    const inBounds = out.value(`icmp slt i64 ${next}, ${bound}`);
    if (isInnermost) out.branch(inBounds, again, after);
    else {
      const more = out.value(`icmp ne i64 ${out.value(`load i64, ptr ${left}`)}, 0`);
      out.branch(out.value(`and i1 ${more}, ${inBounds}`), again, after);
    }
    out.block(after);
    out.line(`store i64 ${from}, ptr ${slot}`);
  };
  const [enter, after] = [out.fresh("share"), out.fresh("after")];
  out.branch(out.value(`icmp ult i64 ${first}, ${end}`), enter, after);
  known.inside(loops.at(-1)?.body ?? [], true, () => {
    out.block(enter);
    level(0);
    out.jump(after);
  });
  out.block(after);
  loopVars.clear();
  for (const [s, text] of before) loopVars.set(s, text);
}

interface Level {
  readonly loop: Loop;
  /** Where the loop ends, a multiple of steps from where it starts. */
  readonly to: string;
  readonly slot: string;
}

/** Where a round of the innermost loop ends: with the loop, or with what is left, which it takes its iterations from. */
function innermostBound(
  { out }: SpaceContext,
  { loop: { step }, to, slot }: Level,
  left: string,
  isNested: boolean,
): string {
  const start = out.value(`load i64, ptr ${slot}`);
  const remaining = out.value(`load i64, ptr ${left}`);
  const last = out.value(`add nsw i64 ${start}, ${out.value(`mul nsw i64 ${remaining}, ${step}`)}`);
  if (!isNested) return last;
  const isShort = out.value(`icmp slt i64 ${last}, ${to}`);
  const bound = out.value(`select i1 ${isShort}, i64 ${last}, i64 ${to}`);
  const taken = out.value(`sdiv exact i64 ${out.value(`sub nsw i64 ${bound}, ${start}`)}, ${step}`);
  out.line(`store i64 ${out.value(`sub nsw i64 ${remaining}, ${taken}`)}, ptr ${left}`);
  return bound;
}

function symbolOf(v: Dim): Sym {
  const s = symOf(v);
  if (s === undefined) throw new Bug("llvm", `loop over ${String(v)}, which is no variable`);
  return s;
}

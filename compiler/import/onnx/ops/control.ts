// If and Loop. A branch that is decided at import is inlined; a loop is one `loop` node, or is unrolled where what it
// carries changes its shape or is a sequence and the number of its iterations is known.

import * as ir from "../../../ir/build.js";
import { type Dim, max, provenEqual } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import { truthOf } from "../../../ir/ints.js";
import { formatType } from "../../../ir/types.js";
import type { NodeContext, Result, Translator, Translators } from "../context.js";
import { type Item, tensorItem } from "../items.js";
import type { GraphProto } from "../proto.js";
import { dependsOnRegion, UnknownInput } from "../session.js";

/** Iterations that are unrolled at most. */
export const MAX_UNROLLED = 256;

function scalarOf(cx: NodeContext, v: Value): Value {
  return ir.reshape(cx.b, v, []);
}

/** Whether a bool is the same for every input; null where data decides. */
function decided(cx: NodeContext, v: Value): boolean | null {
  const known = cx.known(v)?.at(0);
  return known === undefined ? truthOf(v) : known !== 0;
}

export function tensorsOf(cx: NodeContext, items: readonly Item[], what: string): Value[] {
  return items.map((item, i) => {
    if (item.kind === "unknown") throw new UnknownInput();
    return item.kind === "tensor"
      ? item.value
      : cx.fail("unsupported_layout", `${what} ${i} is a ${item.kind}, decided by data`);
  });
}

const ifOp: Translator = (cx) => {
  const { b } = cx;
  const condition = scalarOf(cx, cx.in(0));
  const [yes, no] = [cx.graph("then_branch"), cx.graph("else_branch")];
  const known = decided(cx, condition);
  if (known !== null) return cx.translateGraph(known ? yes : no, cx.scope.subgraph(false), []);
  const [left, right] = [branchOf(cx, yes), branchOf(cx, no)];
  if (left === null && right === null) return cx.malformed("neither of its branches fits the sizes of its inputs");
  if (left === null || right === null) {
    const holds = right === null;
    cx.session.notes.push(
      `${cx.at}: its ${holds ? "else" : "then"} branch does not fit the sizes given; a run that would take it stops with an error`,
    );
    return (left ?? right ?? []).map((v) => assumed(cx, v, holds ? condition : ir.not(b, condition)));
  }
  if (left.length !== right.length) cx.malformed(`branches give ${left.length} and ${right.length} results`);
  const fresh: { readonly output: number; readonly axis: number; readonly symbol: Dim }[] = [];
  const shapes = left.map((v, i) => {
    const w = right[i] ?? v;
    if (v.type.dtype !== w.type.dtype || cx.rank(v) !== cx.rank(w))
      return cx.unknownSize(
        `result ${i} is ${formatType(v.type)} in one branch and ${formatType(w.type)} in the other`,
        "fix the inputs that the condition depends on, so that one branch remains",
      );
    return v.type.shape.map((d, axis) => {
      const e = cx.dim(w, axis);
      if (provenEqual(d, e)) return d;
      const symbol = cx.session.symbol(cx.hint(`${i}.${axis}`), cx.upper(max(d, e), `axis ${axis} of result ${i}`));
      fresh.push({ output: i, axis, symbol });
      return symbol;
    });
  });
  const out = ir.ifElse(b, condition, left, right, shapes);
  for (const f of fresh) {
    const value = out[f.output];
    if (value === undefined) continue;
    if (dependsOnRegion(value)) cx.unknownSize("branches differ in size inside a loop");
    cx.session.bindings.push({ symbol: f.symbol, from: "axis", value, index: f.axis });
  }
  return out;
};

/** A branch's results; null where it cannot run at all for the sizes that the inputs have. */
function branchOf(cx: NodeContext, graph: GraphProto): Value[] | null {
  const before = cx.session.refusals.length;
  const items = cx.translateGraph(graph, cx.scope.subgraph(true), []);
  const found = cx.session.refusals.slice(before);
  if (found.length > 0 && found.every((r) => r.code === "malformed_input")) {
    cx.session.refusals.length = before;
    return null;
  }
  return tensorsOf(cx, items, "result");
}

/** The value, and an index out of range where the condition does not hold. */
function assumed(cx: NodeContext, v: Value, condition: Value): Value {
  const { b } = cx;
  const at = ir.cast(b, ir.not(b, condition), "i64");
  return ir.gather(b, ir.unsqueeze(b, v, [0]), at, 0);
}

interface LoopPlan {
  readonly body: GraphProto;
  readonly trips: Value | null;
  /** Number of iterations, where nothing but the trip count ends the loop. */
  readonly count: Dim | null;
  readonly condition: Value | null;
  readonly carried: readonly Item[];
}

const loopOp: Translator = (cx): Result => {
  const body = cx.graph("body");
  const trips = cx.opt(0);
  const condition = cx.opt(1);
  const carried = Array.from({ length: Math.max(0, body.input.length - 2) }, (_, i) => cx.item(i + 2));
  const always = condition === undefined ? true : decided(cx, scalarOf(cx, condition));
  const found = trips === undefined ? undefined : cx.ints(trips)?.[0];
  const plan: LoopPlan = {
    body,
    trips: trips === undefined ? null : ir.cast(cx.b, scalarOf(cx, trips), "i64"),
    count: always === true && found !== undefined ? max(0, found) : null,
    condition: condition === undefined || always === true ? null : scalarOf(cx, condition),
    carried,
  };
  if (always === false) return zeroTrips(cx, plan) ?? asLoop(cx, plan);
  const unroll = (): Result | null => unrolled(cx, plan);
  if (carried.some((c) => c.kind !== "tensor"))
    return (
      unroll() ??
      cx.fail("unsupported_layout", "carries a sequence, and the number of its iterations is not known at compile time")
    );
  // A body that does not fit a loop is tried unrolled; what the first try refused does not count then.
  const before = cx.session.refusals.length;
  try {
    const out = asLoop(cx, plan);
    if (cx.session.refusals.length === before) return out;
  } catch (e) {
    const kept = cx.session.refusals.splice(before);
    const other = unroll();
    if (other !== null && cx.session.refusals.length === before) return other;
    cx.session.refusals.splice(before, Number.POSITIVE_INFINITY, ...kept);
    throw e;
  }
  const kept = cx.session.refusals.splice(before);
  const other = unroll();
  if (other !== null && cx.session.refusals.length === before) return other;
  cx.session.refusals.splice(before, Number.POSITIVE_INFINITY, ...kept);
  throw new UnknownInput();
};

/** A loop that never runs and scans nothing passes its values on. */
function zeroTrips(cx: NodeContext, plan: LoopPlan): Item[] | null {
  return plan.body.output.length - 1 === plan.carried.length && cx.outputs <= plan.carried.length
    ? [...plan.carried]
    : null;
}

function asLoop(cx: NodeContext, plan: LoopPlan): readonly Value[] {
  const { b, session } = cx;
  const { body } = plan;
  const carried = tensorsOf(cx, plan.carried, "carried value");
  const scans = body.output.length - 1 - carried.length;
  if (scans < 0) cx.malformed(`body gives ${body.output.length} results for ${carried.length} carried values`);
  const iteration = b.param({ dtype: "i64", shape: [] });
  const params = carried.map((v) => b.param(v.type));
  // The body only runs where its condition holds.
  const inputs = [iteration, ir.scalar(b, "bool", true), ...params].map(tensorItem);
  const items = session.inIteration(iteration, () => cx.translateGraph(body, cx.scope.subgraph(true), inputs));
  const results = tensorsOf(cx, items, "result");
  const [next, ...rest] = results;
  if (next === undefined) return cx.malformed("body gives no condition");
  const goOn = scalarOf(cx, next);
  for (const [i, v] of rest.slice(0, carried.length).entries()) {
    const p = params[i];
    if (p !== undefined && (v.type.dtype !== p.type.dtype || cx.rank(v) !== cx.rank(p)))
      cx.unknownSize(`carried value ${i} is ${formatType(p.type)} and becomes ${formatType(v.type)}`);
    for (const [axis, d] of (p?.type.shape ?? []).entries())
      if (!provenEqual(d, v.type.shape[axis] ?? 0))
        cx.unknownSize(
          `carried value ${i} changes its shape: ${formatType(p?.type ?? v.type)} becomes ${formatType(v.type)}`,
        );
  }
  const endless = decided(cx, goOn) === true;
  const exact = endless ? plan.count : null;
  let symbol: Dim | null = null;
  let count: Dim = exact ?? 0;
  if (exact === null && scans > 0) {
    const most = plan.trips === null ? undefined : cx.ints(plan.trips)?.[0];
    const upper = most === undefined ? declaredCount(cx, carried.length, scans) : cx.session.upper(most);
    if (upper === undefined)
      return cx.unknownSize(
        "the number of its iterations depends on data and nothing bounds it",
        "give a bound for sizes that depend on data",
      );
    symbol = session.symbol(cx.hint("count"), Math.max(0, upper));
    count = symbol;
  }
  const trips = plan.trips ?? ir.scalar(b, "i64", Number.MAX_SAFE_INTEGER);
  const region = { params: [iteration, ...params], results: [goOn, ...rest] };
  const start = plan.condition ?? ir.scalar(b, "bool", true);
  const out = b.op("loop", [trips, start, ...carried], { carried: carried.length, count }, [region]);
  const first = out[carried.length];
  if (symbol !== null && first !== undefined) {
    if (dependsOnRegion(first))
      return cx.unknownSize("a loop inside a loop scans a number of values that depends on data");
    session.bindings.push({ symbol, from: "axis", value: first, index: 0 });
  }
  return out;
}

function declaredCount(cx: NodeContext, carried: number, scans: number): number | undefined {
  for (let i = 0; i < scans; i++) {
    const declared = cx.declaredSize(carried + i, 0);
    if (declared !== undefined) return declared;
  }
  return cx.session.bound;
}

/** Each iteration's nodes in a row; null where their number is not known. */
function unrolled(cx: NodeContext, plan: LoopPlan): Item[] | null {
  const { b } = cx;
  if (typeof plan.count !== "number" || plan.count > MAX_UNROLLED) return null;
  let carried: readonly Item[] = plan.carried;
  const scanned: Value[][] = [];
  for (let i = 0; i < plan.count; i++) {
    const iteration = ir.scalar(b, "i64", i);
    const inputs = [tensorItem(iteration), tensorItem(ir.scalar(b, "bool", true)), ...carried];
    const [go, ...rest] = cx.session.inIteration(iteration, () =>
      cx.translateGraph(plan.body, cx.scope.subgraph(false), inputs),
    );
    if (go === undefined) return cx.malformed("body gives no condition");
    const goOn = tensorsOf(cx, [go], "condition")[0];
    carried = rest.slice(0, carried.length);
    for (const [j, v] of tensorsOf(cx, rest.slice(carried.length), "scanned value").entries())
      scanned[j] = [...(scanned[j] ?? []), v];
    const more = goOn === undefined ? null : decided(cx, goOn);
    if (more === null) return null;
    if (!more) break;
  }
  const scans = plan.body.output.length - 1 - plan.carried.length;
  if (scans > 0 && scanned.length < scans) return null;
  const stacked = scanned.map((list) =>
    tensorItem(
      ir.concat(
        b,
        list.map((v) => ir.unsqueeze(b, v, [0])),
        0,
      ),
    ),
  );
  return [...carried, ...stacked];
}

export const controlOps: Translators = { If: ifOp, Loop: loopOp };

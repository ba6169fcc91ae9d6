// Control flow on values that are computed: cond, whileLoop, forLoop, scan. Each user function is recorded as a region.
// What it writes to tensors from outside becomes an extra result of the branch, or an extra carried value of the loop,
// so a loop body is recorded again once it is known what it writes.

import * as ir from "../ir/build.js";
import { type Dim, max, provenEqual, range, sym } from "../ir/dim.js";
import type { Builder, Value } from "../ir/graph.js";
import { formatType } from "../ir/types.js";
import { wrap } from "./handle.js";
import { isTensor } from "./promote.js";
import { sizeScalar } from "./reduction.js";
import { formatShape, record, type Scope, type Session, session } from "./session.js";
import { refuseTrace } from "./site.js";
import type { Storage } from "./storage.js";
import type { Tensor } from "./tensor.js";
import { leavesOf, rebuild, type Tree } from "./tree.js";

/** The range of a count of iterations that only the run knows. */
const MOST_TRIPS = 2 ** 31 - 1;

/** Runs a user function in a scope of its own; afterwards every storage from outside has its value back. */
function inScope<T>(s: Session, name: string, f: () => T): { result: T; written: Map<Storage, Value> } {
  const scope: Scope = { name, written: new Map() };
  s.scopes.push(scope);
  const written = new Map<Storage, Value>();
  try {
    const result = f();
    for (const storage of scope.written.keys()) written.set(storage, storage.value(name, s));
    return { result, written };
  } finally {
    s.scopes.pop();
    for (const [storage, before] of scope.written) storage.reset(before);
  }
}

function valuesOf(tree: unknown, subject: string): Value[] {
  return leavesOf(tree, subject).map((l) => l.tensor.valueFor(subject));
}

function wantScalar(subject: string, what: string, v: Value, dtype: "bool"): Value {
  if (v.type.dtype === dtype && v.type.shape.length === 0) return v;
  return refuseTrace(
    "unsupported_dtype",
    subject,
    `${subject}: ${what} is ${formatType(v.type)}, wants a ${dtype} scalar`,
    "compare for a bool; reduce many with all() or any(); choose per element with where(...)",
  );
}

/** The result of `yes` where the bool scalar holds, else that of `no`. Both give the same dtypes and shapes. */
export function cond<T extends Tree>(condition: Tensor, yes: () => T, no: () => T): T {
  const s = session("cond");
  return record("cond", (b) => {
    const test = wantScalar("cond", "the condition", condition.valueFor("cond"), "bool");
    const branch = (name: string, f: () => T) =>
      inScope(s, name, () => {
        const form = s.userCode(f);
        return { form, values: valuesOf(form, "cond") };
      });
    const [p, q] = [branch("cond", yes), branch("cond", no)];
    const { form, values } = p.result;
    sameResults(values, q.result.values);
    const touched = [...new Set([...p.written.keys(), ...q.written.keys()])];
    const outside = (written: Map<Storage, Value>): Value[] => touched.map((t) => written.get(t) ?? t.value("cond", s));
    const results = ir.ifElse(b, test, [...values, ...outside(p.written)], [...q.result.values, ...outside(q.written)]);
    writeBack(s, "cond", touched, results.slice(values.length));
    return rebuild(
      form,
      results.slice(0, values.length).map((v) => wrap(v)),
    );
  });
}

function sameResults(yes: readonly Value[], no: readonly Value[]): void {
  if (yes.length !== no.length)
    refuseTrace(
      "unsupported_shape",
      "cond",
      `cond: the branches give ${yes.length} and ${no.length} tensors`,
      "give the same from both",
    );
  for (const [i, a] of yes.entries()) {
    const b = no[i] ?? a;
    if (!sameKind(a, b))
      refuseTrace(
        "unsupported_shape",
        "cond",
        `cond: result ${i} is ${formatType(a.type)} in one branch and ${formatType(b.type)} in the other`,
        "give the same dtype and shape from both",
      );
  }
}

function sameKind(a: Value, b: Value): boolean {
  const [p, q] = [a.type, b.type];
  return (
    p.dtype === q.dtype &&
    p.shape.length === q.shape.length &&
    p.shape.every((d, i) => provenEqual(d, q.shape[i] ?? -1))
  );
}

function writeBack(s: Session, subject: string, storages: readonly Storage[], values: readonly Value[]): void {
  for (const [i, storage] of storages.entries()) {
    const value = values[i];
    if (value !== undefined) storage.set(subject, s, value);
  }
}

interface Step {
  readonly carried: Tree;
  readonly stacked?: Tree;
  readonly goOn?: () => Tensor;
}

interface LoopPlan {
  readonly subject: string;
  readonly init: Tree;
  readonly trips: Value | number;
  /** Number of iterations; null where only the run tells. */
  readonly count: Dim | null;
  readonly start?: () => Tensor;
  readonly body: (iteration: Tensor, carried: readonly Tensor[]) => Step;
}

/** Records a body until it is known which outside tensors it writes, then makes the loop. */
function loop(s: Session, b: Builder, plan: LoopPlan): { carried: Tensor[]; stacked: Tensor[] } {
  const { subject } = plan;
  const init = valuesOf(plan.init, subject);
  const start = plan.start?.();
  // Iterations that only the run can count are counted there, by one more carried value.
  const counter = plan.count === null ? [ir.scalar(b, "i64", 0)] : [];
  const count = plan.count ?? sym(s.freshName("trips"), 0, MOST_TRIPS);
  let touched: readonly Storage[] = [];
  for (;;) {
    const before = touched.map((t) => t.value(subject, s));
    let seen: readonly Storage[] = touched;
    const outputs = ir.loop(b, {
      trips: plan.trips,
      ...(start === undefined
        ? {}
        : { condition: wantScalar(subject, "the condition", start.valueFor(subject), "bool") }),
      carried: [...init, ...before, ...counter],
      count,
      body: (iteration, params) => {
        const { result, written } = inScope(s, subject, () => {
          for (const [i, t] of touched.entries()) {
            const param = params[init.length + i];
            if (param !== undefined) t.set(subject, s, param);
          }
          const step = plan.body(
            wrap(iteration),
            params.slice(0, init.length).map((v) => wrap(v)),
          );
          const next = valuesOf(step.carried, subject);
          sameCarried(subject, init, next);
          const scanned = step.stacked === undefined ? [] : valuesOf(step.stacked, subject);
          const go = step.goOn?.();
          const test =
            go === undefined ? undefined : wantScalar(subject, "the condition", go.valueFor(subject), "bool");
          return { next, scanned, test };
        });
        seen = [...written.keys()];
        return {
          ...(result.test === undefined ? {} : { condition: result.test }),
          carried: [
            ...result.next,
            ...touched.map((t) => written.get(t) ?? t.value(subject, s)),
            ...params.slice(init.length + touched.length).map((n) => ir.add(b, n, 1)),
          ],
          scanned: result.scanned,
        };
      },
    });
    if (seen.length > touched.length) {
      touched = seen;
      continue;
    }
    const [n, m] = [init.length, init.length + touched.length];
    const counted = outputs[m];
    if (counter.length > 0 && counted !== undefined)
      s.bindings.push({ symbol: count, from: "element", value: counted, index: 0 });
    writeBack(s, subject, touched, outputs.slice(n, m));
    return {
      carried: outputs.slice(0, n).map((v) => wrap(v)),
      stacked: outputs.slice(m + counter.length).map((v) => wrap(v)),
    };
  }
}

function sameCarried(subject: string, init: readonly Value[], next: readonly Value[]): void {
  if (init.length !== next.length)
    refuseTrace(
      "unsupported_shape",
      subject,
      `${subject}: the body takes ${init.length} tensors and gives ${next.length}`,
      "give as many as init has",
    );
  for (const [i, a] of init.entries()) {
    const b = next[i] ?? a;
    if (!sameKind(a, b))
      refuseTrace(
        "unsupported_shape",
        subject,
        `${subject}: carried tensor ${i} begins as ${formatType(a.type)} and becomes ${formatType(b.type)}`,
        "keep dtype and shape from one iteration to the next",
      );
  }
}

/** While `test` of the carried tensors holds, they become what `body` gives for them. */
export function whileLoop<T extends Tree>(
  test: (carried: T) => Tensor,
  body: (carried: T) => T,
  init: T,
  { maxTrips = MOST_TRIPS }: { readonly maxTrips?: number } = {},
): T {
  const s = session("whileLoop");
  return record("whileLoop", (b) => {
    const check = (carried: T): Tensor => {
      const { result, written } = inScope(s, "whileLoop", () =>
        valuesOf(
          s.userCode(() => test(carried)),
          "whileLoop",
        ),
      );
      const [value] = result;
      if (written.size > 0 || value === undefined)
        return refuseTrace(
          "unsupported_op",
          "whileLoop",
          "whileLoop: the condition writes to a tensor",
          "write in the body",
        );
      return wrap(value);
    };
    const { carried } = loop(s, b, {
      subject: "whileLoop",
      init,
      trips: Math.min(maxTrips, MOST_TRIPS),
      count: null,
      start: () => check(init),
      body: (_, params) => {
        const next = s.userCode(() => body(rebuild(init, params)));
        return { carried: next, goOn: () => check(next) };
      },
    });
    return rebuild(init, carried);
  });
}

/** `n` times, the carried tensors become what `body` gives for them and the iteration's index (an i64 scalar). */
export function forLoop<T extends Tree>(n: Dim | Tensor, body: (i: Tensor, carried: T) => T, init: T): T {
  const s = session("forLoop");
  return record("forLoop", (b) => {
    const trips = isTensor(n) ? ir.cast(b, n.valueFor("forLoop"), "i64") : sizeScalar(b, n, "i64");
    const { carried } = loop(s, b, {
      subject: "forLoop",
      init,
      trips,
      count: isTensor(n) ? null : n,
      body: (i, params) => ({ carried: s.userCode(() => body(i, rebuild(init, params))) }),
    });
    return rebuild(init, carried);
  });
}

/**
 * Goes over axis 0 of the tensors in `xs`: `body` takes the carried tensors and one row of each, and gives the next
 * carried tensors and a row of output. Gives the last carried tensors and the rows stacked.
 */
export function scan<C extends Tree, X extends Tree, Y extends Tree>(
  body: (carried: C, x: X) => readonly [C, Y],
  init: C,
  xs: X,
): readonly [C, Y] {
  const s = session("scan");
  return record("scan", (b) => {
    const rows = leavesOf(xs, "scan").map((l) => l.tensor);
    const length = rows[0]?.shape[0];
    if (length === undefined || rows.some((t) => t.rank === 0 || !provenEqual(t.shape[0] ?? -1, length)))
      return refuseTrace(
        "unsupported_shape",
        "scan",
        `scan: over tensors of shapes ${rows.map((t) => formatShape(t.shape)).join(", ")}`,
        "give tensors with the same size of axis 0",
      );
    let form: Y | null = null;
    const { carried, stacked } = loop(s, b, {
      subject: "scan",
      init,
      trips: sizeScalar(b, length, "i64"),
      count: range(length).lo >= 0 ? length : max(0, length),
      body: (i, params) => {
        const row = rebuild(
          xs,
          rows.map((t) => wrap(ir.gather(b, t.value, i.value, 0))),
        );
        const [next, y] = s.userCode(() => body(rebuild(init, params), row));
        form = y;
        return { carried: next, stacked: y };
      },
    });
    if (form === null) throw new RangeError("scan: the body was not recorded");
    return [rebuild(init, carried), rebuild(form, stacked)] as const;
  });
}

// rows: reductions over the same trailing axes and the maps between them, one row at a time, so that a row is read from
// memory once and stays in cache: softmax, layer normalization, and whatever else has this form. Reductions that do not
// wait for each other share one pass over the row. Expensive elements that several passes need go to a scratch row.

import { add, type Dim, floordiv, indexVar, mul, range } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp, type Node, type NodeOf, type Value } from "../../../compiler/ir/graph.js";
import { sameShape } from "../../../compiler/ir/types.js";
import { stageElements } from "../../../compiler/schedule/stages.js";
import { costOf } from "../../../compiler/schedule/uses.js";
import { ravel, unravel } from "../../../compiler/schedule/views.js";
import { type Expr, type ExprPool, reindex } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, LANES, parallelLoop, stored, symbolOf, vectorLoops } from "../nest.js";
import { partialForm, partialLoops } from "../partials.js";
import { accumulator, combine, fromAccumulator, initialOf, toAccumulator } from "../reduction.js";
import { Running } from "../running.js";
import { type StageArea, stagesOf } from "../stages.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";

type Reduce = NodeOf<"reduce"> & Node;

export function lowerRows(frame: Frame): Stmt[] {
  const { kernel, output, buffer } = frame;
  const { anchor } = kernel;
  const x = anchor.inputs[0];
  if (!isOp(anchor, "reduce") || x === undefined) throw new Bug("loops", "rows without a reduction");
  const full = x.type.shape;
  const count = mul(1, ...full.slice(0, full.length - anchor.attrs.axes.length));
  const row = indexVar("row", count);
  const { shape } = output.type;
  const index = (flat: Dim): Dim => (sameShape(shape, full) ? flat : ravel(unravel(row, shape), shape));
  const target = { value: output, buffer: buffer(output), index };
  return [parallelLoop(row, count, rowPasses(frame, { anchor, nodes: kernel.nodes, row, kept: 0, target }))];
}

/** One row's reductions and maps. */
export interface RowSpec {
  /** The reduction that gives shape and axes. */
  readonly anchor: Reduce;
  readonly nodes: readonly Node[];
  /** Number of the row. */
  readonly row: Dim;
  /** First element of scratch that the passes may use: rows of values that they keep. */
  readonly kept: Dim;
  /** What the passes compute and where it goes: one value for the row, or one for each column, `flat` being its offset. */
  readonly target: { readonly value: Value; readonly buffer: number; index(flat: Dim, column: Dim): Dim };
}

/** The passes over one row, in order. */
export function rowPasses(frame: Frame, { anchor, nodes, row, kept, target }: RowSpec): Stmt[] {
  const { pool, reader } = frame;
  const full = anchor.inputs[0]?.type.shape ?? [];
  const width = mul(1, ...anchor.attrs.axes.map((axis) => full[axis] ?? 1));
  const column = indexVar("column", width);
  const flat = add(mul(row, width), column);
  const position = unravel(flat, full);
  const reduces = nodes.filter((n): n is Reduce => isOp(n, "reduce") && isInGroup(n, anchor, full));
  const levels = levelsOf(nodes, reduces);
  const spills = chooseSpills(nodes, reduces, levels, full, target.value);
  const spillDone = new Set<Value>();
  const area = { buffer: frame.scratch, first: kept, elements: stageElements(nodes) };
  const spillAt = (slot: number): Dim => add(kept, area.elements, mul(slot, width), column);
  const body: Stmt[] = [];

  const spillStores = (level: number): (Stmt & { kind: "store" })[] => {
    const stores: (Stmt & { kind: "store" })[] = [];
    for (const [slot, spill] of spills.entries()) {
      if (spillDone.has(spill.value) || spill.level !== level) continue;
      const { dtype } = spill.value.type;
      const value = stored(pool, dtype, reader.at(spill.value, position));
      stores.push({ kind: "store", buffer: frame.scratch, dtype, index: spillAt(slot), value });
    }
    return stores;
  };
  const holdSpills = (level: number): void => {
    for (const [slot, spill] of spills.entries()) {
      if (spill.level !== level) continue;
      spillDone.add(spill.value);
      const { dtype } = spill.value.type;
      reader.held.set(spill.value, () => pool.load(frame.scratch, dtype, { kind: "f32", lanes: 1 }, spillAt(slot)));
    }
    reader.reset();
  };

  const top = Math.max(0, ...levels.values());
  for (let level = 1; level <= top; level++) {
    const now = reduces.filter((r) => levels.get(r) === level);
    const stores = spillStores(level);
    // Sums of short rows run in vectors of four, whatever the target has: what is expensive fills its vectors first.
    const isApart = stores.length > 0 && range(width).hi >= pool.vectorLanes && isNarrow(pool, width);
    if (isApart) {
      body.push(...columns(frame, column, width, stores));
      holdSpills(level);
    }
    body.push(...reducePass(frame, area, now, position, column, width, isApart ? [] : stores));
    for (const r of now) {
      const result = r.outputs[0];
      if (result === undefined) continue;
      const { dtype } = result.type;
      const total = pool.variable(accumulator(dtype), `total${r.id}`, true);
      const value = fromAccumulator(pool, dtype, total);
      reader.held.set(result, () => value);
    }
    if (!isApart) holdSpills(level);
  }
  const { value: result, buffer } = target;
  const { dtype, shape } = result.type;
  const isFull = sameShape(shape, full);
  const value = stored(pool, dtype, reader.at(result, isFull ? position : unravel(row, shape)));
  const store = { kind: "store", buffer, dtype, index: target.index(flat, column), value } as const;
  return [...body, ...(isFull ? columns(frame, column, width, [store]) : [store])];
}

/** Whether sums over the row take less than the target's vectors. */
function isNarrow(pool: ExprPool, width: Dim): boolean {
  return partialForm(pool, width, ["sum"]).lanes < pool.vectorLanes;
}

function isInGroup(n: Reduce, anchor: Reduce, full: readonly Dim[]): boolean {
  const from = n.inputs[0];
  return (
    from !== undefined &&
    sameShape(from.type.shape, full) &&
    n.attrs.axes.length === anchor.attrs.axes.length &&
    n.attrs.axes.every((a) => anchor.attrs.axes.includes(a))
  );
}

/** For each reduction, the pass in which it runs: after those that its operand depends on. */
function levelsOf(nodes: readonly Node[], reduces: readonly Reduce[]): Map<Node, number> {
  const level = new Map<Node, number>();
  for (const node of nodes) {
    const before = Math.max(0, ...node.inputs.map((v) => level.get(v.node) ?? 0));
    level.set(node, reduces.some((r) => r === node) ? before + 1 : before);
  }
  return level;
}

interface Spill {
  readonly value: Value;
  /** The pass that computes it first. */
  readonly level: number;
}

/** Values over the row that are expensive and needed by more than one pass. */
function chooseSpills(
  nodes: readonly Node[],
  reduces: readonly Reduce[],
  levels: ReadonlyMap<Node, number>,
  full: readonly Dim[],
  output: Value,
): Spill[] {
  const final = Math.max(0, ...reduces.map((r) => levels.get(r) ?? 0)) + 1;
  const passes = new Map<Value, Set<number>>();
  const need = (v: Value, pass: number): void => {
    const seen = passes.get(v) ?? new Set<number>();
    if (seen.has(pass)) return;
    seen.add(pass);
    passes.set(v, seen);
    if (!nodes.includes(v.node) || reduces.some((r) => r === v.node)) return;
    for (const i of v.node.inputs) need(i, pass);
  };
  for (const r of reduces) for (const v of r.inputs) need(v, levels.get(r) ?? 1);
  need(output, final);
  const spills: Spill[] = [];
  const covered = new Set<Value>();
  for (const node of nodes.toReversed()) {
    const v = node.outputs[0];
    if (v === undefined || v.type.dtype !== "f32" || !sameShape(v.type.shape, full) || covered.has(v)) continue;
    const own = passes.get(v);
    if (own === undefined || own.size < 2 || costOf(node) < 4 || v === output || spills.length >= 8) continue;
    const first = Math.min(...own);
    spills.push({ value: v, level: first });
    // What only feeds this value need not be kept as well.
    const cover = (x: Value): void => {
      if (covered.has(x)) return;
      covered.add(x);
      for (const i of x.node.inputs) cover(i);
    };
    for (const i of node.inputs) cover(i);
  }
  return spills;
}

/** One loop over the row with vector and scalar parts for a list of stores. */
function columns(frame: Frame, column: Dim, width: Dim, stores: readonly (Stmt & { kind: "store" })[]): Stmt[] {
  const vector = (lanes: number): Stmt[] | null => vectorStores(frame, column, lanes, stores);
  return vectorLoops(frame.pool, column, width, vector, stores, false);
}

function vectorStores(
  frame: Frame,
  column: Dim,
  lanes: number,
  stores: readonly (Stmt & { kind: "store" })[],
): (Stmt & { kind: "store" })[] | null {
  const vectorizer = new Vectorizer(frame.pool, symbolOf(column), lanes);
  const out: (Stmt & { kind: "store" })[] = [];
  for (const s of stores) {
    const value = bytesOf(s.dtype) > 4 ? null : vectorizer.vector(s.value);
    if (value === null) return null;
    out.push({ ...s, value });
  }
  return out;
}

interface VectorStep {
  /** The operand of each reduction. */
  readonly elements: readonly Expr[];
  readonly stores: readonly (Stmt & { kind: "store" })[];
}

function withoutNull(elements: readonly (Expr | null)[], stores: VectorStep["stores"]): VectorStep | null {
  const all = elements.filter((e) => e !== null);
  return all.length < elements.length ? null : { elements: all, stores };
}

/** One pass over a row that computes several reductions and fills scratch rows. */
function reducePass(
  frame: Frame,
  area: StageArea,
  now: readonly Reduce[],
  position: readonly Dim[],
  column: Dim,
  width: Dim,
  stores: readonly (Stmt & { kind: "store" })[],
): Stmt[] {
  const { pool, reader } = frame;
  const form = partialForm(
    pool,
    width,
    now.map((r) => r.attrs.kind),
  );
  const parts = now.map((r) => {
    const x = r.inputs[0];
    if (x === undefined) throw new Bug("loops", "a reduction without an operand");
    const { dtype } = x.type;
    const type = accumulator(dtype);
    return {
      kind: r.attrs.kind,
      dtype,
      element: toAccumulator(pool, dtype, reader.at(x, position)),
      acc: pool.variable(type, `acc${r.id}`),
      running: new Running(pool, r.attrs.kind, dtype, String(r.id), form),
      total: pool.variable(type, `total${r.id}`, true),
      initial: initialOf(r.attrs.kind, dtype),
    };
  });
  /** What one step over so many elements reads and stores; null without a vector form. */
  const vectorStep = (lanes: number): VectorStep | null => {
    const vectorizer = new Vectorizer(pool, symbolOf(column), lanes);
    const elements = parts.map((p) => vectorizer.vector(p.element));
    const own = vectorStores(frame, column, lanes, stores);
    return own === null ? null : withoutNull(elements, own);
  };
  const [wide, narrow] = [vectorStep(form.lanes), vectorStep(LANES)];
  const scalarSteps: Stmt[] = [
    ...stores,
    ...parts.map(
      (p): Stmt => ({ kind: "set", target: p.acc, value: combine(pool, p.kind, p.dtype, p.acc, p.element) }),
    ),
  ];
  const finish = parts.map((p): Stmt => ({ kind: "set", target: p.total, value: p.acc }));
  if (range(width).hi < LANES || wide === null || narrow === null)
    return [
      ...parts.map((p): Stmt => ({ kind: "set", target: p.acc, value: pool.constant(p.acc.type, p.initial) })),
      forLoop(column, width, scalarSteps),
      ...finish,
    ];
  const main = mul(floordiv(width, LANES), LANES);
  const all = parts.flatMap((p) => p.running.partials);
  const stages = stagesOf(pool, area, symbolOf(column), width, [...wide.stores.map((s) => s.value), ...wide.elements]);
  const step = (register: number | "first", _: number, later: (d: Dim) => Dim): Stmt[] => {
    const [own, staged] = register === "first" ? [narrow, null] : [wide, stages];
    const roots = staged?.roots ?? [...own.stores.map((s) => s.value), ...own.elements];
    // What is read may lie in memory that the stores write: what is stored and reduced as well is computed once, to a register.
    const registers = new Map<Expr, Expr>();
    const computed: Stmt[] = [];
    if (own.stores.length > 0)
      for (const [i, root] of roots.entries()) {
        if (registers.has(root)) continue;
        const target = pool.variable(root.type, `root${now[0]?.id}_${register}_${i}`);
        registers.set(root, target);
        computed.push({ kind: "set", target, value: reindex(pool, root, later) });
      }
    const values = roots.map((root) => registers.get(root) ?? reindex(pool, root, later));
    return [
      ...computed,
      ...own.stores.map((st, i): Stmt => ({ ...st, index: later(st.index), value: values[i] ?? st.value })),
      ...parts.flatMap((p, i): Stmt[] => {
        const element = values[own.stores.length + i];
        return element === undefined ? [] : p.running.step(register, element);
      }),
    ];
  };
  const loops = partialLoops(column, main, form, all, step, stages);
  const out: Stmt[] = [
    ...parts.flatMap((p) => p.running.clear()),
    ...loops,
    ...parts.map((p): Stmt => ({ kind: "set", target: p.acc, value: p.running.total() })),
  ];
  if (main !== width) out.push({ kind: "for", v: column, from: main, to: width, step: 1, body: scalarSteps });
  return [...out, ...finish];
}

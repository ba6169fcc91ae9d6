// Symbolic values of small integer tensors: a value goes in, its elements as dimensions come out where they are known
// at compile time. Importers read shape arithmetic with it, and folding replaces what it knows. Elements that are not
// known are null, so that one unknown element does not hide the others. Memoized per value, and without recursion.

import { type Dim, DimOverflowError } from "./dim.js";
import type { DType } from "./dtype.js";
import { isInteger } from "./dtype.js";
import type { Node, NodeOf, Value } from "./graph.js";
import { castElem, type Elem, fits, isDim, ratioOf, scalarElem, selectElem } from "./ints-scalar.js";
import { isScalarName } from "./ops/scalar.js";
import { stridesOf } from "./ops/strided.js";
import type { OpName } from "./ops.js";
import { sizeOf } from "./tensor.js";
import { staticShape } from "./types.js";

/** Larger tensors are not followed. */
const MOST = 4096;

/** All elements of an integer value in row-major order, or null where one of them is not known. */
export function intsOf(v: Value): readonly Dim[] | null {
  if (!isInteger(v.type.dtype)) return null;
  const elems = elemsOf(v);
  return elems?.every(isDim) === true ? elems : null;
}

/** Elements of an integer value, null where one is not known; null where none can be. */
export function partialIntsOf(v: Value): readonly (Dim | null)[] | null {
  if (!isInteger(v.type.dtype)) return null;
  const elems = elemsOf(v);
  return elems === null ? null : elems.map((e) => (isDim(e) ? e : null));
}

/** The one element of an integer value of size 1. */
export function intOf(v: Value): Dim | null {
  const all = intsOf(v);
  return all?.length === 1 ? (all[0] ?? null) : null;
}

/** The truth of a bool value of size 1, where it is the same in every run. */
export function truthOf(v: Value): boolean | null {
  if (v.type.dtype !== "bool") return null;
  const elems = elemsOf(v);
  const [only] = elems ?? [];
  return elems?.length === 1 && typeof only === "number" ? only !== 0 : null;
}

const memo = new WeakMap<Node, readonly Elem[] | null>();

function followed(dtype: DType): boolean {
  return isInteger(dtype) || dtype === "bool" || dtype === "f32" || dtype === "f64";
}

/** The static shape of a value small enough to follow. */
function shapeOf(v: Value): readonly number[] | null {
  if (!followed(v.type.dtype)) return null;
  const shape = staticShape(v.type.shape);
  return shape !== null && sizeOf(shape) <= MOST ? shape : null;
}

function elemsOf(v: Value): readonly Elem[] | null {
  const known = memo.get(v.node);
  if (known !== undefined) return v.index === 0 ? known : null;
  const stack: Node[] = [v.node];
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    if (memo.has(node)) {
      stack.pop();
      continue;
    }
    const [out] = node.outputs;
    const follow = out !== undefined && shapeOf(out) !== null && follows(node);
    const missing = follow ? node.inputs.filter((x) => shapeOf(x) !== null && !memo.has(x.node)) : [];
    if (missing.length > 0) {
      for (const x of missing) stack.push(x.node);
      continue;
    }
    memo.set(node, follow ? attempt(() => compute(node)) : null);
    stack.pop();
  }
  return v.index === 0 ? (memo.get(v.node) ?? null) : null;
}

function attempt(f: () => readonly Elem[] | null): readonly Elem[] | null {
  try {
    return f();
  } catch (e) {
    if (e instanceof DimOverflowError) return null;
    throw e;
  }
}

const STRUCTURAL: ReadonlySet<OpName> = new Set([
  "const",
  "dims",
  "iota",
  "cast",
  "select",
  "reshape",
  "transpose",
  "broadcast",
  "slice",
  "pad",
  "concat",
  "gather",
  "take",
  "scatter",
  "reduce",
  "cumulate",
]);

function follows(node: Node): boolean {
  return STRUCTURAL.has(node.op) || isScalarName(node.op);
}

/** Known elements and sizes of a node's i-th input. */
interface Operand {
  readonly shape: readonly number[];
  readonly elems: readonly Elem[];
}

function operand(node: Node, i: number): Operand | null {
  const v = node.inputs[i];
  const shape = v === undefined ? null : shapeOf(v);
  const elems = v === undefined || v.index !== 0 ? null : (memo.get(v.node) ?? null);
  return shape === null || elems === null ? null : { shape, elems };
}

/** Operands for elementwise ops: one that cannot be followed is all unknown. */
function operandOrUnknown(node: Node, i: number): Operand {
  return operand(node, i) ?? { shape: [], elems: [null] };
}

/** For each position of `shape` in row-major order. */
function positions(shape: readonly number[]): number[][] {
  let all: number[][] = [[]];
  for (const size of shape) all = all.flatMap((p) => Array.from({ length: size }, (_, i) => [...p, i]));
  return all;
}

function at(x: Operand, position: readonly number[]): Elem {
  const strides = stridesOf(x.shape);
  let offset = 0;
  for (const [i, p] of position.entries()) offset += p * (strides[i] ?? 0);
  return x.elems[offset] ?? null;
}

/** Element for an output position under NumPy broadcasting. */
function broadcastAt(x: Operand, position: readonly number[]): Elem {
  const skip = position.length - x.shape.length;
  return at(
    x,
    x.shape.map((size, i) => (size === 1 ? 0 : (position[i + skip] ?? 0))),
  );
}

function compute(node: Node): readonly Elem[] | null {
  const [out] = node.outputs;
  const shape = out === undefined ? null : shapeOf(out);
  if (out === undefined || shape === null) return null;
  const elems = elementsOf(node, shape);
  return elems?.length === sizeOf(shape) ? elems : null;
}

function elementsOf(node: Node, shape: readonly number[]): readonly Elem[] | null {
  switch (node.op) {
    case "const":
      return constElems(node);
    case "dims":
      return node.attrs.of;
    case "iota": {
      const { axis, dtype } = node.attrs;
      return positions(shape).map((p) => indexElem(dtype, p[axis] ?? 0));
    }
    case "cast": {
      const from = node.inputs[0]?.type.dtype;
      const { to } = node.attrs;
      return from === undefined ? null : (operand(node, 0)?.elems.map((e) => castElem(from, to, e)) ?? null);
    }
    case "select": {
      const [c, x, y] = [0, 1, 2].map((i) => operandOrUnknown(node, i));
      if (c === undefined || x === undefined || y === undefined) return null;
      return positions(shape).map((p) => selectElem(broadcastAt(c, p), broadcastAt(x, p), broadcastAt(y, p)));
    }
    case "reduce":
    case "cumulate":
      return foldElems(node, shape);
    default:
      break;
  }
  if (!isScalarName(node.op)) return moveElems(node, shape);
  const dtype = node.inputs[0]?.type.dtype;
  const args = node.inputs.map((_, i) => operandOrUnknown(node, i));
  if (dtype === undefined) return null;
  return positions(shape).map((p) =>
    scalarElem(
      node.op,
      dtype,
      args.map((x) => broadcastAt(x, p)),
    ),
  );
}

function indexElem(dtype: DType, i: number): Elem {
  return isInteger(dtype) ? fits(dtype, i) : dtype === "f32" || dtype === "f64" ? ratioOf(i) : null;
}

function constElems({ attrs: { value } }: NodeOf<"const">): readonly Elem[] {
  const float = value.dtype === "f32" || value.dtype === "f64";
  return value.numbers().map((x) => (float ? ratioOf(x) : Number.isSafeInteger(x) ? x : null));
}

/** Ops whose elements are input elements. */
function moveElems(node: Node, shape: readonly number[]): readonly Elem[] | null {
  const x = operand(node, 0);
  if (node.op === "concat") {
    const parts = node.inputs.map((v, i) => operand(node, i) ?? unknownOf(v));
    return concatElems(parts, node.attrs.axis, shape);
  }
  if (x === null) return null;
  switch (node.op) {
    case "reshape":
      return x.elems;
    case "transpose": {
      const { perm } = node.attrs;
      return positions(shape).map((p) => {
        const from = new Array<number>(p.length).fill(0);
        for (const [i, axis] of perm.entries()) from[axis] = p[i] ?? 0;
        return at(x, from);
      });
    }
    case "broadcast":
      return positions(shape).map((p) => broadcastAt(x, p));
    case "slice": {
      const { starts, steps } = node.attrs;
      const first = staticShape(starts);
      if (first === null) return null;
      return positions(shape).map((p) =>
        at(
          x,
          p.map((i, axis) => (first[axis] ?? 0) + i * (steps[axis] ?? 1)),
        ),
      );
    }
    case "pad":
      return padElems(node, x, shape);
    case "gather":
      return gatherElems(node, x, shape);
    case "take":
      return operand(node, 1)?.elems.map((i) => (typeof i === "number" ? (x.elems[i] ?? null) : null)) ?? null;
    case "scatter": {
      const to = operand(node, 1);
      const updates = operand(node, 2);
      if (node.attrs.mode !== "set" || to === null || updates === null) return null;
      const elems = [...x.elems];
      for (const [i, index] of to.elems.entries()) {
        if (typeof index !== "number" || index < 0 || index >= elems.length) return null;
        elems[index] = updates.elems[i] ?? null;
      }
      return elems;
    }
    default:
      return null;
  }
}

function unknownOf(v: Value): Operand {
  const shape = staticShape(v.type.shape) ?? [];
  return { shape, elems: new Array<Elem>(sizeOf(shape)).fill(null) };
}

function concatElems(parts: readonly Operand[], axis: number, shape: readonly number[]): readonly Elem[] {
  return positions(shape).map((p) => {
    let i = p[axis] ?? 0;
    for (const part of parts) {
      const size = part.shape[axis] ?? 0;
      if (i < size) return at(part, p.with(axis, i));
      i -= size;
    }
    return null;
  });
}

function padElems(node: NodeOf<"pad">, x: Operand, shape: readonly number[]): readonly Elem[] | null {
  const low = staticShape(node.attrs.low);
  const fill = node.inputs[1] === undefined ? null : (memo.get(node.inputs[1].node)?.[0] ?? null);
  if (low === null) return null;
  return positions(shape).map((p) => {
    const from: number[] = [];
    for (const [axis, i] of p.entries()) {
      const pitch = (node.attrs.interior[axis] ?? 0) + 1;
      const inside = i - (low[axis] ?? 0);
      if (inside < 0 || inside % pitch !== 0 || inside / pitch >= (x.shape[axis] ?? 0)) return fill;
      from.push(inside / pitch);
    }
    return at(x, from);
  });
}

function gatherElems(node: NodeOf<"gather">, x: Operand, shape: readonly number[]): readonly Elem[] | null {
  const indices = operand(node, 1);
  if (indices === null) return null;
  const { axis } = node.attrs;
  const rank = indices.shape.length;
  return positions(shape).map((p) => {
    const i = at(indices, p.slice(axis, axis + rank));
    if (typeof i !== "number" || i < 0 || i >= (x.shape[axis] ?? 0)) return null;
    return at(x, [...p.slice(0, axis), i, ...p.slice(axis + rank)]);
  });
}

const COMBINE = { sum: "add", prod: "mul", max: "max", min: "min" } as const;

function foldElems(node: NodeOf<"reduce"> | NodeOf<"cumulate">, shape: readonly number[]): readonly Elem[] | null {
  const x = operand(node, 0);
  const dtype = node.inputs[0]?.type.dtype;
  if (x === null || dtype === undefined || !isInteger(dtype)) return null;
  const op = COMBINE[node.attrs.kind];
  const combine = (acc: Elem | undefined, e: Elem): Elem => (acc === undefined ? e : scalarElem(op, dtype, [acc, e]));
  if (node.op === "cumulate") {
    if (node.attrs.exclusive || node.attrs.reverse) return null;
    const { axis } = node.attrs;
    const done = new Map<string, Elem>();
    return positions(shape).map((p) => {
      const lane = p.with(axis, 0).join();
      const next = combine(done.get(lane), at(x, p));
      done.set(lane, next);
      return next;
    });
  }
  const { axes, keep, kind } = node.attrs;
  const sums = new Map<string, Elem>();
  for (const p of positions(x.shape)) {
    const to = keep ? p.map((i, axis) => (axes.includes(axis) ? 0 : i)) : p.filter((_, axis) => !axes.includes(axis));
    sums.set(to.join(), combine(sums.get(to.join()), at(x, p)));
  }
  const empty: Elem = kind === "sum" ? 0 : kind === "prod" ? 1 : null;
  return positions(shape).map((p) => sums.get(p.join()) ?? (sums.has(p.join()) ? null : empty));
}

// Products with dequantized constants keep the constants in their bits: matmul(x, (q - zero) * scale), as a model spells
// weights of 4 or 8 bits, becomes a blockMatmul where the target takes it, with the same bits in every weight. Scales
// and zeros may lie behind any views (a block's scale repeated, a weight transposed): what is asked is where the element
// at (k, n) lies in its constant.

import { type Dim, evaluate, indexVar, linearIn, symOf } from "../ir/dim.js";
import { DTYPES, type DType, isFloat, isInteger } from "../ir/dtype.js";
import { type Builder, constantOf, type Node, type Value } from "../ir/graph.js";
import { broadcastPosition, type Position, ravel, throughView } from "../ir/positions.js";
import { rewrite, ruleFor } from "../ir/rewrite.js";
import { allocate, Tensor, tensorOf } from "../ir/tensor.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

/** A value at a position, both behind views. */
interface Place {
  readonly v: Value;
  readonly position: Position;
}

function behindViews(v: Value, position: Position): Place {
  let at: Place = { v, position };
  for (let next = throughView(v, position); next !== null; next = throughView(at.v, at.position))
    at = { v: next.source, position: next.position };
  return at;
}

function operand({ v, position }: Place, i: number): Place {
  const x = inputOf(v.node, i);
  return behindViews(x, broadcastPosition(position, x.type.shape));
}

/** Types that hold every integer of at most 8 bits. */
const WIDE: ReadonlySet<DType> = new Set(["f32", "f64", "i16", "i32", "i64"]);
/** Types that hold every f16 and bf16, and what is rounded to f32 in the end. */
const REAL: ReadonlySet<DType> = new Set(["f32", "f64"]);

/** Behind conversions to these types. */
function behindCasts(at: Place, to: ReadonlySet<DType>): Place {
  let inner = at;
  while (inner.v.node.op === "cast" && to.has(inner.v.type.dtype)) inner = operand(inner, 0);
  return inner;
}

/** Where the element at (k, n) of a constant lies: start[k] + n * step. */
interface Elements {
  readonly tensor: Tensor;
  readonly start: Int32Array;
  readonly step: number;
}

const K = "?k";
const N = "?n";

/** null: no constant, or its elements lie otherwise. */
function elementsAt({ v, position }: Place, k: number, n: Dim): Elements | null {
  const tensor = constantOf(v);
  const column = symOf(n);
  if (tensor === undefined) return null;
  const offset = ravel(position, v.type.shape);
  const linear = column === undefined ? { coeff: 0, rest: offset } : linearIn(offset, column);
  if (linear === null || typeof linear.coeff !== "number") return null;
  const { coeff, rest } = linear;
  const start = Int32Array.from({ length: k }, (_, i) => evaluate(rest, (name) => (name === K ? i : 0)));
  return { tensor, start, step: coeff };
}

interface Dequantized {
  readonly q: Elements;
  readonly scale: Elements;
  /** null: nothing is subtracted. */
  readonly zero: Elements | null;
}

function isSmall(dtype: DType): boolean {
  return isInteger(dtype) && DTYPES[dtype].bits <= 8;
}

/** Integers of at most 8 bits, less a zero: q or q - zero. */
function shifted(at: Place, k: number, n: Dim): Pick<Dequantized, "q" | "zero"> | null {
  const inner = behindCasts(at, WIDE);
  const small = (place: Place): Elements | null => {
    const found = behindCasts(place, WIDE);
    return isSmall(found.v.type.dtype) ? elementsAt(found, k, n) : null;
  };
  if (inner.v.node.op !== "sub") {
    const q = small(inner);
    return q === null ? null : { q, zero: null };
  }
  // A difference of two such numbers wraps in fewer bits.
  const { dtype } = inner.v.type;
  if (isSmall(dtype) || (isFloat(dtype) && DTYPES[dtype].bits < 32)) return null;
  const [q, zero] = [small(operand(inner, 0)), small(operand(inner, 1))];
  return q === null || zero === null ? null : { q, zero };
}

/** The weight w[k, n] as constants under a dequantization. */
function dequantized(w: Value, k: number, columns: number): Dequantized | null {
  const n = indexVar(N, columns);
  const at = behindViews(w, [indexVar(K, k), n]);
  if (at.v.node.op !== "mul" || at.v.type.dtype !== "f32") return null;
  for (const [i, j] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const numbers = shifted(operand(at, i), k, n);
    const scaled = behindCasts(operand(at, j), REAL);
    const scale = isFloat(scaled.v.type.dtype) ? elementsAt(scaled, k, n) : null;
    if (numbers !== null && scale !== null) return { ...numbers, scale };
  }
  return null;
}

/** The largest block along k in which no element of the lists changes its place. */
function blockOf(lists: readonly Elements[], k: number): number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  let block = 0;
  for (const { start } of lists) for (let i = 1; i < k; i++) if (start[i] !== start[i - 1]) block = gcd(i, block);
  return block === 0 ? k : block;
}

/** [ceil(k / block), n] elements in another dtype. */
function gathered({ tensor, start, step }: Elements, k: number, n: number, block: number, dtype: DType): Tensor {
  const groups = Math.ceil(k / block);
  const out = allocate(dtype, groups * n);
  const { elements } = tensor;
  for (let g = 0; g < groups; g++) {
    const from = start[g * block] ?? 0;
    for (let column = 0; column < n; column++) out[g * n + column] = Number(elements[from + column * step]);
  }
  return tensorOf(dtype, [groups, n], out);
}

function inBlocks(b: Builder, node: Node, keeps: (node: Node) => boolean): Value | null {
  const [x, w] = [inputOf(node), inputOf(node, 1)];
  const [k, n, more] = w.type.shape;
  if (typeof k !== "number" || typeof n !== "number" || more !== undefined || x.type.shape.length < 2) return null;
  if (x.type.dtype !== "f32" || w.type.dtype !== "f32" || node.outputs[0]?.type.dtype !== "f32") return null;
  const found = dequantized(w, k, n);
  if (found === null) return null;
  const { q, scale, zero } = found;
  const block = blockOf([scale, ...(zero === null ? [] : [zero])], k);
  const constant = (value: Tensor): Value => b.one("const", [], { value });
  const inputs = [
    x,
    constant(gathered(q, k, n, 1, q.tensor.dtype)),
    constant(gathered(scale, k, n, block, "f32")),
    constant(
      zero === null
        ? new Tensor(q.tensor.dtype, [], new Uint8Array(1))
        : gathered(zero, k, n, block, zero.tensor.dtype),
    ),
  ];
  const made = b.one("blockMatmul", inputs, { block });
  return keeps(made.node) ? made : null;
}

export const blocks: Pass = {
  name: "blocks",
  after: { quantized: "products of integers need no real weights" },
  run: (b, graph, { keeps }) =>
    keeps === undefined
      ? graph
      : rewrite(
          b,
          graph,
          ruleFor("blocks", ["matmul"], (node, { b: builder }) => inBlocks(builder, node, keeps)),
        ),
};

// Matrix products: MatMul, Gemm, their integer kin and Einsum.

import * as ir from "../../../ir/build.js";
import { type Dim, mul } from "../../../ir/dim.js";
import type { DType } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";

/** NumPy's matmul: vectors are rows on the left and columns on the right, and give their axis up. */
export function matmulOf(cx: NodeContext, x: Value, y: Value, dtype?: DType): Value {
  const { b } = cx;
  if (cx.rank(x) === 0 || cx.rank(y) === 0) cx.malformed("takes operands of rank 1 and up");
  const left = cx.rank(x) === 1 ? ir.unsqueeze(b, x, [0]) : x;
  const right = cx.rank(y) === 1 ? ir.unsqueeze(b, y, [1]) : y;
  const out = ir.matmul(b, left, right, dtype ?? x.type.dtype);
  const rank = cx.rank(out);
  const gone: number[] = [];
  if (cx.rank(x) === 1) gone.push(rank - 2);
  if (cx.rank(y) === 1) gone.push(rank - 1);
  return gone.length === 0 ? out : ir.squeeze(b, out, gone);
}

const gemm: Translator = (cx) => {
  const { b } = cx;
  const turn = (v: Value, name: string): Value => {
    if (cx.rank(v) !== 2) cx.malformed(`takes matrices, has rank ${cx.rank(v)}`);
    return cx.flag(name) ? ir.transpose(b, v, [1, 0]) : v;
  };
  const scaled = (v: Value, by: number): Value => (by === 1 ? v : ir.mul(b, v, by));
  const x = turn(cx.in(0), "transA");
  const product = scaled(ir.matmul(b, x, turn(cx.in(1), "transB"), x.type.dtype), cx.float("alpha", 1));
  const c = cx.opt(2);
  return c === undefined ? product : ir.add(b, product, scaled(c, cx.float("beta", 1)));
};

/** Integers less their zero point, in 32 bits. A vector of zero points lies along `axis`. */
export function centered(cx: NodeContext, v: Value, zero: Value | undefined, axis: number): Value {
  const { b } = cx;
  const wide = ir.cast(b, v, "i32");
  if (zero === undefined) return wide;
  const z = ir.cast(b, zero, "i32");
  if (cx.rank(zero) === 0) return ir.sub(b, wide, z);
  if (cx.rank(zero) > 1) return ir.sub(b, wide, z);
  const n = cx.dim(zero, 0);
  if (n === 1) return ir.sub(b, wide, ir.reshape(b, z, []));
  const at = axis < 0 ? axis + cx.rank(v) : axis;
  return ir.sub(
    b,
    wide,
    ir.reshape(
      b,
      z,
      v.type.shape.map((_, i) => (i === at ? n : 1)),
    ),
  );
}

const matmulInteger: Translator = (cx) => {
  const x = centered(cx, cx.in(0), cx.opt(2), -2);
  const y = centered(cx, cx.in(1), cx.opt(3), -1);
  return matmulOf(cx, x, y, "i32");
};

// ---- Einsum

interface Term {
  readonly labels: readonly string[];
  readonly value: Value;
}

/** Labels of one term; the axes of an ellipsis get labels of their own, aligned at its end. */
function labelsOf(cx: NodeContext, text: string, rank: number): string[] {
  const [before = "", after, ...rest] = text.split("...");
  if (rest.length > 0) cx.malformed(`equation term "${text}" has two ellipses`);
  const named = (s: string): string[] =>
    Array.from(s, (c) => (/[A-Za-z]/u.test(c) ? c : cx.malformed(`equation has the label "${c}"`)));
  const left = named(before);
  if (after === undefined) return left;
  const right = named(after);
  const hidden = rank - left.length - right.length;
  if (hidden < 0) cx.malformed(`equation term "${text}" has more labels than axes`);
  return [...left, ...Array.from({ length: hidden }, (_, i) => `.${hidden - i}`), ...right];
}

/** Repeated labels become one axis: its diagonal. */
function diagonal(b: Builder, term: Term): Term {
  const labels = [...term.labels];
  let { value } = term;
  for (let i = 0; i < labels.length; i++)
    for (let j = labels.length - 1; j > i; j--) {
      if (labels[i] !== labels[j]) continue;
      const { shape } = value.type;
      const mask = ir.eq(b, ir.iota(b, "i64", shape, i), ir.iota(b, "i64", shape, j));
      value = ir.sum(b, ir.select(b, mask, value, 0), [j]);
      labels.splice(j, 1);
    }
  return { labels, value };
}

/** The term with exactly these axes, in this order; size 1 where it has no such label. */
function aligned(b: Builder, term: Term, labels: readonly string[]): Value {
  const have = labels.filter((l) => term.labels.includes(l));
  const turned = ir.transpose(
    b,
    term.value,
    have.map((l) => term.labels.indexOf(l)),
  );
  const sizes = new Map(have.map((l, i) => [l, turned.type.shape[i] ?? 1]));
  return ir.reshape(
    b,
    turned,
    labels.map((l) => sizes.get(l) ?? 1),
  );
}

function sumOut(b: Builder, term: Term, keep: ReadonlySet<string>): Term {
  const axes = [...term.labels.keys()].filter((i) => !keep.has(term.labels[i] ?? ""));
  return { labels: term.labels.filter((l) => keep.has(l)), value: ir.reduce(b, "sum", term.value, axes) };
}

/** One product of two terms, with the labels that only they have summed, as a batched matrix product. */
function contract(b: Builder, x: Term, y: Term, keep: ReadonlySet<string>): Term {
  const left = sumOut(b, x, new Set([...keep, ...y.labels]));
  const right = sumOut(b, y, new Set([...keep, ...x.labels]));
  const both = left.labels.filter((l) => right.labels.includes(l));
  const batch = both.filter((l) => keep.has(l));
  const inner = both.filter((l) => !keep.has(l));
  const rows = left.labels.filter((l) => !both.includes(l));
  const columns = right.labels.filter((l) => !both.includes(l));
  const a = aligned(b, left, [...batch, ...rows, ...inner]);
  const c = aligned(b, right, [...batch, ...inner, ...columns]);
  const size = (v: Value, from: number, n: number): readonly Dim[] => v.type.shape.slice(from, from + n);
  const [nb, nr, ni, nc] = [batch.length, rows.length, inner.length, columns.length];
  const left3 = ir.reshape(b, a, [...size(a, 0, nb), mul(1, ...size(a, nb, nr)), mul(1, ...size(a, nb + nr, ni))]);
  const right3 = ir.reshape(b, c, [...size(c, 0, nb), mul(1, ...size(c, nb, ni)), mul(1, ...size(c, nb + ni, nc))]);
  const product = ir.matmul(b, left3, right3, x.value.type.dtype);
  const shape = [...product.type.shape.slice(0, nb), ...size(a, nb, nr), ...size(c, nb + ni, nc)];
  return { labels: [...batch, ...rows, ...columns], value: ir.reshape(b, product, shape) };
}

const einsum: Translator = (cx) => {
  const { b } = cx;
  const equation = cx.str("equation").replaceAll(" ", "");
  const [inputs = "", output, ...rest] = equation.split("->");
  const texts = inputs.split(",");
  if (rest.length > 0 || texts.length !== cx.arity) cx.malformed(`equation "${equation}" for ${cx.arity} inputs`);
  let terms: Term[] = texts.map((text, i) => {
    const value = cx.in(i);
    const labels = labelsOf(cx, text, cx.rank(value));
    if (labels.length !== cx.rank(value)) cx.malformed(`equation term "${text}" for rank ${cx.rank(value)}`);
    return diagonal(b, { labels, value });
  });
  const hidden = Math.max(0, ...terms.map((t) => t.labels.filter((l) => l.startsWith(".")).length));
  const all = terms.flatMap((t) => t.labels);
  const dots = Array.from({ length: hidden }, (_, i) => `.${hidden - i}`);
  const implicit = [
    ...dots,
    ...[...new Set(all)].filter((l) => !l.startsWith(".") && all.indexOf(l) === all.lastIndexOf(l)).sort(),
  ];
  const labels =
    output === undefined
      ? implicit
      : output.includes("...")
        ? labelsOf(cx, output, output.length - 3 + hidden)
        : labelsOf(cx, output, 0);
  for (const l of labels) if (!all.includes(l)) cx.malformed(`equation's output label "${l}" is in no input`);
  if (new Set(labels).size !== labels.length) cx.malformed("equation repeats an output label");
  while (terms.length > 1) {
    const [x, y, ...others] = terms;
    if (x === undefined || y === undefined) break;
    const keep = new Set([...labels, ...others.flatMap((t) => t.labels)]);
    terms = [contract(b, x, y, keep), ...others];
  }
  const [last] = terms;
  if (last === undefined) return cx.malformed("has no inputs");
  return aligned(b, sumOut(b, last, new Set(labels)), labels);
};

export const matmulOps: Translators = {
  Einsum: einsum,
  Gemm: gemm,
  MatMul: (cx) => matmulOf(cx, cx.in(0), cx.in(1)),
  MatMulInteger: matmulInteger,
};

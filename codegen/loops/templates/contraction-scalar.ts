// Contractions one element at a time: the form for operand types and sizes that no register tile covers. Same order of
// sums as the tiles.

import { add, type Dim, floordiv, indexVar, mul, sub } from "../../../compiler/ir/dim.js";
import { DTYPES, type DType, isFloat } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp } from "../../../compiler/ir/graph.js";
import { ravel, unravel } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, parallelLoop, stored } from "../nest.js";
import { constantIn, regOf } from "../registers.js";
import { lowerCast } from "../scalar.js";
import type { Stmt } from "../stmt.js";

export function lowerContractionScalar(frame: Frame): Stmt[] {
  const { pool, reader, kernel, output, buffer } = frame;
  const { anchor } = kernel;
  const [a, b] = anchor.inputs;
  const result = anchor.outputs[0];
  if (a === undefined || b === undefined || result === undefined)
    throw new Bug("loops", "a contraction without operands");
  // Where bytes multiply, nobody widens its rows.
  if (kernel.bytes !== null) throw new Bug("loops", "a contraction of bytes without tiles");
  const { dtype } = result.type;
  const position = result.type.shape.map((size, axis) => (size === 1 ? 0 : indexVar(`o${axis}`, size)));
  const total = sumOf(a.type.dtype, b.type.dtype, dtype);
  const sum = pool.variable(regOf(total), "sum");
  const as = (e: Expr, from: DType): Expr => lowerCast(pool, from, total, false, e);
  const product = (pa: readonly Dim[], pb: readonly Dim[]): Stmt => ({
    kind: "set",
    target: sum,
    value: pool.same("madd", as(reader.at(a, pa), a.type.dtype), as(reader.at(b, pb), b.type.dtype), sum),
  });
  let inner: Stmt[];
  if (isOp(anchor, "matmul")) {
    const size = a.type.shape.at(-1) ?? 1;
    const k = indexVar("k", size);
    const batch = position.slice(0, -2);
    const clip = (shape: readonly Dim[]): Dim[] =>
      shape.slice(0, -2).map((d, axis) => (d === 1 ? 0 : (batch[axis + batch.length - (shape.length - 2)] ?? 0)));
    const step = product(
      [...clip(a.type.shape), position.at(-2) ?? 0, k],
      [...clip(b.type.shape), k, position.at(-1) ?? 0],
    );
    inner = [forLoop(k, size, [step])];
  } else if (isOp(anchor, "conv")) inner = convSum(frame, anchor.attrs, position, product);
  else throw new Bug("loops", `${anchor.op} is no contraction`);
  reader.held.set(result, () => lowerCast(pool, total, dtype, false, sum));
  reader.reset();
  const flat = ravel(position, result.type.shape);
  const out = unravel(flat, output.type.shape);
  const value = stored(pool, output.type.dtype, reader.at(output, out));
  let body: Stmt[] = [
    { kind: "set", target: sum, value: constantIn(pool, total, 0) },
    ...inner,
    { kind: "store", buffer: buffer(output), dtype: output.type.dtype, index: ravel(out, output.type.shape), value },
  ];
  for (let axis = position.length - 1; axis >= 0; axis--) {
    const v = position[axis];
    if (v !== undefined && typeof v !== "number") body = [parallelLoop(v, result.type.shape[axis] ?? 1, body)];
  }
  return body;
}

/**
 * What products are summed in: integers modulo their register's width; floats in f32, or in f64 where an operand or the
 * result has more than f32 holds exactly.
 */
function sumOf(a: DType, b: DType, result: DType): DType {
  if (![a, b, result].some(isFloat)) return DTYPES[result].bits === 64 ? "i64" : "i32";
  if (!isFloat(result)) return "f64";
  const fits = (d: DType): boolean => (isFloat(d) ? DTYPES[d].bits <= 32 : DTYPES[d].bits <= 8);
  return [a, b, result].every(fits) ? "f32" : "f64";
}

interface ConvAttrs {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly low: readonly number[];
  readonly groups: number;
  readonly layout: "nchw" | "nhwc";
}

function convSum(
  frame: Frame,
  attrs: ConvAttrs,
  position: readonly Dim[],
  product: (a: readonly Dim[], b: readonly Dim[]) => Stmt,
): Stmt[] {
  const { pool, kernel } = frame;
  const [x, w] = kernel.anchor.inputs;
  if (x === undefined || w === undefined) throw new Bug("loops", "a convolution without operands");
  const nhwc = attrs.layout === "nhwc";
  const spatial = attrs.strides.length;
  const length = (j: number): Dim => w.type.shape[nhwc ? j : j + 2] ?? 1;
  const sizeOf = (j: number): Dim => x.type.shape[nhwc ? j + 1 : j + 2] ?? 1;
  const perGroup = w.type.shape[nhwc ? w.type.shape.length - 2 : 1] ?? 1;
  const outs = w.type.shape[nhwc ? w.type.shape.length - 1 : 0] ?? 1;
  const m = position[nhwc ? position.length - 1 : 1] ?? 0;
  const taps = Array.from({ length: spatial }, (_, j) => indexVar(`tap${j}`, length(j)));
  const c = indexVar("c", perGroup);
  const at = taps.map((tap, j) =>
    sub(
      add(mul(position[nhwc ? j + 1 : j + 2] ?? 0, attrs.strides[j] ?? 1), mul(tap, attrs.dilations[j] ?? 1)),
      attrs.low[j] ?? 0,
    ),
  );
  const group = attrs.groups === 1 ? 0 : floordiv(m, floordiv(outs, attrs.groups));
  const channel = add(mul(group, perGroup), c);
  const pa = nhwc ? [position[0] ?? 0, ...at, channel] : [position[0] ?? 0, channel, ...at];
  const pb = nhwc ? [...taps, c, m] : [m, c, ...taps];
  let body: Stmt[] = [forLoop(c, perGroup, [product(pa, pb)])];
  for (let j = spatial - 1; j >= 0; j--) {
    const inside = pool.compare("ltU", pool.index(at[j] ?? 0), pool.index(sizeOf(j)));
    body = [forLoop(taps[j] ?? 0, length(j), [{ kind: "if", mask: inside, yes: body, no: [] }])];
  }
  return body;
}

// Attribute schemas of every op, by group: the names and typed attributes that the rows in this folder fill in.

import * as a from "../attrs.js";
import { SCALAR, type ScalarName } from "./scalar.js";

export const sourceAttrs = {
  /** A named input of the graph. */
  input: { name: a.str, dtype: a.dtype, shape: a.dims },
  /** A region's parameter. */
  param: { uid: a.int, dtype: a.dtype, shape: a.dims },
  /** The current value of a state slot. */
  state: { name: a.str, dtype: a.dtype, shape: a.dims },
  const: { value: a.tensor },
} as const;

export const convertAttrs = {
  /** (condition: bool, then, else), broadcasting. */
  select: {},
  /**
   * Float to integer truncates, saturates at the range when `saturate` and wraps otherwise, NaN is 0; to bool is
   * x != 0; to a narrow float rounds to nearest even and overflows as `encodeMinifloat` with `saturate`.
   */
  cast: { to: a.dtype, saturate: a.bool },
  /** The same bytes read as another dtype of the same width. */
  bitcast: { to: a.dtype },
} as const;

export const shapeAttrs = {
  /** A vector (i64) of dimensions' run-time values; shape [n]. */
  dims: { of: a.dims },
  /** Same elements in row-major order. */
  reshape: { shape: a.dims },
  /** out axis i is input axis perm[i]. */
  transpose: { perm: a.ints },
  /** NumPy broadcasting to `shape` (the input's axes align at the right). */
  broadcast: { shape: a.dims },
  /** out[i] = x[starts + i * steps], `sizes` elements per axis; steps may be negative, never 0. */
  slice: { starts: a.dims, sizes: a.dims, steps: a.ints },
  /** (x, value: scalar): low and high >= 0 edges and `interior` >= 0 elements between neighbours, all `value`. */
  pad: { low: a.dims, high: a.dims, interior: a.ints },
  /** (x, ...): along `axis`. */
  concat: { axis: a.int },
  /**
   * Sliding windows: axis axes[j] becomes the window's position, counts = floor((size - dilation * (length - 1) - 1) /
   * stride) + 1, and one trailing axis of `lengths[j]` is appended per windowed axis.
   */
  window: { axes: a.ints, lengths: a.dims, strides: a.ints, dilations: a.ints },
  /** 0, 1, 2, ... along `axis` of `shape`. */
  iota: { shape: a.dims, axis: a.int, dtype: a.dtype },
} as const;

export const indexAttrs = {
  /** (x, indices: integer): x.shape[..axis] + indices.shape + x.shape[axis + 1..]. Indices in [0, size), else a run-time error. */
  gather: { axis: a.int },
  /** (x, indices: integer): elements of x flattened; shape of indices. Out of range is a run-time error. */
  take: {},
  /** (x, indices, updates): x with x.flat[indices] combined with updates in row-major order. Out of range is a run-time error. */
  scatter: { mode: a.oneOf("set", "add", "mul", "min", "max") },
  /** The first `count` along `axis`, stable: (values, indices: i64). NaN sorts as the greatest, zeros as equals. */
  sort: { axis: a.int, descending: a.bool, count: a.dim },
  /** Row-major coordinates of nonzero elements: i64 [rank, count], where `count` is a fresh symbol bounded by the size. */
  nonzero: { count: a.dim },
} as const;

export const reduceAttrs = {
  /** Over `axes`; kept with size 1 where `keep`. Empty: sum 0, prod 1, max -inf or the least integer, min the contrary. */
  reduce: { kind: a.oneOf("sum", "prod", "max", "min"), axes: a.ints, keep: a.bool },
  /** Index (i64) of the greatest or least along `axis`; the first among equals, or the last. NaN wins. */
  argreduce: { kind: a.oneOf("max", "min"), axis: a.int, keep: a.bool, last: a.bool },
  /** Running sum, product, maximum or minimum along `axis`. */
  cumulate: { kind: a.oneOf("sum", "prod", "max", "min"), axis: a.int, exclusive: a.bool, reverse: a.bool },
} as const;

export const contractAttrs = {
  /** (a[..., m, k], b[..., k, n]) with batch axes broadcast; sums in `dtype` (f32 for f32; i32 for 8-bit integers). */
  matmul: { dtype: a.dtype },
  /**
   * (x[n, c, ...spatial], w[m, c / groups, ...window]) -> [n, m, ...]; cross-correlation with zero padding.
   * layout "nhwc": x[n, ...spatial, c] -> [n, ..., m] with w[...window, c / groups, m].
   */
  conv: {
    strides: a.ints,
    dilations: a.ints,
    low: a.ints,
    high: a.ints,
    groups: a.int,
    layout: a.oneOf("nchw", "nhwc"),
    dtype: a.dtype,
  },
} as const;

export const controlAttrs = {
  /** (condition: bool scalar) with regions then, else (no parameters). `shapes` are the outputs', fresh symbols where branches differ. */
  if: { shapes: a.shapes },
  /**
   * (trips: i64 scalar, condition: bool scalar, ...carried). Region parameters: iteration (i64 scalar), ...carried; results:
   * condition, ...carried, ...scanned. Runs while iteration < trips and condition. Outputs: ...final carried,
   * ...scanned stacked on a new axis 0 of size `count` (the number of iterations that ran, at most its upper bound).
   */
  loop: { carried: a.int, count: a.dim },
} as const;

export const compositeAttrs = {
  /** exp(x - max) / sum over `axis`. */
  softmax: { axis: a.int },
  /** x - max - log(sum(exp(x - max))) over `axis`. */
  logSoftmax: { axis: a.int },
  /** (x, scale, bias) normalized over the axes from `axis` on; scale and bias broadcast to those. */
  layerNorm: { axis: a.int, epsilon: a.float },
  /**
   * (x[..., m, k], w[k, n], scale[g, n], zero[g, n] or []): f32 x times (w - zero) * scale, where `block` neighbours along
   * k share a scale and a zero, g = ceil(k / block), and w holds integers of at most 8 bits. Integers in x come with
   * (..., xScale[..., m, g], xSum[..., m, g]): the sum over blocks of (x . w - zero * xSum) * (xScale * scale), with
   * exact i32 sums inside a block.
   */
  blockMatmul: { block: a.int },
} as const;

type ScalarAttrs = { readonly [K in ScalarName]: Readonly<Record<never, never>> };

const noAttrs: Readonly<Record<never, never>> = {};

/** `{}` for every scalar op. */
export const scalarAttrs = Object.fromEntries(Object.keys(SCALAR).map((k) => [k, noAttrs])) as ScalarAttrs;

export const opAttrs = {
  ...sourceAttrs,
  ...scalarAttrs,
  ...convertAttrs,
  ...shapeAttrs,
  ...indexAttrs,
  ...reduceAttrs,
  ...contractAttrs,
  ...controlAttrs,
  ...compositeAttrs,
} as const;

export type OpAttrs = typeof opAttrs;
export type OpName = keyof OpAttrs;

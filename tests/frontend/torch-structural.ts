// PyTorch's calls that reduce, rearrange, index and multiply, as calls of the tensor API.

import {
  arange,
  cat,
  eye,
  full,
  fullLike,
  linspace,
  ones,
  onesLike,
  stack,
  zeros,
  zerosLike,
} from "../../compiler/frontend/constructors.js";
import type { Tensor } from "../../compiler/frontend/tensor.js";
import { type Adapter, type Call, given, OtherForm } from "./torch-call.js";

const keep = (c: Call, i = 1) => given({ keepdim: c.flag(i, "keepdim") });
const reduced = (c: Call) => ({ ...keep(c), ...given({ dtype: c.dtype(-1) }) });
const dtypeOf = (c: Call) => given({ dtype: c.dtype(-1) });
const axis = (c: Call, i = 0, otherwise?: number): number => c.n(i, "dim", otherwise);
const start = (c: Call): number => {
  if (typeof c.input !== "number") throw new OtherForm("start");
  return c.input;
};

/** PyTorch 1.13 itself is not consistent with integers from a fraction. */
const wholeFor = (c: Call): number => {
  if (c.dtype(-1) === "i64" && !Number.isInteger(start(c))) throw new OtherForm("integers from a fraction");
  return start(c);
};

/** Calls on scalars that PyTorch only keeps for old programs. */
const oneAxis = (c: Call): Tensor => {
  if (c.x.rank === 0) throw new OtherForm("a scalar");
  return c.x;
};

const maybeAxis = (c: Call): number | null => c.maybeN(0, "dim") ?? null;

/** var and std: `unbiased`, `correction`, or a first flag without axes. */
const spread = (c: Call) => {
  const unbiased = c.get(1, "unbiased");
  const correction = c.maybeN(-1, "correction") ?? (unbiased === false ? 0 : 1);
  return { keepdim: c.flag(2, "keepdim"), correction };
};

const sized = (c: Call): number[] => {
  if (!Array.isArray(c.input)) throw new OtherForm("size");
  return c.input.filter((d) => typeof d === "number");
};

const axesWithCounts = (c: Call, t: Tensor, counts: readonly number[]): Tensor => {
  const left = t.rank - counts.length;
  if (c.args.length > 1) throw new OtherForm("several numbers");
  return t.repeat([...Array.from({ length: Math.max(0, left) }, () => 1), ...counts]);
};

const scatterModes = { add: "add", multiply: "mul", sum: "add", prod: "mul", amax: "max", amin: "min" } as const;

const scatterMode = (c: Call, i: number) => {
  const reduce = c.text(i, "reduce");
  if (reduce === undefined) return {};
  const found = Object.entries(scatterModes).find(([name]) => name === reduce)?.[1];
  if (found === undefined || c.get(-1, "include_self") === false) throw new OtherForm(reduce);
  return { reduce: found };
};

function raiseForm(): never {
  throw new OtherForm("the nuclear norm");
}

const order = (c: Call) => given({ descending: c.flag(1, "descending") });

export const structural: Readonly<Record<string, Adapter>> = {
  sum: (c) => c.x.sum(c.axes(0), reduced(c)),
  prod: (c) => c.x.prod(c.axes(0), reduced(c)),
  mean: (c) => c.x.mean(c.axes(0), reduced(c)),
  amax: (c) => c.x.amax(c.axes(0), keep(c)),
  amin: (c) => c.x.amin(c.axes(0), keep(c)),
  aminmax: (c) => [oneAxis(c).amin(c.axes(-1), keep(c, -1)), c.x.amax(c.axes(-1), keep(c, -1))],
  all: (c) => c.x.all(c.axes(0), keep(c)),
  any: (c) => c.x.any(c.axes(0), keep(c)),
  argmax: (c) => c.x.argmax(maybeAxis(c), keep(c)),
  argmin: (c) => c.x.argmin(maybeAxis(c), keep(c)),
  count_nonzero: (c) => c.x.countNonzero(c.axes(0)),
  std: (c) =>
    typeof c.args[0] === "boolean"
      ? c.x.std(null, { correction: Number(c.flag(0, "")) })
      : c.x.std(c.axes(0), spread(c)),
  std_mean: (c) => [c.x.std(c.axes(0), spread(c)), c.x.mean(c.axes(0), keep(c, 2))],
  var: (c) =>
    typeof c.args[0] === "boolean"
      ? c.x.var(null, { correction: Number(c.flag(0, "")) })
      : c.x.var(c.axes(0), spread(c)),
  var_mean: (c) => [c.x.var(c.axes(0), spread(c)), c.x.mean(c.axes(0), keep(c, 2))],
  logsumexp: (c) => c.x.logsumexp(c.axes(0), keep(c)),
  norm: (c) => c.x.norm(given({ p: c.maybeN(0, "p"), axes: c.axes(1), keepdim: c.flag(2, "keepdim") })),
  norm_fro: (c) => (c.text(0, "p") === "nuc" ? raiseForm() : c.x.norm()),
  norm_inf: (c) => c.x.norm({ p: c.n(0, "p") }),
  max_reduction_no_dim: (c) => c.x.amax(),
  min_reduction_no_dim: (c) => c.x.amin(),
  max_reduction_with_dim: (c) => Object.values(c.x.max(axis(c), keep(c))),
  min_reduction_with_dim: (c) => Object.values(c.x.min(axis(c), keep(c))),
  cumsum: (c) => c.x.cumsum(axis(c), dtypeOf(c)),
  cumprod: (c) => c.x.cumprod(axis(c), dtypeOf(c)),
  softmax: (c) => c.x.softmax(axis(c), dtypeOf(c)),
  softmax_with_dtype: (c) => c.x.softmax(axis(c), dtypeOf(c)),
  log_softmax: (c) => c.x.logSoftmax(axis(c), dtypeOf(c)),
  log_softmax_dtype: (c) => c.x.logSoftmax(axis(c), dtypeOf(c)),
  nn_functional_softmin: (c) => c.x.softmin(axis(c)),
  nn_functional_softmin_with_dtype: (c) => c.x.softmin(axis(c), dtypeOf(c)),

  reshape: (c) => c.x.reshape(c.sizes()),
  view: (c) => c.x.view(c.sizes()),
  view_as: (c) => c.x.view(c.t(0).shape),
  reshape_as: (c) => c.x.reshape(c.t(0).shape),
  flatten: (c) => c.x.flatten(c.n(0, "start_dim", 0), c.n(1, "end_dim", -1)),
  ravel: (c) => c.x.flatten(),
  unflatten: (c) => c.x.unflatten(axis(c), c.list(1, "sizes")),
  permute: (c) => c.x.permute(c.list(0, "dims")),
  transpose: (c) => c.x.transpose(c.n(0, "dim0"), c.n(1, "dim1")),
  t: (c) => c.x.t(),
  T: (c) => c.x.t(),
  H: (c) => c.x.t(),
  mT: (c) => oneAxis(c).transpose(-2, -1),
  mH: (c) => oneAxis(c).transpose(-2, -1),
  movedim: (c) => c.x.movedim(c.axes(0) ?? [], c.axes(1) ?? []),
  squeeze: (c) => c.x.squeeze(c.axes(0)),
  unsqueeze: (c) => c.x.unsqueeze(axis(c)),
  expand: (c) => c.x.expand(c.sizes()),
  broadcast_to: (c) => c.x.expand(c.sizes()),
  expand_as: (c) => c.x.expandAs(c.t(0)),
  contiguous: (c) => c.x.contiguous(),
  clone: (c) => c.x.clone(),
  positive: (c) => c.x.clone(),
  slice: (c) => c.x.slice(axis(c, 0, 0), c.maybeN(1, "start") ?? null, c.maybeN(2, "end") ?? null, c.n(3, "step", 1)),
  narrow: (c) => c.x.narrow(axis(c), asIndex(c.operand(1, "start")), c.n(2, "length")),
  narrow_copy: (c) => c.x.narrow(axis(c), asIndex(c.operand(1, "start")), c.n(2, "length")).clone(),
  select: (c) => c.x.select(axis(c), c.n(1, "index")),
  split: (c) => c.x.split(c.perAxis(0, "split_size") ?? 1, axis(c, 1, 0)),
  split_list_args: (c) => c.x.split(c.list(0, "split_size"), axis(c, 1, 0)),
  split_with_sizes: (c) => c.x.split(c.list(0, "split_sizes"), axis(c, 1, 0)),
  chunk: (c) => c.x.chunk(c.n(0, "chunks"), axis(c, 1, 0)),
  unbind: (c) => c.x.unbind(axis(c, 0, 0)),
  flip: (c) => c.x.flip(c.list(0, "dims")),
  fliplr: (c) => c.x.flip(1),
  flipud: (c) => c.x.flip(0),
  roll: (c) => c.x.roll(c.n(0, "shifts"), c.n(1, "dims")),
  repeat: (c) => c.x.repeat(c.sizes().filter((d) => typeof d !== "string")),
  tile: (c) => axesWithCounts(c, c.x, c.list(0, "dims")),
  nn_functional_pad_constant: (c) => {
    c.text(1, "mode");
    return c.x.pad(c.list(0, "pad"), given({ value: c.maybeN(2, "value") }));
  },
  constant_pad_nd: (c) => c.x.pad(c.list(0, "pad"), given({ value: c.maybeN(1, "value") })),
  cat: (c) => cat(c.tensors(), c.n(-1, "dim", c.maybeN(0, "dim") ?? 0)),
  stack: (c) => stack(c.tensors(), c.n(0, "dim", 0)),

  gather: (c) => c.x.gather(axis(c), c.t(1, "index")),
  take: (c) => c.x.take(c.t(0, "index")),
  take_along_dim: (c) => c.x.takeAlongDim(c.t(0, "indices"), c.maybeN(1, "dim") ?? null),
  index_select: (c) => c.x.indexSelect(axis(c), c.t(1, "index")),
  index_add: (c) => c.x.indexAdd(axis(c), c.t(1, "index"), c.t(2, "source"), given({ alpha: c.maybeN(-1, "alpha") })),
  index_copy: (c) => c.x.indexCopy(axis(c), c.t(1, "index"), c.t(2, "source")),
  scatter: (c) => c.x.scatter(axis(c), c.t(1, "index"), c.operand(2, "src"), scatterMode(c, -1)),
  scatter_add: (c) => c.x.scatterAdd(axis(c), c.t(1, "index"), c.t(2, "src")),
  scatter_reduce_sum: (c) => c.x.scatter(axis(c), c.t(1, "index"), c.t(2, "src"), scatterMode(c, 3)),
  scatter_reduce_prod: (c) => c.x.scatter(axis(c), c.t(1, "index"), c.t(2, "src"), scatterMode(c, 3)),
  scatter_reduce_amax: (c) => c.x.scatter(axis(c), c.t(1, "index"), c.t(2, "src"), scatterMode(c, 3)),
  scatter_reduce_amin: (c) => c.x.scatter(axis(c), c.t(1, "index"), c.t(2, "src"), scatterMode(c, 3)),
  sort: (c) => Object.values(c.x.sort(axis(c, 0, -1), order(c))),
  msort: (c) => c.x.sort(0).values,
  argsort: (c) => c.x.argsort(axis(c, 0, -1), order(c)),
  topk: (c) => {
    const top = c.x.topk(c.n(0, "k"), axis(c, 1, -1), given({ largest: c.flag(2, "largest", true) }));
    // Which of several equal integers comes first is anyone's choice.
    return c.x.dtype === "f32" ? Object.values(top) : top.values;
  },
  tril: (c) => c.x.tril(c.n(0, "diagonal", 0)),
  triu: (c) => c.x.triu(c.n(0, "diagonal", 0)),
  repeat_interleave: (c) => c.x.repeatInterleave(c.n(0, "repeats"), c.maybeN(1, "dim") ?? null),
  nn_functional_embedding: (c) => c.t(0, "indices").embedding(c.x),
  nn_functional_one_hot: (c) => c.x.oneHot(c.n(0, "num_classes")),

  zeros: (c) => zeros(sized(c), dtypeOf(c)),
  ones: (c) => ones(sized(c), dtypeOf(c)),
  full: (c) => full(sized(c), c.n(0, "fill_value"), dtypeOf(c)),
  zeros_like: (c) => zerosLike(c.x, dtypeOf(c)),
  ones_like: (c) => onesLike(c.x, dtypeOf(c)),
  full_like: (c) => fullLike(c.x, c.n(0, "fill_value"), dtypeOf(c)),
  eye: (c) => eye(start(c), c.n(0, "m", start(c)), dtypeOf(c)),
  linspace: (c) => linspace(wholeFor(c), c.n(0, "end"), c.n(1, "steps"), dtypeOf(c)),
  arange: (c) => arange(start(c), c.maybeN(0, "end") ?? null, c.n(1, "step", 1), dtypeOf(c)),
};

function asIndex(x: Tensor | number | boolean): Tensor | number {
  return typeof x === "boolean" ? Number(x) : x;
}

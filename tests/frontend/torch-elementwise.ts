// PyTorch's elementwise calls, as calls of the tensor API.

import { where } from "../../compiler/frontend/arithmetic.js";
import { type Adapter, type Call, given, OtherForm } from "./torch-call.js";

const alpha = (c: Call) => given({ alpha: c.maybeN(1, "alpha") });

const mode = (c: Call): "floor" | "trunc" | undefined => {
  const m = c.text(1, "rounding_mode");
  return m === "floor" || m === "trunc" ? m : undefined;
};

/** The input on the right: __rsub__ and kin. */
const wantTensor = (c: Call) => {
  const o = c.operand(0);
  if (typeof o !== "object") throw new OtherForm("a number on the left");
  return o;
};

const plain = [
  "abs",
  "acos",
  "acosh",
  "asin",
  "asinh",
  "atan",
  "atanh",
  "ceil",
  "cos",
  "cosh",
  "erf",
  "exp",
  "exp2",
  "expm1",
  "floor",
  "frac",
  "isfinite",
  "isinf",
  "isnan",
  "log",
  "log10",
  "log1p",
  "log2",
  "neg",
  "reciprocal",
  "rsqrt",
  "sigmoid",
  "sign",
  "sin",
  "sinh",
  "sqrt",
  "square",
  "tan",
  "tanh",
  "trunc",
] as const;

const simple =
  (name: (typeof plain)[number]): Adapter =>
  (c) =>
    c.x[name]();

export const elementwise: Readonly<Record<string, Adapter>> = {
  ...Object.fromEntries(plain.map((name) => [name, simple(name)])),
  add: (c) => c.x.add(c.operand(0), alpha(c)),
  sub: (c) => c.x.sub(c.operand(0), alpha(c)),
  rsub: (c) => wantTensor(c).sub(c.x, alpha(c)),
  mul: (c) => c.x.mul(c.operand(0)),
  true_divide: (c) => c.x.div(c.operand(0)),
  div_no_rounding_mode: (c) => c.x.div(c.operand(0)),
  div_floor_rounding: (c) => c.x.div(c.operand(0), given({ roundingMode: mode(c) })),
  div_trunc_rounding: (c) => c.x.div(c.operand(0), given({ roundingMode: mode(c) })),
  floor_divide: (c) => c.x.floorDivide(c.operand(0)),
  remainder: (c) => c.x.remainder(c.operand(0)),
  fmod: (c) => c.x.fmod(c.operand(0)),
  pow: (c) => c.x.pow(c.operand(0, "exponent")),
  atan2: (c) => c.x.atan2(c.t(0)),
  hypot: (c) => c.x.hypot(c.t(0)),
  maximum: (c) => c.x.maximum(c.t(0)),
  minimum: (c) => c.x.minimum(c.t(0)),
  max_binary: (c) => c.x.maximum(c.t(0)),
  min_binary: (c) => c.x.minimum(c.t(0)),
  fmax: (c) => c.x.fmax(c.t(0)),
  fmin: (c) => c.x.fmin(c.t(0)),
  xlogy: (c) => c.x.xlogy(c.operand(0)),
  logaddexp: (c) => c.x.logaddexp(c.t(0)),
  lerp: (c) => c.x.lerp(c.t(0, "end"), c.operand(1, "weight")),
  addcmul: (c) => c.x.addcmul(c.t(0), c.t(1), given({ value: c.maybeN(2, "value") })),
  addcdiv: (c) => c.x.addcdiv(c.t(0), c.t(1), given({ value: c.maybeN(2, "value") })),
  __radd__: (c) => c.x.add(c.operand(0)),
  __rmul__: (c) => c.x.mul(c.operand(0)),
  __rsub__: (c) => wantTensor(c).sub(c.x),
  __rdiv__: (c) => wantTensor(c).div(c.x),
  __rmod__: (c) => wantTensor(c).remainder(c.x),
  __rpow__: (c) => wantTensor(c).pow(c.x),
  __rmatmul__: (c) => wantTensor(c).matmul(c.x),
  __rand__: (c) => c.x.bitwiseAnd(c.operand(0)),
  __ror__: (c) => c.x.bitwiseOr(c.operand(0)),
  __rxor__: (c) => c.x.bitwiseXor(c.operand(0)),
  eq: (c) => c.x.eq(c.operand(0)),
  ne: (c) => c.x.ne(c.operand(0)),
  lt: (c) => c.x.lt(c.operand(0)),
  le: (c) => c.x.le(c.operand(0)),
  gt: (c) => c.x.gt(c.operand(0)),
  ge: (c) => c.x.ge(c.operand(0)),
  logical_and: (c) => c.x.logicalAnd(c.t(0)),
  logical_or: (c) => c.x.logicalOr(c.t(0)),
  logical_xor: (c) => c.x.logicalXor(c.t(0)),
  logical_not: (c) => c.x.logicalNot(),
  bitwise_and: (c) => c.x.bitwiseAnd(c.operand(0)),
  bitwise_or: (c) => c.x.bitwiseOr(c.operand(0)),
  bitwise_xor: (c) => c.x.bitwiseXor(c.operand(0)),
  bitwise_not: (c) => c.x.bitwiseNot(),
  bitwise_left_shift: (c) => c.x.bitwiseLeftShift(c.operand(0)),
  bitwise_right_shift: (c) => c.x.bitwiseRightShift(c.operand(0)),
  clamp: (c) => c.x.clamp(c.maybeOperand(0, "min"), c.maybeOperand(1, "max")),
  clamp_min: (c) => c.x.clamp(c.operand(0, "min")),
  clamp_max: (c) => c.x.clamp(null, c.operand(0, "max")),
  masked_fill: (c) => c.x.maskedFill(c.t(0, "mask"), c.operand(1, "value")),
  where: (c) => where(c.t(0), c.x, c.operand(1)),
  round: (c) => c.x.round(),
  round_decimals_0: (c) => c.x.round({ decimals: c.n(-1, "decimals") }),
  round_decimals_3: (c) => c.x.round({ decimals: c.n(-1, "decimals") }),
  round_decimals_neg_3: (c) => c.x.round({ decimals: c.n(-1, "decimals") }),
  logit: (c) => c.x.logit(given({ eps: c.maybeN(0, "eps") })),
  nan_to_num: (c) =>
    c.x.nanToNum(given({ nan: c.maybeN(0, "nan"), posinf: c.maybeN(1, "posinf"), neginf: c.maybeN(2, "neginf") })),
  float: (c) => c.x.to("f32"),
  double: (c) => c.x.to("f64"),
  half: (c) => c.x.to("f16"),
  bool: (c) => c.x.to("bool"),
  int: (c) => c.x.to("i32"),
  long: (c) => c.x.to("i64"),
  short: (c) => c.x.to("i16"),
  char: (c) => c.x.to("i8"),
  byte: (c) => c.x.to("u8"),
  nn_functional_relu: (c) => c.x.relu(),
  nn_functional_relu6: (c) => c.x.relu6(),
  nn_functional_leaky_relu: (c) => c.x.leakyRelu(given({ negativeSlope: c.maybeN(0, "negative_slope") })),
  nn_functional_prelu: (c) => c.x.prelu(c.t(0, "weight")),
  nn_functional_elu: (c) => c.x.elu(given({ alpha: c.maybeN(0, "alpha") })),
  nn_functional_selu: (c) => c.x.selu(),
  nn_functional_celu: (c) => c.x.celu(given({ alpha: c.maybeN(0, "alpha") })),
  nn_functional_gelu: (c) => c.x.gelu({ approximate: c.text(0, "approximate") === "tanh" ? "tanh" : "none" }),
  nn_functional_silu: (c) => c.x.silu(),
  nn_functional_mish: (c) => c.x.mish(),
  nn_functional_softplus: (c) =>
    c.x.softplus(given({ beta: c.maybeN(0, "beta"), threshold: c.maybeN(1, "threshold") })),
  nn_functional_softsign: (c) => c.x.softsign(),
  nn_functional_tanhshrink: (c) => c.x.tanhshrink(),
  nn_functional_logsigmoid: (c) => c.x.logSigmoid(),
  nn_functional_hardtanh: (c) => c.x.hardtanh(given({ min: c.maybeN(0, "min_val"), max: c.maybeN(1, "max_val") })),
  nn_functional_hardsigmoid: (c) => c.x.hardsigmoid(),
  nn_functional_hardswish: (c) => c.x.hardswish(),
  nn_functional_hardshrink: (c) => c.x.hardshrink(given({ lambda: c.maybeN(0, "lambd") })),
  nn_functional_softshrink: (c) => c.x.softshrink(given({ lambda: c.maybeN(0, "lambd") })),
  nn_functional_threshold: (c) => c.x.threshold(c.n(0, "threshold"), c.n(1, "value")),
};

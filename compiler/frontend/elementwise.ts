// Tensor methods on one operand, element by element: arithmetic functions and PyTorch's activations. Where a function
// gives floats, integers become f32 first.

import * as ir from "../ir/build.js";
import { isFloat } from "../ir/dtype.js";
import type { Builder, Value } from "../ir/graph.js";
import { Arithmetic, where } from "./arithmetic.js";
import { wrap } from "./handle.js";
import { floatType, type Operand } from "./promote.js";
import { record } from "./session.js";
import type { Tensor } from "./tensor.js";

type Unary = (b: Builder, x: Value) => Value;

const SQRT_HALF = Math.SQRT1_2;
const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** Where x is beyond `limit` softplus and its kin are their asymptote, as in PyTorch. */
const SOFTPLUS_LIMIT = 20;

export abstract class Elementwise extends Arithmetic {
  /** Of a float, or of an integer as f32. */
  protected float(subject: string, f: Unary): Tensor {
    return record(subject, (b) => wrap(f(b, ir.cast(b, this.valueFor(subject), floatType(this.dtype)))));
  }

  /** A rounding: nothing to do for integers. */
  protected rounding(subject: string, f: Unary): Tensor {
    return record(subject, (b) => {
      const x = this.valueFor(subject);
      return wrap(isFloat(this.dtype) ? f(b, x) : x);
    });
  }

  neg(): Tensor {
    return record("neg", (b) => wrap(ir.neg(b, this.valueFor("neg"))));
  }
  abs(): Tensor {
    return record("abs", (b) => wrap(ir.abs(b, this.valueFor("abs"))));
  }
  sign(): Tensor {
    return record("sign", (b) => {
      const x = this.valueFor("sign");
      if (this.dtype === "bool") return wrap(x);
      // PyTorch gives 0 for NaN.
      return wrap(isFloat(this.dtype) ? ir.select(b, ir.isnan(b, x), 0, ir.sign(b, x)) : ir.sign(b, x));
    });
  }
  floor(): Tensor {
    return this.rounding("floor", ir.floor);
  }
  ceil(): Tensor {
    return this.rounding("ceil", ir.ceil);
  }
  trunc(): Tensor {
    return this.rounding("trunc", ir.trunc);
  }
  /** To the nearest integer, ties to even; or to this many decimals. */
  round({ decimals = 0 }: { readonly decimals?: number } = {}): Tensor {
    return this.rounding("round", (b, x) => {
      const scale = 10 ** Math.abs(decimals);
      if (decimals === 0) return ir.round(b, x);
      return decimals > 0
        ? ir.div(b, ir.round(b, ir.mul(b, x, scale)), scale)
        : ir.mul(b, ir.round(b, ir.div(b, x, scale)), scale);
    });
  }
  /** What trunc takes away. */
  frac(): Tensor {
    return record("frac", () => this.sub(this.trunc()));
  }
  sqrt(): Tensor {
    return this.float("sqrt", ir.sqrt);
  }
  /** 1 / sqrt(x). */
  rsqrt(): Tensor {
    return this.float("rsqrt", (b, x) => ir.reciprocal(b, ir.sqrt(b, x)));
  }
  reciprocal(): Tensor {
    return this.float("reciprocal", ir.reciprocal);
  }
  square(): Tensor {
    return record("square", () => {
      const x = this.dtype === "bool" ? this.to("i64") : this.self;
      return x.mul(x);
    });
  }
  exp(): Tensor {
    return this.float("exp", ir.exp);
  }
  exp2(): Tensor {
    return this.float("exp2", (b, x) => ir.pow(b, 2, x));
  }
  expm1(): Tensor {
    return this.float("expm1", ir.expm1);
  }
  log(): Tensor {
    return this.float("log", ir.log);
  }
  log2(): Tensor {
    return this.float("log2", (b, x) => ir.div(b, ir.log(b, x), Math.LN2));
  }
  log10(): Tensor {
    return this.float("log10", (b, x) => ir.div(b, ir.log(b, x), Math.LN10));
  }
  log1p(): Tensor {
    return this.float("log1p", ir.log1p);
  }
  /** log(x / (1 - x)), with x first clamped to [eps, 1 - eps] where eps is given. */
  logit({ eps }: { readonly eps?: number } = {}): Tensor {
    return record("logit", () => {
      const p = this.to(floatType(this.dtype));
      const x = eps === undefined ? p : p.clamp(eps, 1 - eps);
      return x.div(x.neg().add(1)).log();
    });
  }
  sin(): Tensor {
    return this.float("sin", ir.sin);
  }
  cos(): Tensor {
    return this.float("cos", ir.cos);
  }
  tan(): Tensor {
    return this.float("tan", ir.tan);
  }
  asin(): Tensor {
    return this.float("asin", ir.asin);
  }
  acos(): Tensor {
    return this.float("acos", ir.acos);
  }
  atan(): Tensor {
    return this.float("atan", ir.atan);
  }
  sinh(): Tensor {
    return this.float("sinh", ir.sinh);
  }
  cosh(): Tensor {
    return this.float("cosh", ir.cosh);
  }
  tanh(): Tensor {
    return this.float("tanh", ir.tanh);
  }
  asinh(): Tensor {
    return this.float("asinh", ir.asinh);
  }
  acosh(): Tensor {
    return this.float("acosh", ir.acosh);
  }
  atanh(): Tensor {
    return this.float("atanh", ir.atanh);
  }
  erf(): Tensor {
    return this.float("erf", ir.erf);
  }
  isnan(): Tensor {
    return this.ofFloat("isnan", ir.isnan, false);
  }
  isinf(): Tensor {
    return this.ofFloat("isinf", ir.isinf, false);
  }
  isfinite(): Tensor {
    return this.ofFloat("isfinite", (b, x) => ir.not(b, ir.or(b, ir.isnan(b, x), ir.isinf(b, x))), true);
  }
  private ofFloat(subject: string, f: Unary, otherwise: boolean): Tensor {
    return record(subject, (b) => {
      const x = this.valueFor(subject);
      return wrap(isFloat(this.dtype) ? f(b, x) : ir.full(b, "bool", this.shape, Number(otherwise)));
    });
  }

  // ---- activations

  relu(): Tensor {
    return record("relu", (b) => wrap(ir.relu(b, this.valueFor("relu"))));
  }
  relu6(): Tensor {
    return record("relu6", () => this.clamp(0, 6));
  }
  leakyRelu({ negativeSlope = 0.01 }: { readonly negativeSlope?: number } = {}): Tensor {
    return record("leakyRelu", () => where(this.gt(0), this.self, this.mul(negativeSlope)));
  }
  /** x where x > 0, else weight * x; a weight of several elements goes along axis 1. */
  prelu(weight: Tensor): Tensor {
    return record("prelu", () => {
      const per = weight.rank === 1 && weight.shape[0] !== 1 && this.rank > 1;
      const w = per ? weight.reshape([weight.size(0), ...this.shape.slice(2).map(() => 1)]) : weight;
      return where(this.gt(0), this.self, w.mul(this.self));
    });
  }
  elu({ alpha = 1 }: { readonly alpha?: number } = {}): Tensor {
    return record("elu", () => where(this.gt(0), this.self, this.expm1().mul(alpha)));
  }
  selu(): Tensor {
    return record("selu", () => where(this.gt(0), this.self, this.expm1().mul(SELU_ALPHA)).mul(SELU_SCALE));
  }
  celu({ alpha = 1 }: { readonly alpha?: number } = {}): Tensor {
    return record("celu", () => where(this.gt(0), this.self, this.div(alpha).expm1().mul(alpha)));
  }
  /** x times the normal distribution function of x; "tanh" is the usual approximation of it. */
  gelu({ approximate = "none" }: { readonly approximate?: "none" | "tanh" } = {}): Tensor {
    return record("gelu", () => {
      if (approximate === "none") return this.mul(0.5).mul(this.mul(SQRT_HALF).erf().add(1));
      // (1 + tanh u) / 2 = sigmoid(2 u)
      const slope = 2 * SQRT_2_OVER_PI;
      const factor = this.mul(this.self)
        .mul(0.044715 * slope)
        .add(slope);
      return this.mul(factor.mul(this.self).sigmoid());
    });
  }
  sigmoid(): Tensor {
    return this.float("sigmoid", ir.sigmoid);
  }
  logSigmoid(): Tensor {
    return record("logSigmoid", () => this.minimum(0).sub(this.abs().neg().exp().log1p()));
  }
  silu(): Tensor {
    return record("silu", () => this.mul(this.sigmoid()));
  }
  mish(): Tensor {
    return record("mish", () => this.mul(this.softplus().tanh()));
  }
  /** log(1 + exp(beta * x)) / beta, and x itself where beta * x exceeds the threshold. */
  softplus({
    beta = 1,
    threshold = SOFTPLUS_LIMIT,
  }: {
    readonly beta?: number;
    readonly threshold?: number;
  } = {}): Tensor {
    return record("softplus", () => {
      const x = this.mul(beta);
      return where(x.gt(threshold), this.self, x.minimum(threshold).exp().log1p().div(beta));
    });
  }
  softsign(): Tensor {
    return record("softsign", () => this.div(this.abs().add(1)));
  }
  tanhshrink(): Tensor {
    return record("tanhshrink", () => this.sub(this.tanh()));
  }
  hardtanh({ min = -1, max = 1 }: { readonly min?: number; readonly max?: number } = {}): Tensor {
    return record("hardtanh", () => this.clamp(min, max).to(this.dtype));
  }
  hardsigmoid(): Tensor {
    return record("hardsigmoid", () => this.add(3).clamp(0, 6).div(6));
  }
  hardswish(): Tensor {
    return record("hardswish", () => this.mul(this.add(3).clamp(0, 6)).div(6));
  }
  /** 0 between -lambda and lambda. */
  hardshrink({ lambda = 0.5 }: { readonly lambda?: number } = {}): Tensor {
    return record("hardshrink", () => where(this.abs().le(lambda), 0, this.self));
  }
  /** Moved towards 0 by lambda. */
  softshrink({ lambda = 0.5 }: { readonly lambda?: number } = {}): Tensor {
    return record("softshrink", () =>
      where(this.gt(lambda), this.sub(lambda), where(this.lt(-lambda), this.add(lambda), this.mul(0))),
    );
  }
  /** x where x > threshold, else value. */
  threshold(threshold: number, value: Operand): Tensor {
    return record("threshold", () => where(this.le(threshold), value, this.self));
  }
  /** NaN and infinities replaced; by default by 0 and the dtype's largest magnitudes (of f32 and f64). */
  nanToNum({
    nan = 0,
    posinf,
    neginf,
  }: {
    readonly nan?: number;
    readonly posinf?: number;
    readonly neginf?: number;
  } = {}): Tensor {
    return record("nanToNum", () => {
      if (!isFloat(this.dtype)) return this.self;
      const greatest = GREATEST[this.dtype];
      if (greatest === undefined && (posinf === undefined || neginf === undefined))
        return this.refuse("nanToNum", `the largest ${this.dtype}`, "give posinf and neginf");
      const high = posinf ?? greatest ?? 0;
      const low = neginf ?? -(greatest ?? 0);
      const finite = where(this.isinf(), where(this.gt(0), high, low).to(this.dtype), this.self);
      return where(this.isnan(), nan, finite);
    });
  }
}

const GREATEST: Readonly<Partial<Record<string, number>>> = {
  f64: Number.MAX_VALUE,
  f32: 3.4028234663852886e38,
  f16: 65504,
  bf16: 3.3895313892515355e38,
};

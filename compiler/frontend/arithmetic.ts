// Tensor methods on two or more operands: arithmetic, comparison, logic, choice. Operands are promoted as PyTorch does
// (promote.ts) and broadcast as NumPy does.

import * as ir from "../ir/build.js";
import { DTYPES, type DType, isFloat, isInteger } from "../ir/dtype.js";
import type { Builder, Value } from "../ir/graph.js";
import { Handle, wrap } from "./handle.js";
import { floatType, isTensor, type Operand, operandValue, resultType, type Scalar } from "./promote.js";
import { record } from "./session.js";
import { refuseTrace } from "./site.js";
import type { Tensor } from "./tensor.js";

type Rule = (b: Builder, x: Value, y: Value, dtype: DType) => Value;

/** Promotes and combines two operands. */
export function binary(subject: string, x: Operand, y: Operand, rule: Rule, as = (t: DType): DType => t): Tensor {
  return record(subject, (b) => {
    const dtype = as(resultType([x, y], subject));
    return wrap(rule(b, operandValue(b, x, dtype, subject), operandValue(b, y, dtype, subject), dtype));
  });
}

/** Arithmetic on bool is not defined by the ops; PyTorch's + is `or` and * is `and`. */
const add: Rule = (b, x, y, t) => (t === "bool" ? ir.or(b, x, y) : ir.add(b, x, y));
const mul: Rule = (b, x, y, t) => (t === "bool" ? ir.and(b, x, y) : ir.mul(b, x, y));

const greater: Rule = (b, x, y, t) => (t === "bool" ? ir.or(b, x, y) : ir.max(b, x, y));
const lesser: Rule = (b, x, y, t) => (t === "bool" ? ir.and(b, x, y) : ir.min(b, x, y));

const equal: Rule = (b, x, y) => ir.eq(b, x, y);
const notEqual: Rule = (b, x, y) => ir.ne(b, x, y);
const less: Rule = (b, x, y) => ir.lt(b, x, y);
const lessEqual: Rule = (b, x, y) => ir.le(b, x, y);

/** Division rounded down: exact for floats too, through the floor-remainder. */
const floorDivide: Rule = (b, x, y, t) => {
  if (!isFloat(t)) {
    const quotient = ir.div(b, x, y);
    const rest = ir.rem(b, x, y);
    const down = ir.and(b, ir.ne(b, rest, 0), ir.ne(b, ir.lt(b, rest, 0), ir.lt(b, y, 0)));
    return ir.sub(b, quotient, ir.cast(b, down, t));
  }
  const rest = ir.rem(b, x, y);
  const apart = ir.and(b, ir.ne(b, rest, 0), ir.ne(b, ir.lt(b, rest, 0), ir.lt(b, y, 0)));
  const whole = ir.div(b, ir.sub(b, x, rest), y);
  const exact = ir.select(b, apart, ir.sub(b, whole, 1), whole);
  const down = ir.floor(b, exact);
  const near = ir.select(b, ir.lt(b, 0.5, ir.sub(b, exact, down)), ir.add(b, down, 1), down);
  const signed = ir.select(b, ir.eq(b, exact, 0), ir.mul(b, ir.div(b, x, y), 0), near);
  return ir.select(b, ir.eq(b, y, 0), ir.div(b, x, y), signed);
};

export interface DivOptions {
  /** "trunc": towards zero; "floor": down. Without it, division is true division. */
  readonly roundingMode?: "trunc" | "floor";
}

export abstract class Arithmetic extends Handle {
  /** this + alpha * other. */
  add(other: Operand, { alpha = 1 }: { readonly alpha?: Scalar } = {}): Tensor {
    return binary("add", this.self, alpha === 1 ? other : times(other, alpha), add);
  }
  /** this - alpha * other. */
  sub(other: Operand, { alpha = 1 }: { readonly alpha?: Scalar } = {}): Tensor {
    return binary("sub", this.self, alpha === 1 ? other : times(other, alpha), (b, x, y, t) =>
      t === "bool" ? noBool("sub") : ir.sub(b, x, y),
    );
  }
  mul(other: Operand): Tensor {
    return binary("mul", this.self, other, mul);
  }
  /** True division: integers give f32, unless a rounding mode is asked for. */
  div(other: Operand, { roundingMode }: DivOptions = {}): Tensor {
    if (roundingMode === "floor") return this.floorDivide(other);
    if (roundingMode === "trunc")
      return binary("div", this.self, other, (b, x, y, t) =>
        isFloat(t) ? ir.trunc(b, ir.div(b, x, y)) : ir.div(b, x, y),
      );
    return binary("div", this.self, other, (b, x, y) => ir.div(b, x, y), floatType);
  }
  /** Rounded down. */
  floorDivide(other: Operand): Tensor {
    return binary("floorDivide", this.self, other, floorDivide);
  }
  /** With the divisor's sign, as Python's %. */
  remainder(other: Operand): Tensor {
    return binary("remainder", this.self, other, (b, x, y) => ir.mod(b, x, y));
  }
  /** With the dividend's sign, as C's fmod and JavaScript's %. */
  fmod(other: Operand): Tensor {
    return binary("fmod", this.self, other, (b, x, y) => ir.rem(b, x, y));
  }
  pow(exponent: Operand): Tensor {
    if (isInteger(this.dtype) && typeof exponent === "number" && Number.isInteger(exponent) && exponent < 0)
      this.refuse("pow", "an integer to a negative power", 'convert to a float first: x.to("f32")');
    return binary("pow", this.self, exponent, (b, x, y) => ir.pow(b, x, y));
  }
  atan2(other: Operand): Tensor {
    return binary("atan2", this.self, other, (b, x, y) => ir.atan2(b, x, y), floatType);
  }
  hypot(other: Operand): Tensor {
    return binary("hypot", this.self, other, hypot, floatType);
  }
  /** NaN where either is. */
  maximum(other: Operand): Tensor {
    return binary("maximum", this.self, other, greater);
  }
  minimum(other: Operand): Tensor {
    return binary("minimum", this.self, other, lesser);
  }
  /** The other operand where one is NaN. */
  fmax(other: Operand): Tensor {
    return binary("fmax", this.self, other, (b, x, y, t) => skipNaN(b, x, y, t, greater));
  }
  fmin(other: Operand): Tensor {
    return binary("fmin", this.self, other, (b, x, y, t) => skipNaN(b, x, y, t, lesser));
  }
  /** x * log(y), 0 where x is 0 and y is not NaN. */
  xlogy(other: Operand): Tensor {
    return binary(
      "xlogy",
      this.self,
      other,
      (b, x, y) => {
        const zero = ir.and(b, ir.eq(b, x, 0), ir.not(b, ir.isnan(b, y)));
        return ir.select(b, zero, 0, ir.mul(b, x, ir.log(b, y)));
      },
      floatType,
    );
  }
  /** log(exp(x) + exp(y)) without overflow. */
  logaddexp(other: Operand): Tensor {
    return binary(
      "logaddexp",
      this.self,
      other,
      (b, x, y) => {
        const top = ir.max(b, x, y);
        const gap = ir.neg(b, ir.abs(b, ir.sub(b, x, y)));
        const same = ir.and(b, ir.isinf(b, x), ir.eq(b, x, y));
        return ir.select(b, same, x, ir.add(b, top, ir.log1p(b, ir.exp(b, gap))));
      },
      floatType,
    );
  }
  /** this + weight * (end - this). */
  lerp(end: Tensor, weight: Operand): Tensor {
    return record("lerp", () => this.add(end.sub(this.self).mul(weight)));
  }
  /** this + value * a * b. */
  addcmul(a: Tensor, b: Tensor, { value = 1 }: { readonly value?: Scalar } = {}): Tensor {
    return record("addcmul", () => this.add(value === 1 ? a.mul(b) : a.mul(value).mul(b)));
  }
  /** this + value * a / b. */
  addcdiv(a: Tensor, b: Tensor, { value = 1 }: { readonly value?: Scalar } = {}): Tensor {
    return record("addcdiv", () => this.add(value === 1 ? a.div(b) : a.mul(value).div(b)));
  }

  eq(other: Operand): Tensor {
    return binary("eq", this.self, other, equal);
  }
  ne(other: Operand): Tensor {
    return binary("ne", this.self, other, notEqual);
  }
  lt(other: Operand): Tensor {
    return binary("lt", this.self, other, less);
  }
  le(other: Operand): Tensor {
    return binary("le", this.self, other, lessEqual);
  }
  gt(other: Operand): Tensor {
    return binary("gt", this.self, other, (b, x, y, t) => less(b, y, x, t));
  }
  ge(other: Operand): Tensor {
    return binary("ge", this.self, other, (b, x, y, t) => lessEqual(b, y, x, t));
  }

  logicalAnd(other: Operand): Tensor {
    return logical("logicalAnd", this.self, other, ir.and);
  }
  logicalOr(other: Operand): Tensor {
    return logical("logicalOr", this.self, other, ir.or);
  }
  logicalXor(other: Operand): Tensor {
    return logical("logicalXor", this.self, other, ir.xor);
  }
  logicalNot(): Tensor {
    return record("logicalNot", (b) => wrap(ir.not(b, truth(b, this.self, "logicalNot"))));
  }
  bitwiseAnd(other: Operand): Tensor {
    return binary("bitwiseAnd", this.self, other, (b, x, y) => ir.and(b, x, y));
  }
  bitwiseOr(other: Operand): Tensor {
    return binary("bitwiseOr", this.self, other, (b, x, y) => ir.or(b, x, y));
  }
  bitwiseXor(other: Operand): Tensor {
    return binary("bitwiseXor", this.self, other, (b, x, y) => ir.xor(b, x, y));
  }
  bitwiseNot(): Tensor {
    return record("bitwiseNot", (b) => wrap(ir.not(b, this.valueFor("bitwiseNot"))));
  }
  bitwiseLeftShift(other: Operand): Tensor {
    return binary("bitwiseLeftShift", this.self, other, (b, x, y) => ir.shl(b, x, y));
  }
  bitwiseRightShift(other: Operand): Tensor {
    return binary("bitwiseRightShift", this.self, other, (b, x, y) => ir.shr(b, x, y));
  }

  /** Between min and max, each a number, a tensor or null; max wins where they cross. */
  clamp(min: Operand | null, max: Operand | null = null): Tensor {
    return record("clamp", () => {
      if (min === null && max === null) this.refuse("clamp", "neither min nor max is given", "give one of them");
      // The result's dtype is that of all operands together.
      const bounds = [min, max].filter((x) => x !== null);
      const x = this.to(resultType([this.self, ...bounds], "clamp"));
      const low = min === null ? x : x.maximum(min);
      return max === null ? low : low.minimum(max);
    });
  }
  /** `value` where the mask holds; in this tensor's dtype. */
  maskedFill(mask: Tensor, value: Operand): Tensor {
    return record("maskedFill", (b) => {
      wantBool("maskedFill", mask);
      const fill = operandValue(b, value, this.dtype, "maskedFill");
      return wrap(ir.select(b, mask.valueFor("maskedFill"), fill, this.valueFor("maskedFill")));
    });
  }

  /** Another dtype: floats to integers truncate, to bool is x != 0. The tensor itself where the dtype is the same. */
  to(dtype: DType): Tensor {
    if (dtype === this.dtype) return this.self;
    return record("to", (b) => wrap(ir.cast(b, this.valueFor("to"), dtype)));
  }
  /** The same bytes read as another dtype of the same width. */
  bitcast(dtype: DType): Tensor {
    return record("bitcast", (b) => wrap(ir.bitcast(b, this.valueFor("bitcast"), dtype)));
  }
}

/** A tensor times a plain factor, modulo the dtype's width: unsigned integers can be taken -1 times. */
export function scaled(x: Tensor, alpha: Scalar): Tensor {
  const turned = DTYPES[x.dtype].kind === "uint" && typeof alpha === "number" && alpha < 0 && Number.isInteger(alpha);
  return turned ? x.mul(-alpha).neg() : x.mul(alpha);
}

function times(x: Operand, alpha: Scalar): Operand {
  if (isTensor(x)) return scaled(x, alpha);
  return typeof x === "bigint" && typeof alpha === "bigint" ? x * alpha : Number(x) * Number(alpha);
}

function hypot(b: Builder, x: Value, y: Value): Value {
  const [p, q] = [ir.abs(b, x), ir.abs(b, y)];
  const top = ir.max(b, p, q);
  const ratio = ir.div(b, ir.min(b, p, q), top);
  const length = ir.mul(b, top, ir.sqrt(b, ir.add(b, 1, ir.square(b, ratio))));
  const infinite = ir.or(b, ir.isinf(b, x), ir.isinf(b, y));
  return ir.select(b, infinite, Number.POSITIVE_INFINITY, ir.select(b, ir.eq(b, top, 0), 0, length));
}

function skipNaN(b: Builder, x: Value, y: Value, t: DType, rule: Rule): Value {
  if (!isFloat(t)) return rule(b, x, y, t);
  return ir.select(b, ir.isnan(b, x), y, ir.select(b, ir.isnan(b, y), x, rule(b, x, y, t)));
}

/** x != 0. */
export function truth(b: Builder, x: Operand, subject: string): Value {
  return isTensor(x) ? ir.cast(b, x.valueFor(subject), "bool") : ir.scalar(b, "bool", Boolean(x));
}

function logical(subject: string, x: Operand, y: Operand, rule: (b: Builder, x: Value, y: Value) => Value): Tensor {
  return record(subject, (b) => wrap(rule(b, truth(b, x, subject), truth(b, y, subject))));
}

function wantBool(subject: string, condition: Tensor): void {
  if (condition.dtype !== "bool")
    refuseTrace(
      "unsupported_dtype",
      subject,
      `${subject}: the condition is ${condition.toString()}, wants bool`,
      "compare it, as in x.ne(0)",
    );
}

function noBool(subject: string): never {
  return refuseTrace("unsupported_dtype", subject, `${subject}: bool operands`, "use logicalXor or logicalNot");
}

/** Elements of `yes` where the bool condition holds, else of `no`; all three broadcast. */
export function where(condition: Tensor, yes: Operand, no: Operand): Tensor {
  return record("where", (b) => {
    wantBool("where", condition);
    const dtype = resultType([yes, no], "where");
    const [p, q] = [operandValue(b, yes, dtype, "where"), operandValue(b, no, dtype, "where")];
    return wrap(ir.select(b, condition.valueFor("where"), p, q));
  });
}

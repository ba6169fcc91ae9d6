// Tensor methods that reduce or run along axes. Axes are a number, a list, or left out for all of them; `keepdim` keeps
// the reduced axes with size 1. Names and results are PyTorch's.

import * as ir from "../ir/build.js";
import { type Dim, mul as mulDim, sub as subDim } from "../ir/dim.js";
import { DTYPES, type DType, isFloat } from "../ir/dtype.js";
import type { Builder, Value } from "../ir/graph.js";
import { truth, where } from "./arithmetic.js";
import { Elementwise } from "./elementwise.js";
import { wrap } from "./handle.js";
import { floatType } from "./promote.js";
import { record } from "./session.js";
import type { Tensor } from "./tensor.js";

export type Axes = number | readonly number[] | null;

export interface ReduceOptions {
  readonly keepdim?: boolean;
  /** Converted to this before it is reduced. */
  readonly dtype?: DType;
}

export interface VarOptions {
  readonly keepdim?: boolean;
  /** Subtracted from the count in the divisor: 1 for the sample's variance (default), 0 for the population's. */
  readonly correction?: number;
}

export interface Extreme {
  readonly values: Tensor;
  readonly indices: Tensor;
}

/** Sums of bool and integers are i64. */
function accumulate(dtype: DType, asked: DType | undefined): DType {
  return asked ?? (isFloat(dtype) ? dtype : "i64");
}

export abstract class Reductions extends Elementwise {
  sum(axes: Axes = null, { keepdim = false, dtype }: ReduceOptions = {}): Tensor {
    return this.reduceAs("sum", "sum", axes, keepdim, accumulate(this.dtype, dtype));
  }
  prod(axes: Axes = null, { keepdim = false, dtype }: ReduceOptions = {}): Tensor {
    return this.reduceAs("prod", "prod", axes, keepdim, accumulate(this.dtype, dtype));
  }
  /** The greatest along the axes; NaN where there is one. */
  amax(axes: Axes = null, { keepdim = false }: { readonly keepdim?: boolean } = {}): Tensor {
    return this.reduceAs("amax", "max", axes, keepdim, this.dtype);
  }
  amin(axes: Axes = null, { keepdim = false }: { readonly keepdim?: boolean } = {}): Tensor {
    return this.reduceAs("amin", "min", axes, keepdim, this.dtype);
  }

  private reduceAs(subject: string, kind: ir.ReduceKind, axes: Axes, keep: boolean, dtype: DType): Tensor {
    return record(subject, (b) => {
      const list = this.axes(axes, subject);
      if ((kind === "max" || kind === "min") && list.some((a) => this.shape[a] === 0))
        this.refuse(subject, `the ${kind}imum of no elements`, "reduce an axis that is not empty");
      const x = ir.cast(b, this.valueFor(subject), dtype);
      return wrap(ir.reduce(b, kind, x, list, keep));
    });
  }

  mean(axes: Axes = null, { keepdim = false, dtype }: ReduceOptions = {}): Tensor {
    return record("mean", () => {
      const as = dtype ?? this.dtype;
      if (!isFloat(as))
        this.refuse("mean", `the mean of ${as}`, 'convert to a float first: x.to("f32"), or give { dtype: "f32" }');
      const list = this.axes(axes, "mean");
      // Sums of narrow floats may not fit them where the mean does.
      if (DTYPES[as].bits < 32) return this.to("f32").mean(axes, { keepdim }).to(as);
      return this.to(as).sum(list, { keepdim }).div(this.count(list, as));
    });
  }

  /** How many elements the axes have, as a scalar of `dtype`. */
  private count(axes: readonly number[], dtype: DType, minus = 0): Tensor {
    const n: Dim = subDim(mulDim(1, ...axes.map((a) => this.shape[a] ?? 1)), minus);
    return record("count", (b) => wrap(sizeScalar(b, n, dtype)));
  }

  var(axes: Axes = null, { keepdim = false, correction = 1 }: VarOptions = {}): Tensor {
    return record("var", () => {
      if (!isFloat(this.dtype)) this.refuse("var", `the variance of ${this.dtype}`, "convert to a float first");
      const list = this.axes(axes, "var");
      if (DTYPES[this.dtype].bits < 32) return this.to("f32").var(axes, { keepdim, correction }).to(this.dtype);
      const centered = this.sub(this.mean(list, { keepdim: true }));
      const total = centered.square().sum(list, { keepdim });
      // A divisor below 0 counts as 0, as in PyTorch: the result is then infinite or NaN.
      return total.div(this.count(list, this.dtype, correction).maximum(0));
    });
  }
  std(axes: Axes = null, options: VarOptions = {}): Tensor {
    return record("std", () => this.var(axes, options).sqrt());
  }
  /** log(sum(exp(x))) without overflow. */
  logsumexp(axes: Axes, { keepdim = false }: { readonly keepdim?: boolean } = {}): Tensor {
    return record("logsumexp", () => {
      const list = this.axes(axes, "logsumexp");
      const x = this.to(floatType(this.dtype));
      const top = x.amax(list, { keepdim: true });
      const shift = where(top.isinf(), 0, top);
      const total = x.sub(shift).exp().sum(list, { keepdim: true }).log().add(shift);
      return keepdim ? total : total.sum(list);
    });
  }
  /** (sum |x|^p)^(1/p); p may be infinite. */
  norm({
    p = 2,
    axes = null,
    keepdim = false,
  }: {
    readonly p?: number;
    readonly axes?: Axes;
    readonly keepdim?: boolean;
  } = {}): Tensor {
    return record("norm", () => {
      const x = this.abs();
      if (p === Number.POSITIVE_INFINITY) return x.amax(axes, { keepdim });
      if (p === Number.NEGATIVE_INFINITY) return x.amin(axes, { keepdim });
      if (p === 0) return x.ne(0).sum(axes, { keepdim, dtype: floatType(this.dtype) });
      if (p === 1) return x.sum(axes, { keepdim });
      if (p === 2) return x.square().sum(axes, { keepdim }).sqrt();
      return x
        .pow(p)
        .sum(axes, { keepdim })
        .pow(1 / p);
    });
  }
  /** Whether every element is true (not 0). */
  all(axes: Axes = null, { keepdim = false }: { readonly keepdim?: boolean } = {}): Tensor {
    return this.reduceTruth("all", "min", axes, keepdim);
  }
  any(axes: Axes = null, { keepdim = false }: { readonly keepdim?: boolean } = {}): Tensor {
    return this.reduceTruth("any", "max", axes, keepdim);
  }
  private reduceTruth(subject: string, kind: "min" | "max", axes: Axes, keep: boolean): Tensor {
    return record(subject, (b) => {
      const found = ir.reduce(b, kind, truth(b, this.self, subject), this.axes(axes, subject), keep);
      // PyTorch's answer for u8 is u8.
      return wrap(this.dtype === "u8" ? ir.cast(b, found, "u8") : found);
    });
  }
  /** How many elements are not 0 (i64). */
  countNonzero(axes: Axes = null): Tensor {
    return record("countNonzero", () => this.ne(0).sum(axes));
  }

  /** Index (i64) of the first greatest element along the axis, or of all elements in row-major order. */
  argmax(axis: number | null = null, { keepdim = false }: { readonly keepdim?: boolean } = {}): Tensor {
    return this.arg("argmax", "max", axis, keepdim);
  }
  argmin(axis: number | null = null, { keepdim = false }: { readonly keepdim?: boolean } = {}): Tensor {
    return this.arg("argmin", "min", axis, keepdim);
  }
  private arg(subject: string, kind: "max" | "min", axis: number | null, keep: boolean): Tensor {
    return record(subject, (b) => {
      const x = this.valueFor(subject);
      if (axis !== null && this.rank > 0) {
        const at = this.axis(axis, subject);
        if (this.shape[at] === 0) this.refuse(subject, "an axis of size 0", "reduce an axis that is not empty");
        return wrap(ir.argreduce(b, kind, x, at, { keep }));
      }
      if (axis !== null) this.axis(axis, subject);
      const index = ir.argreduce(b, kind, ir.flatten(b, x), 0, { keep: false });
      return wrap(
        keep
          ? ir.reshape(
              b,
              index,
              this.shape.map(() => 1),
            )
          : index,
      );
    });
  }
  /** The greatest along one axis, with the index of its first place. */
  max(axis: number, options: { readonly keepdim?: boolean } = {}): Extreme {
    return record("max", () => ({ values: this.amax(axis, options), indices: this.argmax(axis, options) }));
  }
  min(axis: number, options: { readonly keepdim?: boolean } = {}): Extreme {
    return record("min", () => ({ values: this.amin(axis, options), indices: this.argmin(axis, options) }));
  }

  cumsum(axis: number, { dtype }: { readonly dtype?: DType } = {}): Tensor {
    return this.cumulateAs("cumsum", "sum", axis, accumulate(this.dtype, dtype));
  }
  cumprod(axis: number, { dtype }: { readonly dtype?: DType } = {}): Tensor {
    return this.cumulateAs("cumprod", "prod", axis, accumulate(this.dtype, dtype));
  }
  private cumulateAs(subject: string, kind: ir.ReduceKind, axis: number, dtype: DType): Tensor {
    return record(subject, (b) => {
      const at = this.axis(axis, subject);
      const x = ir.cast(b, this.valueFor(subject), dtype);
      return wrap(this.rank === 0 ? x : ir.cumulate(b, kind, x, at));
    });
  }

  softmax(axis: number, { dtype }: { readonly dtype?: DType } = {}): Tensor {
    return this.normalize("softmax", axis, dtype, ir.softmax);
  }
  logSoftmax(axis: number, { dtype }: { readonly dtype?: DType } = {}): Tensor {
    return this.normalize("logSoftmax", axis, dtype, ir.logSoftmax);
  }
  /** softmax of -x. */
  softmin(axis: number, { dtype }: { readonly dtype?: DType } = {}): Tensor {
    return record("softmin", () => (dtype === undefined ? this.self : this.to(dtype)).neg().softmax(axis));
  }
  private normalize(
    subject: string,
    axis: number,
    dtype: DType | undefined,
    f: (b: Builder, x: Value, axis: number) => Value,
  ): Tensor {
    return record(subject, (b) => {
      const at = this.axis(axis, subject);
      const as = dtype ?? this.dtype;
      if (!isFloat(as)) this.refuse(subject, `${subject} of ${as}`, 'give { dtype: "f32" }');
      const x = ir.cast(b, this.valueFor(subject), as);
      // A scalar is one element of an axis of size 1.
      return wrap(this.rank === 0 ? ir.reshape(b, f(b, ir.reshape(b, x, [1]), 0), []) : f(b, x, at));
    });
  }
}

/** A dimension's value as a scalar. */
export function sizeScalar(b: Builder, d: Dim, dtype: DType): Value {
  return typeof d === "number" ? ir.scalar(b, dtype, d) : ir.cast(b, ir.dimValue(b, d), dtype);
}

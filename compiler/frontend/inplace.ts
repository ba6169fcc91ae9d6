// Tensor methods that write: x.add_(y), x.copy_(y), x.set([0, [1, 3]], y). They change the storage that the tensor is a
// view of, so that its base and every other view see it, and return the tensor. In the graph they are new values; what
// a state(...) holds at the end of the trace is its next value.

import * as ir from "../ir/build.js";
import { DTYPES, type DType, isFloat } from "../ir/dtype.js";
import type { Part } from "./parts.js";
import { Pooling } from "./pooling.js";
import { isTensor, type Operand, operandValue, resultType, type Scalar } from "./promote.js";
import { formatShape, record } from "./session.js";
import type { Tensor } from "./tensor.js";

/** Whether an in-place result of one dtype can be stored in another: never a float in an integer. */
function fits(from: DType, to: DType): boolean {
  if (from === to || isFloat(to)) return true;
  if (isFloat(from)) return false;
  return DTYPES[to].kind !== "bool";
}

export abstract class InPlace extends Pooling {
  /** Broadcasts and converts a computed result to this tensor, and writes it. */
  private store(subject: string, result: Operand, convert: boolean): Tensor {
    return record(subject, (b) => {
      const dtype = isTensor(result) ? result.dtype : resultType([this.self, result], subject);
      if (!convert && !fits(dtype, this.dtype))
        this.refuse(
          subject,
          `the result has dtype ${dtype}, which ${this.dtype} does not hold`,
          "use the form without _",
        );
      const value = operandValue(b, result, this.dtype, subject);
      const grows = value.type.shape.some((d, i) => {
        const have = this.shape[i - value.type.shape.length + this.rank];
        return d !== 1 && have !== d && (have === undefined || have === 1 || typeof (have ?? 0) === typeof d);
      });
      if (grows || value.type.shape.length > this.rank)
        this.refuse(
          subject,
          `a value of shape ${formatShape(value.type.shape)} into ${this.toString()}`,
          "the value must broadcast to the tensor",
        );
      this.write(subject, ir.broadcast(b, value, this.shape));
      return this.self;
    });
  }

  /** The elements of another tensor, converted and broadcast to this one. */
  copy_(source: Operand): Tensor {
    return this.store("copy_", source, true);
  }
  fill_(value: Scalar | Tensor): Tensor {
    return this.store("fill_", value, true);
  }
  zero_(): Tensor {
    return this.store("zero_", 0, true);
  }
  add_(other: Operand, options: { readonly alpha?: Scalar } = {}): Tensor {
    return record("add_", () => this.store("add_", this.add(other, options), false));
  }
  sub_(other: Operand, options: { readonly alpha?: Scalar } = {}): Tensor {
    return record("sub_", () => this.store("sub_", this.sub(other, options), false));
  }
  mul_(other: Operand): Tensor {
    return record("mul_", () => this.store("mul_", this.mul(other), false));
  }
  div_(other: Operand): Tensor {
    return record("div_", () => this.store("div_", this.div(other), false));
  }
  pow_(exponent: Operand): Tensor {
    return record("pow_", () => this.store("pow_", this.pow(exponent), false));
  }
  neg_(): Tensor {
    return record("neg_", () => this.store("neg_", this.neg(), false));
  }
  exp_(): Tensor {
    return record("exp_", () => this.store("exp_", this.exp(), false));
  }
  sqrt_(): Tensor {
    return record("sqrt_", () => this.store("sqrt_", this.sqrt(), false));
  }
  relu_(): Tensor {
    return record("relu_", () => this.store("relu_", this.relu(), false));
  }
  sigmoid_(): Tensor {
    return record("sigmoid_", () => this.store("sigmoid_", this.sigmoid(), false));
  }
  tanh_(): Tensor {
    return record("tanh_", () => this.store("tanh_", this.tanh(), false));
  }
  clamp_(min: Operand | null, max: Operand | null = null): Tensor {
    return record("clamp_", () => this.store("clamp_", this.clamp(min, max), false));
  }
  lerp_(end: Tensor, weight: Operand): Tensor {
    return record("lerp_", () => this.store("lerp_", this.lerp(end, weight), false));
  }
  addcmul_(a: Tensor, b: Tensor, options: { readonly value?: Scalar } = {}): Tensor {
    return record("addcmul_", () => this.store("addcmul_", this.addcmul(a, b, options), false));
  }
  addcdiv_(a: Tensor, b: Tensor, options: { readonly value?: Scalar } = {}): Tensor {
    return record("addcdiv_", () => this.store("addcdiv_", this.addcdiv(a, b, options), false));
  }
  maskedFill_(mask: Tensor, value: Operand): Tensor {
    return record("maskedFill_", () => this.store("maskedFill_", this.maskedFill(mask, value), false));
  }
  scatter_(axis: number, index: Tensor, source: Tensor | Scalar): Tensor {
    return record("scatter_", () => this.store("scatter_", this.scatter(axis, index, source), false));
  }
  scatterAdd_(axis: number, index: Tensor, source: Tensor): Tensor {
    return record("scatterAdd_", () => this.store("scatterAdd_", this.scatterAdd(axis, index, source), false));
  }
  indexAdd_(axis: number, index: Tensor, source: Tensor, options: { readonly alpha?: Scalar } = {}): Tensor {
    return record("indexAdd_", () => this.store("indexAdd_", this.indexAdd(axis, index, source, options), false));
  }
  indexCopy_(axis: number, index: Tensor, source: Tensor): Tensor {
    return record("indexCopy_", () => this.store("indexCopy_", this.indexCopy(axis, index, source), false));
  }
  /** Writes a part: x.set([0, [1, 3]], y) is Python's x[0, 1:3] = y. */
  set(parts: readonly Part[], value: Operand): Tensor {
    return record("set", () => {
      this.get(parts).copy_(value);
      return this.self;
    });
  }
}

// Tensor methods that networks are made of: products, convolutions, pooling, normalization, attention. Layouts are
// PyTorch's: [batch, channels, ...spatial], weights [out, in / groups, ...window]; the batch axis may be missing.

import * as ir from "../ir/build.js";
import type { Dim } from "../ir/dim.js";
import { type DType, isFloat, isInteger } from "../ir/dtype.js";
import { where } from "./arithmetic.js";
import { wrap } from "./handle.js";
import { Indexing } from "./indexing.js";
import type { Operand } from "./promote.js";
import { sizeScalar } from "./reduction.js";
import { record } from "./session.js";
import type { Size } from "./shaping.js";
import { refuseTrace } from "./site.js";
import type { Tensor } from "./tensor.js";

/** One number for every spatial axis, or one for each. */
export type PerAxis = number | readonly number[];

export interface ConvOptions {
  readonly bias?: Tensor;
  readonly stride?: PerAxis;
  /** Zeros at both edges; "same" keeps the size (stride 1), "valid" is none. */
  readonly padding?: PerAxis | "same" | "valid";
  readonly dilation?: PerAxis;
  readonly groups?: number;
}

export interface ConvTransposeOptions {
  readonly bias?: Tensor;
  readonly stride?: PerAxis;
  readonly padding?: PerAxis;
  readonly outputPadding?: PerAxis;
  readonly dilation?: PerAxis;
  readonly groups?: number;
}

export interface NormOptions {
  readonly weight?: Tensor;
  readonly bias?: Tensor;
  readonly eps?: number;
}

export interface AttentionOptions {
  /** bool: true takes part; float: added to the scores. */
  readonly mask?: Tensor;
  readonly isCausal?: boolean;
  /** By default 1 / sqrt(features). */
  readonly scale?: number;
}

export function perAxis(value: PerAxis, count: number, subject: string, name: string): readonly number[] {
  const list = typeof value === "number" ? Array.from({ length: count }, () => value) : value;
  if (list.length === count) return list;
  if (list.length === 1) return Array.from({ length: count }, () => list[0] ?? 0);
  return refuseTrace(
    "unsupported_shape",
    subject,
    `${subject}: ${name} has ${list.length} entries`,
    `give 1 or ${count}`,
  );
}

/** What products of a dtype are summed in. */
function sumType(dtype: DType, subject: string): DType {
  if (dtype === "f32" || dtype === "f64" || dtype === "i32" || dtype === "i64") return dtype;
  if (dtype === "f16" || dtype === "bf16") return "f32";
  if (isInteger(dtype) && dtype !== "u32" && dtype !== "u64") return "i32";
  return refuseTrace("unsupported_dtype", subject, `${subject} of ${dtype}`, "convert with to(dtype) first");
}

function sameDType(subject: string, a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype)
    refuseTrace(
      "unsupported_dtype",
      subject,
      `${subject}: operands of ${a.dtype} and ${b.dtype}`,
      "convert one of them with to(dtype)",
    );
}

export abstract class Layers extends Indexing {
  /** Vectors: their dot product. Matrices: their product; further axes at the left are broadcast as batches. */
  matmul(other: Tensor): Tensor {
    return record("matmul", (b) => {
      sameDType("matmul", this.self, other);
      if (this.rank === 0 || other.rank === 0)
        this.refuse("matmul", `${this.toString()} by ${other.toString()}`, "use mul for scalars");
      const left = this.rank === 1 ? this.unsqueeze(0) : this.self;
      const right = other.rank === 1 ? other.unsqueeze(1) : other;
      const product = ir.matmul(b, left.value, right.value, sumType(this.dtype, "matmul"));
      let shape = product.type.shape;
      if (this.rank === 1) shape = [...shape.slice(0, -2), ...shape.slice(-1)];
      if (other.rank === 1) shape = shape.slice(0, -1);
      return wrap(ir.reshape(b, ir.cast(b, product, this.dtype), shape));
    });
  }
  /** this @ weight.t() + bias, with weight [out, in]. */
  linear(weight: Tensor, bias?: Tensor): Tensor {
    return record("linear", () => {
      const product = this.matmul(weight.t());
      return bias === undefined ? product : product.add(bias);
    });
  }

  conv1d(weight: Tensor, options: ConvOptions = {}): Tensor {
    return record("conv1d", () => this.convolve("conv1d", 1, weight, options));
  }
  conv2d(weight: Tensor, options: ConvOptions = {}): Tensor {
    return record("conv2d", () => this.convolve("conv2d", 2, weight, options));
  }
  conv3d(weight: Tensor, options: ConvOptions = {}): Tensor {
    return record("conv3d", () => this.convolve("conv3d", 3, weight, options));
  }

  /** The tensor with a batch axis, for `spatial` axes after the channels. */
  protected batched(subject: string, spatial: number): Tensor {
    if (this.rank === spatial + 2) return this.self;
    if (this.rank === spatial + 1) return this.unsqueeze(0);
    return this.refuse(subject, this.toString(), `give [batch, channels, ...${spatial} spatial axes]`);
  }

  private convolve(subject: string, spatial: number, weight: Tensor, options: ConvOptions): Tensor {
    const { bias, stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
    sameDType(subject, this.self, weight);
    const x = this.batched(subject, spatial);
    const strides = perAxis(stride, spatial, subject, "stride");
    const dilations = perAxis(dilation, spatial, subject, "dilation");
    const [low, high] = this.convEdges(subject, weight, padding, strides, dilations);
    const dtype = sumType(this.dtype, subject);
    const product = record(subject, (b) => {
      const y = ir.conv(b, x.value, weight.value, { strides, dilations, low, high, groups, dtype });
      return wrap(ir.cast(b, y, this.dtype));
    });
    return this.unbatched(addChannels(product, bias), spatial);
  }

  protected unbatched(y: Tensor, spatial: number): Tensor {
    return this.rank === spatial + 1 ? y.squeeze(0) : y;
  }

  private convEdges(
    subject: string,
    weight: Tensor,
    padding: PerAxis | "same" | "valid",
    strides: readonly number[],
    dilations: readonly number[],
  ): readonly [readonly number[], readonly number[]] {
    if (padding === "valid") return [strides.map(() => 0), strides.map(() => 0)];
    if (padding !== "same") {
      const edges = perAxis(padding, strides.length, subject, "padding");
      return [edges, edges];
    }
    if (strides.some((s) => s !== 1))
      this.refuse(subject, 'padding "same" with a stride', "give the padding as numbers");
    const total = dilations.map((d, i) => d * (this.fixed(subject, weight.shape[i + 2]) - 1));
    return [total.map((n) => Math.floor(n / 2)), total.map((n) => n - Math.floor(n / 2))];
  }

  protected fixed(subject: string, d: Dim | undefined): number {
    if (typeof d === "number") return d;
    return this.refuse(subject, `a named size (${String(d)}) where the size must be known`, "give that axis a number");
  }

  /** The gradient of a convolution, taken as an operation: weight [in, out / groups, ...window]. */
  convTranspose1d(weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
    return record("convTranspose1d", () => this.convTranspose("convTranspose1d", 1, weight, options));
  }
  convTranspose2d(weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
    return record("convTranspose2d", () => this.convTranspose("convTranspose2d", 2, weight, options));
  }
  convTranspose3d(weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
    return record("convTranspose3d", () => this.convTranspose("convTranspose3d", 3, weight, options));
  }

  private convTranspose(subject: string, spatial: number, weight: Tensor, options: ConvTransposeOptions): Tensor {
    const { bias, stride = 1, padding = 0, outputPadding = 0, dilation = 1, groups = 1 } = options;
    sameDType(subject, this.self, weight);
    const x = this.batched(subject, spatial);
    const strides = perAxis(stride, spatial, subject, "stride");
    const dilations = perAxis(dilation, spatial, subject, "dilation");
    const extra = perAxis(outputPadding, spatial, subject, "outputPadding");
    const edges = perAxis(padding, spatial, subject, "padding");
    const [channels = 1, perGroup = 1, ...window] = weight.shape.map((d) => this.fixed(subject, d));
    const low = window.map((k, i) => (dilations[i] ?? 1) * (k - 1) - (edges[i] ?? 0));
    const high = low.map((n, i) => n + (extra[i] ?? 0));
    // Spread x by the stride, turn the window round and swap its channels within each group.
    const turned = weight
      .flip(window.map((_, i) => i + 2))
      .reshape([groups, channels / groups, perGroup, ...window])
      .transpose(1, 2)
      .reshape([groups * perGroup, channels / groups, ...window]);
    const product = record(subject, (b) => {
      const interior = [0, 0, ...strides.map((s) => s - 1)];
      const none = interior.map(() => 0);
      const spread = ir.pad(b, x.value, ir.scalar(b, this.dtype, 0), none, none, interior);
      const padded = wrap(spread).pad(
        low
          .flatMap((n, i) => [n, high[i] ?? 0])
          .reverse()
          .map((_, i, all) => swapPair(all, i)),
      );
      const y = ir.conv(b, padded.value, turned.value, { dilations, groups, dtype: sumType(this.dtype, subject) });
      return wrap(ir.cast(b, y, this.dtype));
    });
    return this.unbatched(addChannels(product, bias), spatial);
  }

  // ---- normalization

  /** Over the last axes, whose sizes are `normalized`. */
  layerNorm(normalized: readonly Size[], { weight, bias, eps = 1e-5 }: NormOptions = {}): Tensor {
    return record("layerNorm", (b) => {
      this.wantFloat("layerNorm");
      const axis = this.rank - normalized.length;
      if (axis < 0 || normalized.length === 0)
        this.refuse("layerNorm", `[${normalized.join(", ")}] of ${this.toString()}`, "name the sizes of the last axes");
      const sizes = this.shape.slice(axis);
      for (const [i, d] of normalized.entries())
        if (typeof d === "number" && typeof sizes[i] === "number" && d !== sizes[i])
          this.refuse(
            "layerNorm",
            `[${normalized.join(", ")}] of ${this.toString()}`,
            "name the sizes of the last axes",
          );
      const scale = weight?.to(this.dtype).value ?? ir.full(b, this.dtype, sizes, 1);
      const shift = bias?.to(this.dtype).value ?? ir.full(b, this.dtype, sizes, 0);
      return wrap(ir.layerNorm(b, this.value, scale, shift, axis, eps));
    });
  }
  /** x / sqrt(mean(x^2) + eps) over the last axis. */
  rmsNorm({ weight, eps = 1e-6 }: Omit<NormOptions, "bias"> = {}): Tensor {
    return record("rmsNorm", () => {
      this.wantFloat("rmsNorm");
      const y = this.mul(this.square().mean(-1, { keepdim: true }).add(eps).rsqrt());
      return weight === undefined ? y : y.mul(weight);
    });
  }
  /** Per channel (axis 1), with running statistics: what a trained network does. */
  batchNorm(mean: Tensor, variance: Tensor, { weight, bias, eps = 1e-5 }: NormOptions = {}): Tensor {
    return record("batchNorm", () => {
      this.wantFloat("batchNorm");
      const along = (t: Tensor): Tensor => t.reshape([-1, ...this.shape.slice(2).map(() => 1)]);
      const centered = this.sub(along(mean)).mul(along(variance.add(eps).rsqrt()));
      const scaled = weight === undefined ? centered : centered.mul(along(weight));
      return bias === undefined ? scaled : scaled.add(along(bias));
    });
  }
  /** Per sample and group of channels. */
  groupNorm(groups: number, { weight, bias, eps = 1e-5 }: NormOptions = {}): Tensor {
    return record("groupNorm", () => {
      this.wantFloat("groupNorm");
      const [batch = 1, channels = 1, ...rest] = this.shape;
      const per = this.fixed("groupNorm", channels) / groups;
      if (!Number.isInteger(per))
        this.refuse("groupNorm", `${String(channels)} channels in ${groups} groups`, "they must divide");
      const x = this.reshape([batch, groups, per, ...rest]);
      const axes = x.shape.map((_, i) => i).slice(2);
      const centered = x.sub(x.mean(axes, { keepdim: true }));
      const spread = x.var(axes, { keepdim: true, correction: 0 }).add(eps).rsqrt();
      const along = (t: Tensor): Tensor => t.reshape([-1, ...rest.map(() => 1)]);
      const y = centered.mul(spread).reshape(this.shape);
      const scaled = weight === undefined ? y : y.mul(along(weight));
      return bias === undefined ? scaled : scaled.add(along(bias));
    });
  }
  /** Per sample and channel. */
  instanceNorm(options: NormOptions = {}): Tensor {
    return record("instanceNorm", () => this.groupNorm(this.fixed("instanceNorm", this.shape[1]), options));
  }

  private wantFloat(subject: string): void {
    if (!isFloat(this.dtype))
      this.refuse(subject, `${subject} of ${this.dtype}`, 'convert to a float first: x.to("f32")');
  }

  /** softmax(q k^T * scale + mask) v, for this as queries [..., length, features]. */
  scaledDotProductAttention(keys: Tensor, values: Tensor, options: AttentionOptions = {}): Tensor {
    return record("scaledDotProductAttention", (b) => {
      const { mask, isCausal = false } = options;
      if (mask !== undefined && isCausal)
        this.refuse("scaledDotProductAttention", "a mask and isCausal", "give one of them");
      const features = this.size(-1);
      const scale: Operand = options.scale ?? wrap(sizeScalar(b, features, this.dtype)).rsqrt();
      let scores = this.matmul(keys.transpose(-2, -1)).mul(scale);
      if (isCausal) {
        const [rows, columns] = [this.size(-2), keys.size(-2)];
        const ones = wrap(ir.full(b, "bool", [rows, columns], 1));
        scores = where(ones.tril(), scores, Number.NEGATIVE_INFINITY);
      } else if (mask !== undefined)
        scores = mask.dtype === "bool" ? where(mask, scores, Number.NEGATIVE_INFINITY) : scores.add(mask);
      return scores.softmax(-1).matmul(values);
    });
  }
}

/** Pairs [high, low] reversed back into [low, high], after the axes' order was reversed. */
function swapPair(all: readonly number[], i: number): number {
  return all[i % 2 === 0 ? i + 1 : i - 1] ?? 0;
}

/** y + bias along the channels' axis. */
function addChannels(y: Tensor, bias: Tensor | undefined): Tensor {
  if (bias === undefined) return y;
  return y.add(bias.reshape([-1, ...y.shape.slice(2).map(() => 1)]));
}

// Tensor methods that pool windows of the spatial axes: [batch, channels, ...spatial], the batch axis may be missing.

import * as ir from "../ir/build.js";
import type { Dim } from "../ir/dim.js";
import { DTYPES, intRange, isFloat } from "../ir/dtype.js";
import type { Builder, Value } from "../ir/graph.js";
import { wrap } from "./handle.js";
import { Layers, type PerAxis, perAxis } from "./layers.js";
import { record } from "./session.js";
import type { Tensor } from "./tensor.js";

export interface PoolOptions {
  /** By default the window's size. */
  readonly stride?: PerAxis;
  readonly padding?: PerAxis;
  /** Whether a window may begin inside and end outside. */
  readonly ceilMode?: boolean;
}

export interface MaxPoolOptions extends PoolOptions {
  readonly dilation?: PerAxis;
}

export interface AvgPoolOptions extends PoolOptions {
  /** Whether padding counts as elements (default). */
  readonly countIncludePad?: boolean;
  readonly divisorOverride?: number;
}

interface Windows {
  readonly lengths: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly low: readonly number[];
  /** At least `low`; more where ceilMode lets windows end outside. */
  readonly high: readonly number[];
}

export abstract class Pooling extends Layers {
  maxPool1d(window: PerAxis, options: MaxPoolOptions = {}): Tensor {
    return record("maxPool1d", () => this.maxPool("maxPool1d", 1, window, options));
  }
  maxPool2d(window: PerAxis, options: MaxPoolOptions = {}): Tensor {
    return record("maxPool2d", () => this.maxPool("maxPool2d", 2, window, options));
  }
  maxPool3d(window: PerAxis, options: MaxPoolOptions = {}): Tensor {
    return record("maxPool3d", () => this.maxPool("maxPool3d", 3, window, options));
  }
  avgPool1d(window: PerAxis, options: AvgPoolOptions = {}): Tensor {
    return record("avgPool1d", () => this.avgPool("avgPool1d", 1, window, options));
  }
  avgPool2d(window: PerAxis, options: AvgPoolOptions = {}): Tensor {
    return record("avgPool2d", () => this.avgPool("avgPool2d", 2, window, options));
  }
  avgPool3d(window: PerAxis, options: AvgPoolOptions = {}): Tensor {
    return record("avgPool3d", () => this.avgPool("avgPool3d", 3, window, options));
  }
  /** Means of windows chosen so that the spatial sizes become these; null keeps a size. */
  adaptiveAvgPool(sizes: readonly (number | null)[]): Tensor {
    return record("adaptiveAvgPool", () =>
      this.adaptive("adaptiveAvgPool", sizes, (part, axis) => part.mean(axis, { keepdim: true })),
    );
  }
  adaptiveMaxPool(sizes: readonly (number | null)[]): Tensor {
    return record("adaptiveMaxPool", () =>
      this.adaptive("adaptiveMaxPool", sizes, (part, axis) => part.amax(axis, { keepdim: true })),
    );
  }

  private maxPool(subject: string, spatial: number, window: PerAxis, options: MaxPoolOptions): Tensor {
    const x = this.batched(subject, spatial);
    const w = this.windows(subject, x, spatial, window, options);
    return record(subject, (b) => {
      const windows = cut(b, x.value, w, leastOf(b, x));
      const y = ir.reduceMax(
        b,
        windows,
        w.lengths.map((_, i) => spatial + 2 + i),
      );
      return this.unbatched(wrap(y), spatial);
    });
  }

  private avgPool(subject: string, spatial: number, window: PerAxis, options: AvgPoolOptions): Tensor {
    const { countIncludePad = true, divisorOverride } = options;
    const x = this.batched(subject, spatial);
    const w = this.windows(subject, x, spatial, window, options);
    return record(subject, (b) => {
      const windows = cut(b, x.value, w, ir.scalar(b, this.dtype, 0));
      const total = wrap(
        ir.sum(
          b,
          windows,
          w.lengths.map((_, i) => spatial + 2 + i),
        ),
      );
      const plain = w.high.every((n, i) => n === w.low[i] && (countIncludePad || n === 0));
      const whole = w.lengths.reduce((n, k) => n * k, 1);
      const divisor = divisorOverride ?? (plain ? whole : counts(b, x, w, countIncludePad));
      const mean = isFloat(this.dtype) ? total.div(divisor) : total.div(divisor, { roundingMode: "trunc" });
      return this.unbatched(mean, spatial);
    });
  }

  private windows(subject: string, x: Tensor, spatial: number, window: PerAxis, options: MaxPoolOptions): Windows {
    const lengths = perAxis(window, spatial, subject, "window");
    const strides = perAxis(options.stride ?? lengths, spatial, subject, "stride");
    const dilations = perAxis(options.dilation ?? 1, spatial, subject, "dilation");
    const low = perAxis(options.padding ?? 0, spatial, subject, "padding");
    if (low.some((n, i) => n < 0 || 2 * n > (lengths[i] ?? 0)))
      this.refuse(
        subject,
        `padding [${low.join(", ")}] of windows [${lengths.join(", ")}]`,
        "pad by half a window at most",
      );
    const high = low.map((edge, i) => {
      if (options.ceilMode !== true) return edge;
      const size = this.fixed(subject, x.shape[i + 2]);
      const reach = (dilations[i] ?? 1) * ((lengths[i] ?? 1) - 1) + 1;
      const stride = strides[i] ?? 1;
      let count = Math.ceil((size + 2 * edge - reach) / stride) + 1;
      // The last window must begin inside, or in the padding before.
      if ((count - 1) * stride >= size + edge) count--;
      return Math.max(edge, (count - 1) * stride + reach - size - edge);
    });
    return { lengths, strides, dilations, low, high };
  }

  private adaptive(
    subject: string,
    sizes: readonly (number | null)[],
    pool: (part: Tensor, axis: number) => Tensor,
  ): Tensor {
    let out = this.self;
    const first = this.rank - sizes.length;
    if (first < 1) this.refuse(subject, `${sizes.length} sizes for ${this.toString()}`, "give one per spatial axis");
    for (const [i, want] of sizes.entries()) {
      if (want === null) continue;
      const axis = first + i;
      if (want === 1) {
        out = pool(out, axis);
        continue;
      }
      const have = this.fixed(subject, out.shape[axis]);
      const parts = Array.from({ length: want }, (_, k) =>
        pool(out.slice(axis, Math.floor((k * have) / want), Math.ceil(((k + 1) * have) / want)), axis),
      );
      const whole = out;
      out = record(subject, (b) =>
        parts.length === 0
          ? whole.slice(axis, 0, 0)
          : wrap(
              ir.concat(
                b,
                parts.map((p) => p.value),
                axis,
              ),
            ),
      );
    }
    return out;
  }
}

/** The least value of a dtype: what max pooling pads with. */
function leastOf(b: Builder, x: Tensor): Value {
  const least = isFloat(x.dtype)
    ? Number.NEGATIVE_INFINITY
    : DTYPES[x.dtype].kind === "bool"
      ? 0
      : intRange(x.dtype).min;
  return ir.scalar(b, x.dtype, least);
}

function cut(b: Builder, x: Value, w: Windows, edge: Value): Value {
  const padded = ir.pad(b, x, edge, [0, 0, ...w.low], [0, 0, ...w.high]);
  const { lengths, strides, dilations } = w;
  return ir.window(b, padded, { axes: lengths.map((_, i) => i + 2), lengths, strides, dilations });
}

/** How many elements each window has: products of what it has along each axis. */
function counts(b: Builder, x: Tensor, w: Windows, includePad: boolean): Tensor {
  let product: Tensor | null = null;
  for (const [i, length] of w.lengths.entries()) {
    const size: Dim = x.shape[i + 2] ?? 1;
    const [low, high, stride] = [w.low[i] ?? 0, w.high[i] ?? 0, w.strides[i] ?? 1];
    const one = ir.scalar(b, x.dtype, 1);
    const zero = ir.scalar(b, x.dtype, 0);
    // What ceilMode adds beyond the padding never counts.
    const inner = ir.pad(b, ir.full(b, x.dtype, [size], 1), includePad ? one : zero, [low], [low]);
    const whole = ir.pad(b, inner, zero, [0], [high - low]);
    const windows = ir.window(b, whole, { axes: [0], lengths: [length], strides: [stride] });
    const count = wrap(ir.sum(b, windows, [1])).reshape([-1, ...w.lengths.slice(i + 1).map(() => 1)]);
    product = product === null ? count : product.mul(count);
  }
  return product ?? wrap(ir.scalar(b, x.dtype, 1));
}

// Tensor methods that take parts of a tensor and that put parts together. Parts are views: writing to one is seen by its
// base and by every other view. flip, roll, repeat and pad always copy.

import * as ir from "../ir/build.js";
import { add, ceildiv, type Dim, max, min, mul, neg, provenEqual, sub } from "../ir/dim.js";
import { wrap } from "./handle.js";
import { isTensor, operandValue, type Scalar } from "./promote.js";
import { record } from "./session.js";
import { Shapes } from "./shaping.js";
import type { Tensor } from "./tensor.js";
import { dynamicView, sliceView } from "./views.js";

/** One axis of `get` and `set`: an index, [start, end] or [start, end, step], a computed index, or null for all of it. */
export type Part =
  | number
  | readonly [Dim | null, Dim | null]
  | readonly [Dim | null, Dim | null, number]
  | Tensor
  | null;

/** A slice's bound as Python takes it: from the end where negative, within the axis. */
function bound(d: Dim, size: Dim): Dim {
  const from = typeof d === "number" && d < 0 ? add(size, d) : d;
  return max(0, min(from, size));
}

export abstract class Parts extends Shapes {
  /** Elements start, start + step, ... before end of an axis, as Python slices them. */
  slice(axis: number, start: Dim | null = null, end: Dim | null = null, step = 1): Tensor {
    return record("slice", () => {
      const at = this.axis(axis, "slice");
      if (this.rank === 0) this.refuse("slice", "a slice of a scalar", "reshape it to [1] first");
      if (!Number.isInteger(step) || step < 1)
        this.refuse("slice", `step ${step}`, "steps are 1 or more; flip reverses");
      const size = this.shape[at] ?? 1;
      const first = bound(start ?? 0, size);
      const length = max(0, ceildiv(sub(bound(end ?? size, size), first), step));
      return this.alias(sliceView(this.layout, at, length === 0 ? 0 : first, length, step));
    });
  }
  /** `length` elements of an axis from `start` on, which may be computed (an integer scalar). */
  narrow(axis: number, start: Dim | Tensor, length: Dim): Tensor {
    return record("narrow", () => {
      const at = this.axis(axis, "narrow");
      const size = this.shape[at] ?? 1;
      if (isTensor(start)) return this.alias(dynamicView(this.layout, at, start.valueFor("narrow"), length));
      const first = typeof start === "number" && start < 0 ? add(size, start) : start;
      const over = sub(add(first, length), size);
      if ((typeof over === "number" && over > 0) || (typeof first === "number" && first < 0))
        this.refuse(
          "narrow",
          `${String(length)} elements from ${String(start)} of ${this.toString()}`,
          "stay within the axis",
        );
      return this.alias(sliceView(this.layout, at, first, length, 1));
    });
  }
  /** One element of an axis, without the axis. A computed index is an integer scalar, 0 or more. */
  select(axis: number, index: Dim | Tensor): Tensor {
    return record("select", () => {
      const at = this.axis(axis, "select");
      if (this.rank === 0) this.refuse("select", "an element of a scalar's axis", "a scalar has no axes");
      if (isTensor(index)) return this.alias(dynamicView(this.layout, at, index.valueFor("select"), null));
      const size = this.shape[at] ?? 1;
      const place = typeof index === "number" && index < 0 ? add(size, index) : index;
      const beyond = typeof place === "number" && (place < 0 || (typeof size === "number" && place >= size));
      if (beyond)
        this.refuse("select", `index ${String(index)} of axis ${at} of ${this.toString()}`, "stay within the axis");
      const one = this.alias(sliceView(this.layout, at, place, 1, 1));
      return one.reshape([...this.shape.slice(0, at), ...this.shape.slice(at + 1)]);
    });
  }
  /** A part, one entry per axis from the left; the rest whole. A view: x.get([0, [1, 3]]) is Python's x[0, 1:3]. */
  get(parts: readonly Part[]): Tensor {
    return record("get", () => {
      if (parts.length > this.rank)
        this.refuse("get", `${parts.length} entries for ${this.toString()}`, `give at most ${this.rank}`);
      let out = this.self;
      let axis = 0;
      for (const part of parts) {
        if (part === null) axis++;
        else if (typeof part === "number" || isTensor(part)) out = out.select(axis, part);
        else out = out.slice(axis++, part[0], part[1], part[2] ?? 1);
      }
      return out;
    });
  }
  /** Parts of this size along an axis, the last maybe smaller; or of these sizes. */
  split(size: number | readonly Dim[], axis = 0): Tensor[] {
    return record("split", () => {
      const at = this.axis(axis, "split");
      const total = this.shape[at] ?? 1;
      const sizes = typeof size === "number" ? this.evenSizes(total, size) : size;
      if (!provenEqual(add(...sizes), total))
        this.refuse(
          "split",
          `sizes [${sizes.join(", ")}] of an axis of size ${String(total)}`,
          "they must add up to it",
        );
      let start: Dim = 0;
      return sizes.map((n) => {
        const part = this.narrow(at, start, n);
        start = add(start, n);
        return part;
      });
    });
  }
  private evenSizes(total: Dim, size: number): number[] {
    if (typeof total !== "number") return this.refuse("split", "an axis of a named size", "give the sizes as a list");
    if (total === 0) return [0];
    if (size < 1) return this.refuse("split", `parts of ${size}`, "parts have 1 element or more");
    return Array.from({ length: Math.ceil(total / size) }, (_, i) => Math.min(size, total - i * size));
  }
  /** At most this many parts of equal size along an axis, the last maybe smaller. */
  chunk(chunks: number, axis = 0): Tensor[] {
    return record("chunk", () => {
      const total = this.shape[this.axis(axis, "chunk")] ?? 1;
      const size = ceildiv(total, chunks);
      if (typeof size !== "number") return this.refuse("chunk", "an axis of a named size", "use split with sizes");
      if (size === 0) return Array.from({ length: chunks }, () => this.self);
      return this.split(size, axis);
    });
  }
  /** The elements of an axis, each without it. */
  unbind(axis = 0): Tensor[] {
    return record("unbind", () => {
      const n = this.shape[this.axis(axis, "unbind")] ?? 1;
      if (typeof n !== "number") return this.refuse("unbind", "an axis of a named size", "use scan(...) to go over it");
      return Array.from({ length: n }, (_, i) => this.select(axis, i));
    });
  }

  // ---- copies

  /** The order of these axes reversed. */
  flip(axes: number | readonly number[]): Tensor {
    return record("flip", (b) => wrap(ir.flip(b, this.valueFor("flip"), this.axes(axes, "flip"))));
  }
  /** Elements moved along an axis, what leaves it coming back at the other end. */
  roll(shift: number, axis: number): Tensor {
    return record("roll", (b) => {
      const at = this.axis(axis, "roll");
      const size = this.shape[at] ?? 1;
      if (this.rank === 0 || size === 0) return this.clone();
      if (typeof size !== "number")
        return this.refuse("roll", "an axis of a named size", "use an axis of a known size");
      const by = ((shift % size) + size) % size;
      const x = this.valueFor("roll");
      const parts = [ir.sliceAxis(b, x, at, size - by, by), ir.sliceAxis(b, x, at, 0, size - by)];
      return wrap(by === 0 ? x : ir.concat(b, parts, at));
    });
  }
  /** The whole tensor repeated this often along each axis; more counts than axes add axes at the left. */
  repeat(counts: readonly Dim[]): Tensor {
    return record("repeat", (b) => {
      const left = counts.length - this.rank;
      if (left < 0)
        this.refuse("repeat", `${counts.length} counts for ${this.toString()}`, "give one per axis or more");
      const shape = [...counts.slice(0, left).map(() => 1), ...this.shape];
      const spread = ir.reshape(
        b,
        this.valueFor("repeat"),
        shape.flatMap((d) => [1, d]),
      );
      const wide = ir.broadcast(
        b,
        spread,
        shape.flatMap((d, i) => [counts[i] ?? 1, d]),
      );
      return wrap(
        ir.reshape(
          b,
          wide,
          shape.map((d, i) => mul(counts[i] ?? 1, d)),
        ),
      );
    });
  }
  /** Edges of `value` added, given from the last axis backwards as PyTorch's pad: [left, right, top, bottom, ...]. */
  pad(edges: readonly number[], { value = 0 }: { readonly value?: Scalar } = {}): Tensor {
    return record("pad", (b) => {
      if (edges.length % 2 !== 0 || edges.length > 2 * this.rank)
        this.refuse("pad", `edges [${edges.join(", ")}] for ${this.toString()}`, "give two per axis, last axis first");
      let x = this.valueFor("pad");
      const low = this.shape.map((_, i) => edges[2 * (this.rank - 1 - i)] ?? 0);
      const high = this.shape.map((_, i) => edges[2 * (this.rank - 1 - i) + 1] ?? 0);
      // Negative edges cut.
      for (const [i, d] of this.shape.entries()) {
        const [l, h] = [Math.max(0, -(low[i] ?? 0)), Math.max(0, -(high[i] ?? 0))];
        if (l + h > 0) x = ir.sliceAxis(b, x, i, l, add(d, neg(l + h)));
      }
      const edge = operandValue(b, value, this.dtype, "pad");
      return wrap(
        ir.pad(
          b,
          x,
          edge,
          low.map((n) => Math.max(0, n)),
          high.map((n) => Math.max(0, n)),
        ),
      );
    });
  }
}

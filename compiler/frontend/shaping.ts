// Tensor methods that rearrange elements. As in PyTorch, most give views: writing to one is seen by its base and by
// every other view. reshape and flatten copy where no view has the shape (after permute, say); flip, roll, repeat and
// pad always copy.

import * as ir from "../ir/build.js";
import { add, ceildiv, type Dim, floordiv, max, min, mul, neg, provenEqual, sub } from "../ir/dim.js";
import { wrap } from "./handle.js";
import { isTensor, operandValue, type Scalar } from "./promote.js";
import { Reductions } from "./reduction.js";
import { formatShape, record, session } from "./session.js";
import { refuseTrace } from "./site.js";
import { isContiguous, viewStrides } from "./storage.js";
import type { Tensor } from "./tensor.js";
import { dynamicView, expandView, permuteView, reshapeView, sliceView } from "./views.js";

/** A size: a number, a dimension, or the name of one that the trace knows. -1 where the method says so. */
export type Size = Dim | string;

/** One axis of `get` and `set`: an index, [start, end] or [start, end, step], a computed index, or null for all of it. */
export type Part =
  | number
  | readonly [Dim | null, Dim | null]
  | readonly [Dim | null, Dim | null, number]
  | Tensor
  | null;

export function resolveSizes(sizes: readonly Size[], subject: string): Dim[] {
  return sizes.map((s) => (typeof s === "string" ? session(subject).sizeOf(s, subject) : s));
}

/** A slice's bound as Python takes it: from the end where negative, within the axis. */
function bound(d: Dim, size: Dim): Dim {
  const from = typeof d === "number" && d < 0 ? add(size, d) : d;
  return max(0, min(from, size));
}

export abstract class Shapes extends Reductions {
  private get layout(): { readonly shape: readonly Dim[]; readonly strides: readonly Dim[] } {
    return { shape: this.shape, strides: this.strides };
  }

  /** The same elements in another shape; one size may be -1. A view where PyTorch gives one, else a copy. */
  reshape(sizes: readonly Size[]): Tensor {
    return record("reshape", (b) => {
      const shape = this.complete(sizes, "reshape");
      const strides = viewStrides(this.shape, this.strides, shape);
      if (strides !== null) return this.alias(reshapeView(this.layout, shape, strides));
      return wrap(ir.reshape(b, this.valueFor("reshape"), shape));
    });
  }
  /** As reshape, and refused where it would be a copy. */
  view(sizes: readonly Size[]): Tensor {
    return record("view", () => {
      const shape = this.complete(sizes, "view");
      const strides = viewStrides(this.shape, this.strides, shape);
      if (strides !== null) return this.alias(reshapeView(this.layout, shape, strides));
      return this.refuse(
        "view",
        `no view of ${this.toString()} has the shape ${formatShape(shape)}, since its elements are not in that order`,
        "use reshape, which copies",
      );
    });
  }
  /** A copy if the elements are not in row-major order, else the tensor itself. */
  contiguous(): Tensor {
    return isContiguous(this.shape, this.strides) ? this.self : this.clone();
  }
  /** A copy that shares nothing. */
  clone(): Tensor {
    return record("clone", () => wrap(this.valueFor("clone")));
  }
  /** Axes start..end as one. */
  flatten(start = 0, end = -1): Tensor {
    return record("flatten", () => {
      if (this.rank === 0) return this.reshape([1]);
      const [first, last] = [this.axis(start, "flatten"), this.axis(end, "flatten")];
      if (first > last) this.refuse("flatten", `start axis ${start} comes after end axis ${end}`, "swap them");
      if (first === last) return this.self;
      const one = mul(1, ...this.shape.slice(first, last + 1));
      return this.reshape([...this.shape.slice(0, first), one, ...this.shape.slice(last + 1)]);
    });
  }
  /** One axis as several; one size may be -1. */
  unflatten(axis: number, sizes: readonly Size[]): Tensor {
    return record("unflatten", () => {
      const at = this.axis(axis, "unflatten");
      const parts = completeSizes(this.shape[at] ?? 1, resolveSizes(sizes, "unflatten"), "unflatten");
      return this.reshape([...this.shape.slice(0, at), ...parts, ...this.shape.slice(at + 1)]);
    });
  }
  permute(axes: readonly number[]): Tensor {
    return record("permute", () => {
      const perm = this.axes(axes, "permute");
      if (perm.length !== this.rank)
        this.refuse("permute", `axes [${axes.join(", ")}] of ${this.toString()}`, `name all ${this.rank} axes once`);
      return this.alias(permuteView(this.layout, perm));
    });
  }
  /** Two axes swapped. */
  transpose(a: number, b: number): Tensor {
    return record("transpose", () => {
      const [p, q] = [this.axis(a, "transpose"), this.axis(b, "transpose")];
      if (this.rank === 0) return this.self;
      return this.alias(
        permuteView(
          this.layout,
          this.shape.map((_, i) => (i === p ? q : i === q ? p : i)),
        ),
      );
    });
  }
  /** Transpose of a matrix. */
  t(): Tensor {
    return record("t", () => {
      if (this.rank > 2) this.refuse("t", `t of ${this.toString()}`, "t is for up to two axes: use transpose(a, b)");
      return this.rank < 2 ? this.self : this.transpose(0, 1);
    });
  }
  /** Axes moved to other places, the rest in order. */
  movedim(from: number | readonly number[], to: number | readonly number[]): Tensor {
    return record("movedim", () => {
      const [src, dst] = [this.axes(from, "movedim"), this.axes(to, "movedim")];
      if (src.length !== dst.length)
        this.refuse("movedim", `${src.length} axes to ${dst.length} places`, "give as many");
      const rest = this.shape.map((_, i) => i).filter((i) => !src.includes(i));
      return this.permute(
        this.shape.map((_, i) => (dst.includes(i) ? (src[dst.indexOf(i)] ?? i) : (rest.shift() ?? i))),
      );
    });
  }
  /** Without the given axes where their size is 1; without all of size 1 where none are given. */
  squeeze(axes: number | readonly number[] | null = null): Tensor {
    return record("squeeze", () => {
      const list = this.axes(axes, "squeeze");
      return this.reshape(this.shape.filter((d, i) => !(list.includes(i) && d === 1)));
    });
  }
  /** A new axis of size 1 at this place. */
  unsqueeze(axis: number): Tensor {
    return record("unsqueeze", () => {
      const at = this.axis(axis, "unsqueeze", this.rank + 1);
      return this.reshape([...this.shape.slice(0, at), 1, ...this.shape.slice(at)]);
    });
  }
  /** Axes of size 1 repeated without a copy; -1 keeps a size. */
  expand(sizes: readonly Size[]): Tensor {
    return record("expand", () => {
      const want = resolveSizes(sizes, "expand");
      const left = want.length - this.rank;
      const shape = want.map((d, i) => (d === -1 && i >= left ? (this.shape[i - left] ?? 1) : d));
      const fits = shape.every((d, i) => {
        const have = i < left ? 1 : (this.shape[i - left] ?? 1);
        return d !== -1 && (have === 1 || typeof have !== "number" || typeof d !== "number" || have === d);
      });
      if (left < 0 || !fits)
        this.refuse(
          "expand",
          `${this.toString()} does not expand to ${formatShape(want)}`,
          "axes align at the right, and only axes of size 1 can be repeated",
        );
      return this.alias(expandView(this.layout, shape));
    });
  }
  expandAs(other: Tensor): Tensor {
    return this.expand(other.shape);
  }

  // ---- parts

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

  private complete(sizes: readonly Size[], subject: string): Dim[] {
    return completeSizes(this.numel(), resolveSizes(sizes, subject), subject, this.toString());
  }
}

/** Sizes with a -1 filled in, which must have `total` elements. */
function completeSizes(total: Dim, sizes: readonly Dim[], subject: string, of = String(total)): Dim[] {
  const known = mul(1, ...sizes.filter((d) => d !== -1));
  const open = sizes.filter((d) => d === -1).length;
  const rest = open === 1 && known !== 0 ? floordiv(total, known) : 1;
  const fits = open <= 1 && (known === 0 ? open === 0 && total === 0 : fitsProduct(mul(rest, known), total, open));
  if (!fits)
    refuseTrace(
      "unsupported_shape",
      subject,
      `${subject}: ${of} does not have the shape ${formatShape(sizes)}`,
      "the number of elements must stay the same, and one size at most can be -1",
    );
  return sizes.map((d) => (d === -1 ? rest : d));
}

/** Named sizes that cannot be compared here are checked when the model runs. */
function fitsProduct(have: Dim, want: Dim, open: number): boolean {
  if (provenEqual(have, want)) return true;
  return open === 0 && (typeof have !== "number" || typeof want !== "number");
}

// Tensor methods that give the same elements another shape or order of axes. As in PyTorch, most give views: writing to
// one is seen by its base and by every other view. reshape and flatten copy where no view has the shape (after permute,
// say).

import * as ir from "../ir/build.js";
import { type Dim, floordiv, mul, provenEqual } from "../ir/dim.js";
import { wrap } from "./handle.js";
import { Reductions } from "./reduction.js";
import { formatShape, record, session } from "./session.js";
import { refuseTrace } from "./site.js";
import { isContiguous, viewStrides } from "./storage.js";
import type { Tensor } from "./tensor.js";
import { expandView, permuteView, reshapeView } from "./views.js";

/** A size: a number, a dimension, or the name of one that the trace knows. -1 where the method says so. */
export type Size = Dim | string;

export function resolveSizes(sizes: readonly Size[], subject: string): Dim[] {
  return sizes.map((s) => (typeof s === "string" ? session(subject).sizeOf(s, subject) : s));
}

export abstract class Shapes extends Reductions {
  protected get layout(): { readonly shape: readonly Dim[]; readonly strides: readonly Dim[] } {
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

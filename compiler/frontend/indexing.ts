// Tensor methods whose element positions are data. Indices are integer tensors, 0 or more; one that is out of range is
// an error when the model runs.

import * as ir from "../ir/build.js";
import { type Dim, provenLess, range } from "../ir/dim.js";
import { isInteger } from "../ir/dtype.js";
import type { Builder, Value } from "../ir/graph.js";
import { elementCount } from "../ir/types.js";
import { scaled, where } from "./arithmetic.js";
import { wrap } from "./handle.js";
import { Parts } from "./parts.js";
import { isTensor, type Operand, operandValue, type Scalar } from "./promote.js";
import type { Extreme } from "./reduction.js";
import { record } from "./session.js";
import type { Tensor } from "./tensor.js";

/** How scattered values meet what is there. */
export interface ScatterOptions {
  readonly reduce?: "set" | "add" | "mul" | "min" | "max";
}

export abstract class Indexing extends Parts {
  /** out[i][j] = x[index[i][j]][j] for axis 0, and so on: the index has this tensor's rank and gives the shape. */
  gather(axis: number, index: Tensor): Tensor {
    return record("gather", (b) => {
      const x = this.valueFor("gather");
      if (this.rank === 0) return wrap(ir.take(b, ir.reshape(b, x, [1]), this.indices("gather", index)));
      const at = this.axis(axis, "gather");
      return wrap(ir.take(b, x, this.positions(b, "gather", at, index)));
    });
  }
  /** gather, after index and tensor are broadcast to each other except along the axis. */
  takeAlongDim(index: Tensor, axis: number | null = null): Tensor {
    return record("takeAlongDim", () => {
      if (axis === null) return this.flatten().gather(0, index.flatten());
      const at = this.axis(axis, "takeAlongDim");
      const common = this.shape.map((d, i) => (d === 1 ? (index.shape[i] ?? 1) : d));
      const shaped = (t: Tensor): Tensor => t.expand(common.map((d, i) => (i === at ? (t.shape[i] ?? 1) : d)));
      return shaped(this.self).gather(at, shaped(index));
    });
  }
  /** Elements of the tensor in row-major order at these positions. */
  take(index: Tensor): Tensor {
    return record("take", (b) => wrap(ir.take(b, this.valueFor("take"), this.indices("take", index))));
  }
  /** Whole rows of an axis, by a vector of indices. */
  indexSelect(axis: number, index: Tensor): Tensor {
    return record("indexSelect", (b) => {
      const at = this.axis(axis, "indexSelect");
      if (index.rank > 1) this.refuse("indexSelect", `indices ${index.toString()}`, "give a vector");
      const i = this.indices("indexSelect", index);
      if (this.rank === 0) return wrap(ir.reshape(b, ir.take(b, ir.reshape(b, this.value, [1]), i), []));
      const list = ir.reshape(b, i, [elementCount(index.shape)]);
      return wrap(ir.gather(b, this.valueFor("indexSelect"), list, at));
    });
  }
  /** Rows of a weight by this tensor's indices: the shape of the indices, then the weight's row. */
  embedding(weight: Tensor): Tensor {
    return record("embedding", (b) => {
      if (weight.rank !== 2) this.refuse("embedding", `a weight ${weight.toString()}`, "give [rows, features]");
      return wrap(ir.gather(b, weight.valueFor("embedding"), this.indices("embedding", this.self), 0));
    });
  }
  /** 1 at each index of a new last axis (i64). An index out of range gives only zeros. */
  oneHot(classes: number): Tensor {
    return record("oneHot", (b) => {
      const index = ir.cast(b, this.indices("oneHot", this.self), "i64");
      const wide = ir.reshape(b, index, [...this.shape, 1]);
      return wrap(ir.cast(b, ir.eq(b, wide, ir.iota(b, "i64", [classes])), "i64"));
    });
  }

  /** A copy with values put where gather would read: the contrary of gather. */
  scatter(axis: number, index: Tensor, source: Tensor | Scalar, { reduce = "set" }: ScatterOptions = {}): Tensor {
    return record("scatter", (b) => {
      const at = this.axis(axis, "scatter");
      const x = this.valueFor("scatter");
      if (this.rank === 0)
        return this.reshape([1])
          .scatter(0, index.reshape([1]), reshaped(source), { reduce })
          .reshape([]);
      let updates = operandValue(b, source, this.dtype, "scatter");
      if (isTensor(source)) {
        const fits = source.rank === index.rank;
        if (!fits) this.refuse("scatter", `a source ${source.toString()}`, `give it the rank of ${index.toString()}`);
        // The source may be larger than the index.
        updates = ir.slice(
          b,
          updates,
          index.shape.map(() => 0),
          index.shape,
        );
      } else updates = ir.broadcast(b, updates, index.shape);
      return wrap(ir.scatter(b, x, this.positions(b, "scatter", at, index), updates, reduce));
    });
  }
  scatterAdd(axis: number, index: Tensor, source: Tensor): Tensor {
    return record("scatterAdd", () => this.scatter(axis, index, source, { reduce: "add" }));
  }
  /** A copy with rows of an axis added to, by a vector of indices. */
  indexAdd(axis: number, index: Tensor, source: Tensor, { alpha = 1 }: { readonly alpha?: Scalar } = {}): Tensor {
    return record("indexAdd", () =>
      this.putRows("indexAdd", axis, index, alpha === 1 ? source : scaled(source, alpha), "add"),
    );
  }
  indexCopy(axis: number, index: Tensor, source: Tensor): Tensor {
    return record("indexCopy", () => this.putRows("indexCopy", axis, index, source, "set"));
  }
  private putRows(subject: string, axis: number, index: Tensor, source: Tensor, reduce: "add" | "set"): Tensor {
    const at = this.axis(axis, subject);
    if (this.rank === 0)
      return this.reshape([1])
        .putRows(subject, 0, index.reshape([1]), source.reshape([1]), reduce)
        .reshape([]);
    const list = index.reshape(source.shape.map((_, i) => (i === at ? -1 : 1)));
    return this.scatter(at, list.expand(source.shape), source, { reduce });
  }

  /** Values along an axis in order, and where they were (i64). Stable; NaN counts as the greatest. */
  sort(axis = -1, { descending = false }: { readonly descending?: boolean } = {}): Extreme {
    return record("sort", (b) => {
      const at = this.axis(axis, "sort");
      const x = this.valueFor("sort");
      if (this.rank === 0) return { values: wrap(x), indices: wrap(ir.scalar(b, "i64", 0)) };
      const { values, indices } = ir.sort(b, x, at, descending);
      return { values: wrap(values), indices: wrap(indices) };
    });
  }
  argsort(axis = -1, options: { readonly descending?: boolean } = {}): Tensor {
    return record("argsort", () => this.sort(axis, options).indices);
  }
  /** The k greatest (or least) along an axis, greatest (least) first. */
  topk(k: Dim, axis = -1, { largest = true }: { readonly largest?: boolean } = {}): Extreme {
    return record("topk", (b) => {
      if (this.rank === 0) return this.sort(axis, { descending: largest });
      const at = this.axis(axis, "topk");
      const size = this.shape[at] ?? 0;
      if (range(k).hi < 0 || provenLess(size, k))
        return this.refuse("topk", `${String(k)} of ${String(size)} elements`, "take from none to all of the axis");
      const { values, indices } = ir.sort(b, this.valueFor("topk"), at, largest, k);
      return { values: wrap(values), indices: wrap(indices) };
    });
  }

  /** 0 above (right of) this diagonal of the last two axes. */
  tril(diagonal = 0): Tensor {
    return this.triangle("tril", (rows, columns) => columns.sub(rows).le(diagonal));
  }
  /** 0 below this diagonal of the last two axes. */
  triu(diagonal = 0): Tensor {
    return this.triangle("triu", (rows, columns) => columns.sub(rows).ge(diagonal));
  }
  private triangle(subject: string, keep: (rows: Tensor, columns: Tensor) => Tensor): Tensor {
    return record(subject, (b) => {
      const [rows, columns] = this.shape.slice(-2);
      if (rows === undefined || columns === undefined)
        return this.refuse(subject, this.toString(), "give two axes or more");
      const mask = keep(wrap(ir.iota(b, "i64", [rows, 1], 0)), wrap(ir.iota(b, "i64", [1, columns], 1)));
      const zero: Operand = this.dtype === "bool" ? false : 0;
      return where(mask, this.self, zero).to(this.dtype);
    });
  }
  /** Each element (or row of an axis) this often in a row. */
  repeatInterleave(count: number, axis: number | null = null): Tensor {
    return record("repeatInterleave", () => {
      if (axis === null) return this.flatten().repeatInterleave(count, 0);
      const at = this.axis(axis, "repeatInterleave");
      const x = this.rank === 0 ? this.reshape([1]) : this.self;
      const wide = [...x.shape.slice(0, at + 1), count, ...x.shape.slice(at + 1)];
      return x
        .unsqueeze(at + 1)
        .expand(wide)
        .flatten(at, at + 1)
        .clone();
    });
  }

  private indices(subject: string, index: Tensor): Value {
    if (isInteger(index.dtype)) return index.valueFor(subject);
    return this.refuse(subject, `indices ${index.toString()}`, "indices are integers, best i64");
  }

  /** Row-major positions in this tensor that an index along an axis means. */
  private positions(b: Builder, subject: string, at: number, index: Tensor): Value {
    let i = ir.cast(b, this.indices(subject, index), "i64");
    if (index.rank !== this.rank && !(index.rank === 0 && this.rank === 1))
      this.refuse(subject, `an index ${index.toString()} for ${this.toString()}`, "give both the same rank");
    // In an inner axis a position beyond the end would be another row: look the index up, so that it fails instead.
    if (at > 0) i = ir.gather(b, ir.iota(b, "i64", [this.shape[at] ?? 1]), i, 0);
    let flat: Value | null = null;
    for (const [axis] of this.shape.entries()) {
      const along = axis === at ? i : ir.iota(b, "i64", index.shape, axis);
      const stride = elementCount(this.shape.slice(axis + 1));
      const part = stride === 1 ? along : ir.mul(b, along, ir.dimValue(b, stride));
      flat = flat === null ? part : ir.add(b, flat, part);
    }
    return flat ?? i;
  }
}

function reshaped(source: Tensor | Scalar): Tensor | Scalar {
  return isTensor(source) ? source.reshape([1]) : source;
}

// Products and convolutions of 8-bit values with known 8-bit weights, with zero points that are constants, that data decides
// and that there are none of; values also at the ends of their ranges, which would show a sum that saturates.

import * as ir from "../../compiler/ir/build.js";
import type { Dim } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { intRange } from "../../compiler/ir/dtype.js";
import type { Builder, Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { randomOf } from "./sample.js";

type Zero = "none" | "known" | "data";

interface Case {
  readonly x: DType;
  readonly w: DType;
  readonly zero: Zero;
  /** Values at the ends of the types' ranges alone. */
  readonly extreme: boolean;
}

export interface Made {
  readonly inputs: Value[];
  readonly feeds: Record<string, Tensor>;
  readonly outputs: Record<string, Value>;
}

export class Maker {
  readonly #b: Builder;
  readonly #random = randomOf(11);
  readonly made: Made = { inputs: [], feeds: {}, outputs: {} };

  constructor(b: Builder) {
    this.#b = b;
  }

  tensor(dtype: DType, shape: readonly number[], extreme: boolean): Tensor {
    const { min, max } = intRange(dtype);
    const [lo, hi] = [Number(min), Number(max)];
    const draw = (): number => {
      const at = this.#random();
      return extreme ? (at < 0.5 ? lo : hi) : lo + Math.floor(at * (hi - lo + 1));
    };
    return tensorFrom(dtype, shape, Array.from({ length: shape.reduce((n, d) => n * d, 1) }, draw));
  }

  input(name: string, t: Tensor, shape: readonly Dim[] = t.shape): Value {
    const v = ir.input(this.#b, name, t.dtype, shape);
    this.made.inputs.push(v);
    this.made.feeds[name] = t;
    return v;
  }

  /** x as whole numbers of 32 bits, less its zero. */
  centered(name: string, x: Value, zero: Zero): Value {
    const b = this.#b;
    const wide = ir.cast(b, x, "i32");
    if (zero === "none") return wide;
    const point =
      zero === "known"
        ? ir.constant(b, tensorFrom(x.type.dtype, [], [100]))
        : this.input(`${name}.zero`, tensorFrom(x.type.dtype, [], [77]));
    return ir.sub(b, wide, ir.cast(b, point, "i32"));
  }

  known(dtype: DType, shape: readonly number[], extreme: boolean): Value {
    return ir.cast(this.#b, ir.constant(this.#b, this.tensor(dtype, shape, extreme)), "i32");
  }
}

const CASES: readonly Case[] = (["u8", "i8"] as const).flatMap((x) =>
  (["none", "known", "data"] as const).flatMap((zero) =>
    [false, true].map((extreme): Case => ({ x, w: "i8", zero, extreme })),
  ),
);

const PRODUCTS = [
  [1, 64, 16],
  [1, 31, 9],
  [3, 7, 4],
  [9, 20, 6],
  [16, 33, 24],
  [21, 6, 13],
  [37, 50, 67],
] as const;

export function products(b: Builder, rowsOf: (m: number) => Dim): Made {
  const maker = new Maker(b);
  for (const [i, { x, w, zero, extreme }] of CASES.entries())
    for (const [m, k, n] of PRODUCTS) {
      const name = `${i}_${m}x${k}x${n}`;
      const a = maker.input(name, maker.tensor(x, [m, k], extreme), [rowsOf(m), k]);
      maker.made.outputs[`y${name}`] = ir.matmul(
        b,
        maker.centered(name, a, zero),
        maker.known(w, [k, n], extreme),
        "i32",
      );
    }
  return maker.made;
}

const CONVS = [
  { from: 3, to: 8, size: [9, 10], window: 3, groups: 1, pad: 1, stride: 1 },
  { from: 16, to: 12, size: [6, 7], window: 3, groups: 1, pad: 1, stride: 2 },
  { from: 7, to: 9, size: [5, 5], window: 1, groups: 1, pad: 0, stride: 1 },
  { from: 10, to: 16, size: [6, 5], window: 3, groups: 2, pad: 1, stride: 1 },
  { from: 8, to: 8, size: [6, 9], window: 3, groups: 8, pad: 1, stride: 1 },
] as const;

export function convolutions(b: Builder): Made {
  const maker = new Maker(b);
  for (const [i, { x, w, zero, extreme }] of CASES.entries())
    for (const [j, { from, to, size, window, groups, pad, stride }] of CONVS.entries()) {
      const name = `${i}_${j}`;
      const a = maker.input(name, maker.tensor(x, [1, from, ...size], extreme));
      const weight = maker.known(w, [to, from / groups, window, window], extreme);
      maker.made.outputs[`y${name}`] = ir.conv(b, maker.centered(name, a, zero), weight, {
        groups,
        low: [pad, pad],
        high: [pad, pad],
        strides: [stride, stride],
        dtype: "i32",
      });
    }
  return maker.made;
}

// What a random graph is made with: the values so far, and the small numbers that its steps draw from.

import * as ir from "../../compiler/ir/build.js";
import { type Dim, sym } from "../../compiler/ir/dim.js";
import { type DType, isFloat } from "../../compiler/ir/dtype.js";
import { type Binding, Builder, TypeIssue, type Value } from "../../compiler/ir/graph.js";
import { randomOf, sampleTensor } from "./sample.js";

export interface RandomGraphOptions {
  /** Most steps; default 12. */
  readonly steps?: number;
  /** Only float ops whose result moves little when an operand moves little: for comparisons with a tolerance. */
  readonly smooth?: boolean;
  /** Symbolic sizes; default true. */
  readonly symbolic?: boolean;
  /** if and loop; default true. */
  readonly control?: boolean;
  /** Dtypes of inputs; default f32, i32, i64, bool and f16. */
  readonly dtypes?: readonly DType[];
  /** The first input is an image and most steps are convolutions or what stands between them. */
  readonly network?: boolean;
  /** Only these steps, by name (see STEPS). */
  readonly only?: readonly string[];
}

/** Numbers that one step draws from. */
export interface Step {
  readonly op: number;
  readonly draws: readonly number[];
}

export const MOST_ELEMENTS = 1000;
export class Maker {
  readonly b = new Builder();
  readonly pool: Value[] = [];
  readonly inputs: Value[] = [];
  readonly bindings: Binding[] = [];
  readonly options: RandomGraphOptions;
  /** Steps take the newest value that fits: for chains that a pass may shorten. */
  chained = false;
  #draws: readonly number[] = [];
  #at = 0;
  #fresh = 0;

  constructor(options: RandomGraphOptions) {
    this.options = options;
  }

  start(step: Step): void {
    this.#draws = step.draws;
    this.#at = 0;
  }

  /** A number below n. */
  below(n: number): number {
    const d = this.#draws[this.#at++ % Math.max(1, this.#draws.length)] ?? 0;
    return n <= 0 ? 0 : d % n;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[this.below(list.length)];
  }

  /** A value that fits, late ones more often. */
  value(fits: (v: Value) => boolean = () => true): Value {
    const good = this.pool.filter(fits);
    const late = good.slice(this.chained ? -1 : -3);
    if (this.chained && late.length > 0) return late[0] ?? skip();
    return this.pick(this.below(3) > 0 ? late : good) ?? skip();
  }

  float(): Value {
    return this.value((v) => isFloat(v.type.dtype));
  }

  /** A constant with random elements. */
  constant(dtype: DType, shape: readonly number[]): Value {
    return ir.constant(this.b, sampleTensor(dtype, shape, randomOf(this.below(1000))));
  }

  fresh(hi: number): Dim {
    return sym(`s${this.#fresh++}`, 0, hi);
  }

  axis(v: Value): number {
    return v.type.shape.length === 0 ? skip() : this.below(v.type.shape.length);
  }

  /** A value that broadcasts with x: x's like, or a constant of part of its shape. */
  partner(x: Value): Value {
    const like = this.pool.filter((v) => v.type.dtype === x.type.dtype && broadcasts(v, x));
    const chosen = this.below(3) > 0 ? this.pick(like) : undefined;
    if (chosen !== undefined) return chosen;
    const known = x.type.shape.map((d) => (typeof d === "number" && this.below(2) > 0 ? d : 1));
    const shape = known.slice(this.below(known.length + 1));
    if (this.below(4) > 0) return this.constant(x.type.dtype, shape);
    const number = this.pick([0, 1, 2, -1, 4]) ?? 0;
    return ir.scalar(this.b, x.type.dtype, x.type.dtype === "bool" ? number & 1 : number);
  }
}

/** Ends a step that does not fit. */
export function skip(): never {
  throw new TypeIssue("skip");
}

export function broadcasts(v: Value, x: Value): boolean {
  const { shape } = v.type;
  return shape.every((d, i) => {
    const e = x.type.shape[x.type.shape.length - shape.length + i];
    return d === 1 || e === undefined || e === 1 || d === e;
  });
}

export const known = (v: Value): readonly number[] => v.type.shape.map((d) => (typeof d === "number" ? d : skip()));
export const scalar = (dtype: DType) => (v: Value) => v.type.dtype === dtype && v.type.shape.length === 0;

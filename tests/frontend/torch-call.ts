// A call of PyTorch as the golden files describe it, with accessors by position or keyword.

import type { Size } from "../../compiler/frontend/shaping.js";
import { Tensor } from "../../compiler/frontend/tensor.js";
import type { DType } from "../../compiler/ir/dtype.js";

export type Arg = Tensor | number | boolean | string | null | { readonly dtype: DType } | readonly Arg[];

/** A form of the call that the API does not have; counted, not failed. */
export class OtherForm extends Error {}

export class Call {
  readonly input: Arg;
  readonly args: readonly Arg[];
  readonly kwargs: Readonly<Record<string, Arg>>;
  readonly #used = new Set<string>();

  constructor(input: Arg, args: readonly Arg[], kwargs: Readonly<Record<string, Arg>>) {
    this.input = input;
    this.args = args;
    this.kwargs = kwargs;
  }

  get(i: number, name: string): Arg | undefined {
    this.#used.add(String(i)).add(name);
    return i < this.args.length && i >= 0 ? this.args[i] : this.kwargs[name];
  }

  /** Every argument was understood; `device` and the like say nothing about values. */
  finish(): void {
    const idle = [
      "device",
      "requires_grad",
      "stable",
      "sorted",
      "inplace",
      "need_attn_weights",
      "dropout_p",
      "momentum",
      "padding_idx",
    ];
    for (const [i] of this.args.entries()) if (!this.#used.has(String(i))) throw new OtherForm(`argument ${i}`);
    for (const k of Object.keys(this.kwargs)) if (!this.#used.has(k) && !idle.includes(k)) throw new OtherForm(k);
  }

  get x(): Tensor {
    if (this.input instanceof Tensor) return this.input;
    throw new OtherForm("the input is not a tensor");
  }
  t(i: number, name = "other"): Tensor {
    const a = this.get(i, name);
    if (a instanceof Tensor) return a;
    throw new OtherForm(`${name} is not a tensor`);
  }
  maybeT(i: number, name: string): Tensor | undefined {
    const a = this.get(i, name);
    return a === undefined || a === null ? undefined : this.t(i, name);
  }
  operand(i: number, name = "other"): Tensor | number | boolean {
    const a = this.get(i, name);
    if (a instanceof Tensor || typeof a === "number" || typeof a === "boolean") return a;
    throw new OtherForm(`${name} is ${JSON.stringify(a)}`);
  }
  maybeOperand(i: number, name: string): Tensor | number | boolean | null {
    const a = this.get(i, name);
    return a === undefined || a === null ? null : this.operand(i, name);
  }
  n(i: number, name: string, otherwise?: number): number {
    const a = this.get(i, name) ?? otherwise;
    if (typeof a === "number") return a;
    throw new OtherForm(`${name} is ${JSON.stringify(a)}`);
  }
  maybeN(i: number, name: string): number | undefined {
    const a = this.get(i, name);
    return a === undefined || a === null ? undefined : this.n(i, name);
  }
  flag(i: number, name: string, otherwise = false): boolean {
    const a = this.get(i, name);
    return typeof a === "boolean" ? a : otherwise;
  }
  text(i: number, name: string): string | undefined {
    const a = this.get(i, name);
    return typeof a === "string" ? a : undefined;
  }
  list(i: number, name: string): number[] {
    const a = this.get(i, name);
    if (Array.isArray(a) && a.every((d) => typeof d === "number")) return a;
    throw new OtherForm(`${name} is ${JSON.stringify(a)}`);
  }
  perAxis(i: number, name: string): number | number[] | undefined {
    const a = this.get(i, name);
    if (a === undefined || a === null || (Array.isArray(a) && a.length === 0)) return undefined;
    return typeof a === "number" ? a : this.list(i, name);
  }
  /** Axes: a number, a list (empty means all), or all of them. */
  axes(i: number, name = "dim"): number | number[] | null {
    const a = this.perAxis(i, name);
    return a ?? null;
  }
  /** A shape given as one list or as several numbers. */
  sizes(from = 0): Size[] {
    const a = this.get(from, "size");
    if (Array.isArray(a)) return this.list(from, "size");
    return this.args.slice(from).map((_, i) => this.n(from + i, "size"));
  }
  dtype(i: number, name = "dtype"): DType | undefined {
    const a = this.get(i, name);
    return typeof a === "object" && a !== null && !(a instanceof Tensor) && "dtype" in a ? a.dtype : undefined;
  }
  tensors(): Tensor[] {
    const list = Array.isArray(this.input) ? this.input : [this.input, ...this.args];
    this.args.forEach((_, i) => {
      if (!Array.isArray(this.input)) this.get(i, "");
    });
    return list.filter((t): t is Tensor => t instanceof Tensor);
  }
}

type Given<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Options without those that were not given. */
export function given<T extends object>(options: T): Given<T> {
  return Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) as Given<T>;
}

export type Adapter = (c: Call) => Tensor | readonly Tensor[];

// One input, output or state as the runner uses it: its place in memory as a typed array made once, its dimensions as
// functions, and the last shape seen. Nothing here allocates when a shape stays the same.

import { compileDim, constantDim, type DimFn, shapeText } from "./dims.js";
import { bytesOf, copyOf, type DType, type TypedArray, viewOf } from "./dtype.js";
import type { PortSpec } from "./format.js";
import type { StringTable } from "./strings.js";
import { TensorView } from "./tensor.js";

export interface PortInfo {
  readonly name: string;
  readonly dtype: DType;
  /** Sizes, or the text of an expression of symbols. */
  readonly shape: readonly (number | string)[];
}

export class BoundPort {
  readonly name: string;
  readonly dtype: DType;
  /** For people: `f32[n, 4]`. */
  readonly text: string;
  readonly info: PortInfo;
  /** All the elements that its bytes can hold, in place. */
  readonly full: TypedArray;
  readonly offset: number;
  readonly rank: number;
  /** Each dimension: a constant, or null where it depends on symbols. */
  readonly constants: readonly (number | null)[];
  /** The only dimension that is not constant; -1 where there are none, null where there are several. */
  readonly openAxis: number | null;
  readonly #dims: readonly DimFn[];
  #shape: readonly number[] = [];
  #elems = -1;
  /** The elements of the shape, in place. */
  #elements: TypedArray | null = null;
  #view: TensorView | null = null;

  constructor(spec: PortSpec, buffer: ArrayBufferLike, slot: (name: string) => number) {
    this.name = spec.name;
    this.dtype = spec.dtype;
    this.text = `${spec.dtype}${shapeText(spec.shape)}`;
    this.constants = spec.shape.map(constantDim);
    this.info = {
      name: spec.name,
      dtype: spec.dtype,
      shape: spec.shape.map((d, i) => this.constants[i] ?? (typeof d === "number" ? d : shapeText([d]).slice(1, -1))),
    };
    this.offset = spec.offset;
    this.rank = spec.shape.length;
    this.full = viewOf(spec.dtype, buffer, spec.offset, Math.floor(spec.bytes / bytesOf(spec.dtype)));
    this.#dims = spec.shape.map((d) => compileDim(d, slot));
    const open = this.constants.flatMap((c, axis) => (c === null ? [axis] : []));
    this.openAxis = open.length === 0 ? -1 : open.length === 1 ? (open[0] ?? null) : null;
    if (this.openAxis === -1) this.evaluate([]);
  }

  /** The shape that evaluate() or setShape() left. */
  get shape(): readonly number[] {
    return this.#shape;
  }

  /** Elements of that shape; -1 before there is one. */
  get elems(): number {
    return this.#elems;
  }

  /** Takes a shape whose sizes are whole and not negative. False where it does not fit the port's bytes. */
  setShape(shape: readonly number[]): boolean {
    if (this.isShape(shape)) return true;
    let elems = 1;
    for (const size of shape) elems *= size;
    if (!(elems <= this.full.length)) return false;
    this.#shape = shape.slice();
    this.#elems = elems;
    this.#elements = null;
    this.#view = null;
    return true;
  }

  isShape(shape: readonly number[]): boolean {
    if (this.#elems < 0 || shape.length !== this.#shape.length) return false;
    for (let i = 0; i < shape.length; i++) if (shape[i] !== this.#shape[i]) return false;
    return true;
  }

  /** Sets the shape from the symbols' values. False where a size does not exist or the bytes do not hold it. */
  evaluate(values: readonly number[]): boolean {
    if (this.openAxis === -1 && this.#elems >= 0) return true;
    const dims = this.#dims;
    let isSame = this.#elems >= 0;
    for (let i = 0; i < dims.length && isSame; i++) isSame = dims[i]?.(values) === this.#shape[i];
    if (isSame) return true;
    const shape = dims.map((dim) => dim(values));
    return shape.every((size) => size >= 0) && this.setShape(shape);
  }

  /** The first axis at which `shape` is not what the symbols say, -1 where there is none. */
  mismatch(shape: readonly number[], values: readonly number[]): number {
    if (this.openAxis === -1) return this.isShape(shape) ? -1 : 0;
    for (let i = 0; i < this.#dims.length; i++) if (this.#dims[i]?.(values) !== shape[i]) return i;
    return -1;
  }

  /** The current elements in place: what is written there later shows. Strings are always a copy. */
  live(strings: StringTable): TensorView {
    if (this.dtype === "str") return this.copy(strings);
    this.#view ??= new TensorView(this.dtype, this.#shape, this.#current());
    return this.#view;
  }

  #current(): TypedArray {
    this.#elements ??= this.full.subarray(0, this.#elems);
    return this.#elements;
  }

  /** `strings` may be absent for states, which hold none. */
  copy(strings?: StringTable): TensorView {
    if (strings !== undefined && this.dtype === "str")
      return new TensorView("str", this.#shape.slice(), strings.at(this.full.subarray(0, this.#elems)));
    return new TensorView(this.dtype, this.#shape.slice(), copyOf(this.dtype, this.#current()));
  }
}

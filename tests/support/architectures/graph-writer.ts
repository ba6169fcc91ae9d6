// A graph written call by call: each call adds a node and gives its result's name. Weights are seeded noise, so that a
// model is the same bytes in every run.

import {
  type AttributeValue,
  type Elements,
  type ElementType,
  type NodeSpec,
  onnxModel,
  type TypedName,
  type WrittenDim,
} from "../onnx-writer.js";

export type Attributes = Readonly<Record<string, AttributeValue>>;

interface InputType {
  readonly dtype: ElementType;
  readonly shape: readonly WrittenDim[];
}

export class GraphWriter {
  readonly #name: string;
  readonly #inputs: Record<string, InputType> = {};
  readonly #weights: Record<string, Elements> = {};
  readonly #nodes: NodeSpec[] = [];
  readonly #outputs: TypedName[] = [];
  readonly #shared = new Map<string, string>();
  #state: number;

  /** Gain of the variance in layers before a SiLU, for weights that keep the values' size over many layers. */
  gain = 3;

  constructor(name: string, seed = 1) {
    this.#name = name;
    this.#state = seed;
  }

  input(name: string, dtype: ElementType, shape: readonly WrittenDim[]): string {
    this.#inputs[name] = { dtype, shape };
    return name;
  }

  /** Declares a result as an output under a name of its own. */
  output(name: string, value: string, dtype: ElementType, shape: readonly WrittenDim[]): void {
    this.#nodes.push({ op: "Identity", inputs: [value], outputs: [name] });
    this.#outputs.push({ name, dtype, shape });
  }

  constant(elements: Elements): string {
    const name = `w${Object.keys(this.#weights).length}`;
    this.#weights[name] = elements;
    return name;
  }

  /** A constant that is written once, however often it is asked for. */
  #once(key: string, elements: () => Elements): string {
    let name = this.#shared.get(key);
    if (name === undefined) {
      name = this.constant(elements());
      this.#shared.set(key, name);
    }
    return name;
  }

  /** An i64 scalar, or a list of i64. */
  ints(values: number | readonly number[]): string {
    const shape = typeof values === "number" ? [] : [values.length];
    const list = typeof values === "number" ? [values] : values;
    return this.#once(`i64 ${shape.length} ${list.join()}`, () => ({
      dtype: "i64",
      shape,
      data: BigInt64Array.from(list.map(BigInt)),
    }));
  }

  /** An f32 scalar. */
  float(value: number): string {
    return this.#once(`f32 ${value}`, () => ({ dtype: "f32", shape: [], data: Float32Array.of(value) }));
  }

  /** An element of a narrow type, as scales' zero points are. */
  small(dtype: "u8" | "i8", value: number): string {
    const data = dtype === "u8" ? Uint8Array.of(value) : Int8Array.of(value);
    return this.#once(`${dtype} ${value}`, () => ({ dtype, shape: [], data }));
  }

  /** Uniform noise of a standard deviation around a mean. */
  noise(size: number, deviation: number, mean = 0): Float32Array<ArrayBuffer> {
    const data = new Float32Array(size);
    const width = deviation * Math.sqrt(12);
    for (let i = 0; i < size; i++) data[i] = mean + width * (this.#next() / 2 ** 32 - 0.5);
    return data;
  }

  /** Evenly distributed integers, lo..hi. */
  whole(size: number, lo: number, hi: number): number[] {
    return Array.from({ length: size }, () => lo + Math.floor((this.#next() / 2 ** 32) * (hi - lo + 1)));
  }

  weight(shape: readonly number[], deviation: number, mean = 0): string {
    const size = shape.reduce((n, d) => n * d, 1);
    return this.constant({ dtype: "f32", shape, data: this.noise(size, deviation, mean) });
  }

  /** Adds a node; gives its only result. A missing input is an empty string. */
  op(op: string, inputs: readonly string[], attributes: Attributes = {}, domain?: string): string {
    const [only = ""] = this.ops(op, inputs, 1, attributes, domain);
    return only;
  }

  /** Adds a node; gives as many results, those that are not among `wanted` without a name. */
  ops(
    op: string,
    inputs: readonly string[],
    results: number,
    attributes: Attributes = {},
    domain?: string,
    wanted: readonly number[] = [],
  ): string[] {
    const base = `v${this.#nodes.length}`;
    const named = (i: number): boolean => wanted.length === 0 || wanted.includes(i);
    const outputs = Array.from({ length: results }, (_, i) => (results === 1 ? base : named(i) ? `${base}_${i}` : ""));
    this.#nodes.push({ op, inputs, outputs, attributes, ...(domain === undefined ? {} : { domain }) });
    return [...outputs];
  }

  /** The model's file. */
  encode(): Uint8Array {
    return onnxModel({
      name: this.#name,
      inputs: this.#inputs,
      weights: this.#weights,
      nodes: this.#nodes,
      output: this.#outputs,
    });
  }

  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }
}

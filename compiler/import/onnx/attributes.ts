// Attributes of a node, by name and checked type. Within a function body an attribute can stand for one of the call's
// (`ref_attr_name`); it is absent where the call leaves that out.

import { type DType, isDType } from "../../ir/dtype.js";
import type { Tensor } from "../../ir/tensor.js";
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type TypeProto,
} from "./proto.js";
import { NodeRefusal } from "./session.js";
import { dtypeOf, type ReadExternal, readTensor, textOf } from "./tensor-data.js";

type TypeName = keyof typeof ATTRIBUTE_TYPE;

export class Attributes {
  readonly op: string;
  readonly at: string;
  readonly #found = new Map<string, AttributeProto>();
  readonly #readExternal: ReadExternal | undefined;

  constructor(
    node: NodeProto,
    at: string,
    outer: ReadonlyMap<string, AttributeProto> | null,
    readExternal: ReadExternal | undefined,
  ) {
    this.op = node.opType ?? "";
    this.at = at;
    this.#readExternal = readExternal;
    for (const a of node.attribute) {
      const name = a.name ?? "";
      if (this.#found.has(name)) this.malformed(`attribute "${name}" occurs twice`);
      const ref = a.refAttrName ?? "";
      if (ref === "") this.#found.set(name, a);
      else {
        const passed = outer?.get(ref);
        if (passed !== undefined) this.#found.set(name, { ...passed, name });
      }
    }
  }

  get attributeNames(): string[] {
    return [...this.#found.keys()];
  }

  hasAttribute(name: string): boolean {
    return this.#found.has(name);
  }

  attribute(name: string): AttributeProto | undefined {
    return this.#found.get(name);
  }

  #typed(name: string, type: TypeName): AttributeProto | undefined {
    const a = this.#found.get(name);
    // Old exporters leave the type out.
    if (a?.type !== undefined && a.type !== 0 && a.type !== ATTRIBUTE_TYPE[type])
      this.malformed(`attribute "${name}" has type ${a.type}, takes ${type}`);
    return a;
  }

  #required<T>(name: string, value: T | undefined): T {
    return value === undefined ? this.malformed(`attribute "${name}" is missing`) : value;
  }

  #number(name: string, v: bigint): number {
    const n = Number(v);
    // Ends like INT64_MAX mean "to the end": nearest double is as good.
    return n === Math.trunc(n) ? n : this.malformed(`attribute "${name}" is ${v}`);
  }

  optInt(name: string): number | undefined {
    const a = this.#typed(name, "int");
    return a === undefined ? undefined : this.#number(name, a.i ?? 0n);
  }

  int(name: string, otherwise?: number): number {
    return this.#required(name, this.optInt(name) ?? otherwise);
  }

  flag(name: string, otherwise = false): boolean {
    return this.int(name, Number(otherwise)) !== 0;
  }

  optFloat(name: string): number | undefined {
    const a = this.#typed(name, "float");
    return a === undefined ? undefined : (a.f ?? 0);
  }

  /** Default values are those of 32-bit floats. */
  float(name: string, otherwise?: number): number {
    return this.#required(name, this.optFloat(name) ?? (otherwise === undefined ? undefined : Math.fround(otherwise)));
  }

  optStr(name: string): string | undefined {
    const a = this.#typed(name, "string");
    return a === undefined ? undefined : textOf(a.s ?? new Uint8Array());
  }

  str(name: string, otherwise?: string): string {
    return this.#required(name, this.optStr(name) ?? otherwise);
  }

  /** One of these words. */
  word<const W extends string>(name: string, words: readonly W[], otherwise?: W): W {
    const s = this.str(name, otherwise);
    const found = words.find((w) => w === s);
    return found === undefined ? this.malformed(`attribute "${name}" is "${s}", takes ${words.join(", ")}`) : found;
  }

  optInts(name: string): number[] | undefined {
    return this.#typed(name, "ints")?.ints.map((v) => this.#number(name, v));
  }

  intList(name: string, otherwise?: readonly number[]): readonly number[] {
    return this.#required(name, this.optInts(name) ?? otherwise);
  }

  optFloats(name: string): readonly number[] | undefined {
    return this.#typed(name, "floats")?.floats;
  }

  optStrings(name: string): string[] | undefined {
    return this.#typed(name, "strings")?.strings.map(textOf);
  }

  optTensorProto(name: string): TensorProto | undefined {
    return this.#typed(name, "tensor")?.t;
  }

  optTensor(name: string): Tensor | undefined {
    const t = this.optTensorProto(name);
    return t === undefined ? undefined : readTensor(t, this.#readExternal);
  }

  graph(name: string): GraphProto {
    return this.#required(name, this.#typed(name, "graph")?.g);
  }

  optType(name: string): TypeProto | undefined {
    return this.#typed(name, "typeProto")?.tp;
  }

  /** A TensorProto.DataType number. */
  optDType(name: string): DType | undefined {
    const n = this.optInt(name);
    if (n === undefined || n === 0) return undefined;
    const d = dtypeOf(n);
    return d !== null && isDType(d) ? d : this.malformed(`attribute "${name}" is ${n}, which is no data type`);
  }

  dtype(name: string, otherwise?: DType): DType {
    return this.#required(name, this.optDType(name) ?? otherwise);
  }

  malformed(detail: string): never {
    throw new NodeRefusal({ code: "malformed_input", scope: "onnx", subject: this.op, detail, at: this.at, hint: "" });
  }
}

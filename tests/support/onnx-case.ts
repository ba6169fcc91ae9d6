// A case of the ONNX backend suites: a model and data sets of inputs with the outputs that are right for them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { GraphProto, ModelProto, TensorProto, ValueInfoProto } from "../../compiler/import/onnx/proto.js";
import { dtypeOfTensor, readTensor, stringsOf } from "../../compiler/import/onnx/tensor-data.js";
import { decodeMessage } from "../../compiler/import/onnx/wire.js";
import { StringTable } from "../../compiler/ir/strings.js";
import type { Tensor } from "../../compiler/ir/tensor.js";

export interface OnnxDataSet {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** By name; elements of a sequence as `<output>.<i>`. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Number of tensors in each input that is a sequence or an optional; null: an empty optional. */
  readonly lengths: Readonly<Record<string, number | null>>;
  /** Numbers the strings of its str tensors. */
  readonly strings: StringTable;
}

export interface OnnxCase {
  readonly folder: string;
  readonly bytes: Uint8Array;
  readonly model: ModelProto;
  readonly sets: readonly OnnxDataSet[];
}

export function loadCase(folder: string): OnnxCase {
  const bytes = readFileSync(join(folder, "model.onnx"));
  const model = decodeMessage("ModelProto", bytes, "model.onnx");
  const { graph } = model;
  if (graph === undefined) throw new Error(`${folder} has no graph`);
  const names = readdirSync(folder).filter((n) => n.startsWith("test_data_set_"));
  names.sort((a, b) => Number(a.slice(14)) - Number(b.slice(14)));
  return { folder, bytes, model, sets: names.map((name) => loadSet(join(folder, name), name, graph)) };
}

/** The inputs that a caller gives: not the initializers that old files list among them. */
export function dynamicInputs(graph: GraphProto): ValueInfoProto[] {
  const fixed = new Set(graph.initializer.map((t) => t.name));
  return graph.input.filter((i) => !fixed.has(i.name));
}

function loadSet(folder: string, name: string, graph: GraphProto): OnnxDataSet {
  const inputs: Record<string, Tensor> = {};
  const outputs: Record<string, Tensor> = {};
  const strings = new StringTable();
  const lengths: Record<string, number | null> = {};
  const files = new Set(readdirSync(folder));
  const load = (kind: "input" | "output", infos: readonly ValueInfoProto[], into: Record<string, Tensor>): void => {
    for (const [i, info] of infos.entries()) {
      const file = `${kind}_${i}.pb`;
      if (!files.has(file)) continue;
      const key = info.name ?? "";
      const found = readValue(readFileSync(join(folder, file)), info, key, strings);
      for (const [k, t] of found) into[k] = t;
      if (kind === "input" && info.type?.tensorType === undefined)
        lengths[key] = found.length === 0 && info.type?.optionalType !== undefined ? null : found.length;
    }
  };
  load("input", dynamicInputs(graph), inputs);
  load("output", graph.output, outputs);
  return { name, inputs, outputs, lengths, strings };
}

function readValue(bytes: Uint8Array, info: ValueInfoProto, key: string, strings: StringTable): [string, Tensor][] {
  const read = (t: TensorProto): Tensor => {
    if (dtypeOfTensor(t) !== "str") return readTensor(t, undefined);
    const { shape, values } = stringsOf(t);
    return strings.tensor(shape, values);
  };
  const many = (list: readonly TensorProto[]): [string, Tensor][] => list.map((t, i) => [`${key}.${i}`, read(t)]);
  const inner = info.type?.optionalType?.elemType;
  if (info.type?.sequenceType !== undefined) return many(decodeMessage("SequenceProto", bytes, key).tensorValues);
  if (inner !== undefined) {
    const o = decodeMessage("OptionalProto", bytes, key);
    if (o.tensorValue !== undefined) return [[key, read(o.tensorValue)]];
    return o.sequenceValue === undefined ? [] : many(o.sequenceValue.tensorValues);
  }
  return [[key, read(decodeMessage("TensorProto", bytes, key))]];
}

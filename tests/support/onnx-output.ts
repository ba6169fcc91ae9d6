// Makes an inner value of an ONNX model an output too: the graph's message gets one more field at its end, all other
// bytes stay as they are.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

const MODEL_GRAPH = 7;
const GRAPH_OUTPUT = 12;
const VALUE_NAME = 1;
const VALUE_TYPE = 2;
const TYPE_TENSOR = 1;
const TENSOR_ELEMENT = 1;
const FLOAT = 1;

/** The model with its float value `name` as its last output. */
export function withOutput(model: Uint8Array, name: string): Uint8Array {
  const reader = new BinaryReader(model);
  const writer = new BinaryWriter();
  while (reader.pos < model.length) {
    const start = reader.pos;
    const [field, wire] = reader.tag();
    if (field === MODEL_GRAPH) {
      const graph = reader.bytes();
      writer.tag(field, wire).fork().raw(graph);
      writer.tag(GRAPH_OUTPUT, WireType.LengthDelimited).bytes(valueInfo(name)).join();
    } else {
      reader.skip(wire, field);
      writer.raw(model.subarray(start, reader.pos));
    }
  }
  return writer.finish();
}

function valueInfo(name: string): Uint8Array {
  const tensor = new BinaryWriter().tag(TENSOR_ELEMENT, WireType.Varint).int32(FLOAT).finish();
  const type = new BinaryWriter().tag(TYPE_TENSOR, WireType.LengthDelimited).bytes(tensor).finish();
  return new BinaryWriter()
    .tag(VALUE_NAME, WireType.LengthDelimited)
    .string(name)
    .tag(VALUE_TYPE, WireType.LengthDelimited)
    .bytes(type)
    .finish();
}

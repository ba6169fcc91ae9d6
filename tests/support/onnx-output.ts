// Makes an inner value of an ONNX model an output too. Protobuf merges what a message holds twice, so that the output
// can be appended to the file's bytes as a second, small graph.

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

const MODEL_GRAPH = 7;
const GRAPH_OUTPUT = 12;
const VALUE_NAME = 1;
const VALUE_TYPE = 2;
const TYPE_TENSOR = 1;
const TENSOR_ELEMENT = 1;
const FLOAT = 1;

/** The model with its float value `name` as its last output. */
export function withOutput(model: Uint8Array, name: string): Uint8Array {
  const nested = (w: BinaryWriter, field: number, fill: (w: BinaryWriter) => void): void => {
    w.tag(field, WireType.LengthDelimited).fork();
    fill(w);
    w.join();
  };
  const writer = new BinaryWriter();
  nested(writer, MODEL_GRAPH, (graph) =>
    nested(graph, GRAPH_OUTPUT, (value) => {
      value.tag(VALUE_NAME, WireType.LengthDelimited).string(name);
      nested(value, VALUE_TYPE, (type) =>
        nested(type, TYPE_TENSOR, (tensor) => void tensor.tag(TENSOR_ELEMENT, WireType.Varint).int32(FLOAT)),
      );
    }),
  );
  return Buffer.concat([model, writer.finish()]);
}

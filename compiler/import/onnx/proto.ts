// The messages of onnx.proto that the importer and the writer use: field numbers and kinds as data, from which both the
// TypeScript types and the codec in wire.ts follow. Fields not listed here are skipped when read.

type ScalarKinds = {
  readonly int32: number;
  readonly int64: bigint;
  readonly uint64: bigint;
  readonly float: number;
  readonly double: number;
  readonly string: string;
  readonly bytes: Uint8Array;
};

export type ScalarKind = keyof ScalarKinds;

export interface Field<K extends string = string, R extends boolean = boolean> {
  readonly no: number;
  /** A scalar kind or a message's name. */
  readonly kind: K;
  readonly repeated: R;
}

const one = <const K extends string>(no: number, kind: K): Field<K, false> => ({ no, kind, repeated: false });
const many = <const K extends string>(no: number, kind: K): Field<K, true> => ({ no, kind, repeated: true });

export const SCHEMA = {
  ModelProto: {
    irVersion: one(1, "int64"),
    producerName: one(2, "string"),
    producerVersion: one(3, "string"),
    domain: one(4, "string"),
    modelVersion: one(5, "int64"),
    docString: one(6, "string"),
    graph: one(7, "GraphProto"),
    opsetImport: many(8, "OperatorSetIdProto"),
    metadataProps: many(14, "StringStringEntryProto"),
    functions: many(25, "FunctionProto"),
  },
  OperatorSetIdProto: { domain: one(1, "string"), version: one(2, "int64") },
  StringStringEntryProto: { key: one(1, "string"), value: one(2, "string") },
  GraphProto: {
    node: many(1, "NodeProto"),
    name: one(2, "string"),
    initializer: many(5, "TensorProto"),
    docString: one(10, "string"),
    input: many(11, "ValueInfoProto"),
    output: many(12, "ValueInfoProto"),
    valueInfo: many(13, "ValueInfoProto"),
    sparseInitializer: many(15, "SparseTensorProto"),
  },
  NodeProto: {
    input: many(1, "string"),
    output: many(2, "string"),
    name: one(3, "string"),
    opType: one(4, "string"),
    attribute: many(5, "AttributeProto"),
    docString: one(6, "string"),
    domain: one(7, "string"),
    overload: one(8, "string"),
  },
  AttributeProto: {
    name: one(1, "string"),
    f: one(2, "float"),
    i: one(3, "int64"),
    s: one(4, "bytes"),
    t: one(5, "TensorProto"),
    g: one(6, "GraphProto"),
    floats: many(7, "float"),
    ints: many(8, "int64"),
    strings: many(9, "bytes"),
    tensors: many(10, "TensorProto"),
    graphs: many(11, "GraphProto"),
    tp: one(14, "TypeProto"),
    typeProtos: many(15, "TypeProto"),
    type: one(20, "int32"),
    refAttrName: one(21, "string"),
    sparseTensor: one(22, "SparseTensorProto"),
  },
  TensorProto: {
    dims: many(1, "int64"),
    dataType: one(2, "int32"),
    floatData: many(4, "float"),
    int32Data: many(5, "int32"),
    stringData: many(6, "bytes"),
    int64Data: many(7, "int64"),
    name: one(8, "string"),
    rawData: one(9, "bytes"),
    doubleData: many(10, "double"),
    uint64Data: many(11, "uint64"),
    externalData: many(13, "StringStringEntryProto"),
    dataLocation: one(14, "int32"),
  },
  SparseTensorProto: {
    values: one(1, "TensorProto"),
    indices: one(2, "TensorProto"),
    dims: many(3, "int64"),
  },
  ValueInfoProto: { name: one(1, "string"), type: one(2, "TypeProto") },
  TypeProto: {
    tensorType: one(1, "TensorTypeProto"),
    sequenceType: one(4, "ElementTypeProto"),
    sparseTensorType: one(8, "TensorTypeProto"),
    optionalType: one(9, "ElementTypeProto"),
  },
  TensorTypeProto: { elemType: one(1, "int32"), shape: one(2, "TensorShapeProto") },
  /** TypeProto.Sequence and TypeProto.Optional. */
  ElementTypeProto: { elemType: one(1, "TypeProto") },
  TensorShapeProto: { dim: many(1, "DimensionProto") },
  DimensionProto: { dimValue: one(1, "int64"), dimParam: one(2, "string") },
  FunctionProto: {
    name: one(1, "string"),
    input: many(4, "string"),
    output: many(5, "string"),
    attribute: many(6, "string"),
    node: many(7, "NodeProto"),
    opsetImport: many(9, "OperatorSetIdProto"),
    domain: one(10, "string"),
    attributeProto: many(11, "AttributeProto"),
    overload: one(13, "string"),
  },
  /** A file of a test data set that holds a sequence; also the optional's file, whose fields differ in number only. */
  SequenceProto: {
    name: one(1, "string"),
    elemType: one(2, "int32"),
    tensorValues: many(3, "TensorProto"),
    sequenceValues: many(5, "SequenceProto"),
  },
  OptionalProto: {
    name: one(1, "string"),
    elemType: one(2, "int32"),
    tensorValue: one(3, "TensorProto"),
    sequenceValue: one(5, "SequenceProto"),
  },
} as const satisfies Record<string, Record<string, Field>>;

type Schema = typeof SCHEMA;
export type MessageName = keyof Schema;

type Single<K> = K extends keyof ScalarKinds ? ScalarKinds[K] : K extends MessageName ? Message<K> : never;

type FieldValue<F> =
  F extends Field<infer K, infer R> ? (R extends true ? readonly Single<K>[] : Single<K> | undefined) : never;

/** A decoded message: repeated fields are always lists, singular ones are undefined where absent. */
export type Message<K extends MessageName> = { readonly [F in keyof Schema[K]]: FieldValue<Schema[K][F]> };

type DraftSingle<K> = K extends keyof ScalarKinds ? ScalarKinds[K] : K extends MessageName ? Draft<K> : never;

type DraftValue<F> =
  F extends Field<infer K, infer R> ? (R extends true ? readonly DraftSingle<K>[] : DraftSingle<K>) : never;

/** A message to encode: every field may be left out. */
export type Draft<K extends MessageName> = { readonly [F in keyof Schema[K]]?: DraftValue<Schema[K][F]> | undefined };

export type ModelProto = Message<"ModelProto">;
export type GraphProto = Message<"GraphProto">;
export type NodeProto = Message<"NodeProto">;
export type AttributeProto = Message<"AttributeProto">;
export type TensorProto = Message<"TensorProto">;
export type SparseTensorProto = Message<"SparseTensorProto">;
export type ValueInfoProto = Message<"ValueInfoProto">;
export type TypeProto = Message<"TypeProto">;
export type FunctionProto = Message<"FunctionProto">;

/** AttributeProto.type, by its meaning. */
export const ATTRIBUTE_TYPE = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  typeProto: 13,
} as const;

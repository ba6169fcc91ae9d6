// The C ABI as data: what the header declares is what the functions are written from. Within one ABI version numbers,
// structs and signatures stay as they are; functions are only added.

import { DTYPES, type DType } from "../../../compiler/ir/dtype.js";
import type { Signature } from "./code.js";
import type { Scalar } from "./struct.js";

export const ABI_VERSION = 1;

/** What a function tells its caller: name, and a sentence for those who have no text. */
export const STATUSES = {
  OK: [0, "done"],
  INVALID_ARGUMENT: [1, "an argument is missing or is not what the function takes"],
  WRONG_DTYPE: [2, "an input has another dtype than the model's"],
  WRONG_SHAPE: [3, "an input has another shape, or other bytes, than the model takes"],
  WRONG_VALUE: [4, "an element of an input is no value of its dtype"],
  TOO_SMALL: [5, "an output's buffer or the arena is too small"],
  IO: [6, "the bundle's file cannot be opened, read or mapped"],
  MALFORMED: [7, "the file is no bundle, or was cut off"],
  FOREIGN_BUNDLE: [8, "the bundle is not the one that this library was made with"],
  DIGEST_MISMATCH: [9, "the weights were changed after the bundle was written"],
  OUT_OF_MEMORY: [10, "the system has no such memory to give"],
  UNSUPPORTED: [11, "this CPU, or this library, cannot do what was asked for"],
  BUSY: [12, "the model is running: it takes one call at a time"],
  INDEX_OUT_OF_RANGE: [13, "the run met an index outside its data"],
  CONSTRAINT: [14, "two sizes that must be equal differ"],
  BOUND: [15, "a size that depends on data left its range"],
} as const satisfies Readonly<Record<string, readonly [number, string]>>;

export type StatusName = keyof typeof STATUSES;

/** Element types by number. Complex numbers cannot cross the border. */
export const DTYPE_NUMBERS = {
  f32: 1,
  f64: 2,
  f16: 3,
  bf16: 4,
  i8: 5,
  i16: 6,
  i32: 7,
  i64: 8,
  u8: 9,
  u16: 10,
  u32: 11,
  u64: 12,
  bool: 13,
  str: 14,
  f8e4m3fn: 15,
  f8e4m3fnuz: 16,
  f8e5m2: 17,
  f8e5m2fnuz: 18,
  f8e8m0: 19,
  f4e2m1: 20,
  i4: 21,
  i2: 22,
  u4: 23,
  u2: 24,
} as const satisfies Readonly<Partial<Record<DType, number>>>;

export type FaceDType = keyof typeof DTYPE_NUMBERS;

export function isFaceDType(dtype: DType): dtype is FaceDType {
  return Object.hasOwn(DTYPE_NUMBERS, dtype);
}

/** True where not every pattern of an element's bytes is a value: kernels rely on these being checked. */
export function isNarrow(dtype: DType): boolean {
  return dtype === "bool" || DTYPES[dtype].bits < 8;
}

// -- functions

/** What a C type is in LLVM: pointers are told by their star. */
const C_TYPES = {
  uint32_t: "i32",
  psn_status: "i32",
  uint64_t: "i64",
  size_t: "i64",
  void: "void",
} as const;

type CType = keyof typeof C_TYPES;
type Pointer = `${string}*`;
type IrOf<T extends CType | Pointer> = T extends CType ? (typeof C_TYPES)[T] : "ptr";

interface FunctionSpec {
  readonly result: CType | Pointer;
  readonly params: readonly (readonly [type: Exclude<CType, "void"> | Pointer, name: string])[];
  readonly doc: string;
}

export const FUNCTIONS = {
  abi_version: {
    result: "uint32_t",
    params: [],
    doc: "The ABI of the library: compare with PSN_ABI_VERSION before anything else is called.",
  },
  digest: {
    result: "const char *",
    params: [],
    doc: "The plan digest, 64 hex digits, of the bundle that the library was made with.",
  },
  status_text: {
    result: "const char *",
    params: [["psn_status", "status"]],
    doc: "A sentence about a status, for all models alike.",
  },
  dtype_name: {
    result: "const char *",
    params: [["uint32_t", "dtype"]],
    doc: 'The name of a dtype, "f32"; NULL where there is none.',
  },
  dtype_bytes: {
    result: "size_t",
    params: [["uint32_t", "dtype"]],
    doc: "Bytes of an element; 0 where there is none.",
  },
  input_count: { result: "size_t", params: [], doc: "Number of inputs." },
  output_count: { result: "size_t", params: [], doc: "Number of outputs." },
  state_count: { result: "size_t", params: [], doc: "Number of states: values that stay from run to run." },
  symbol_count: { result: "size_t", params: [], doc: "Number of symbols: sizes that vary." },
  string_count: {
    result: "size_t",
    params: [],
    doc: "Number of strings that the model knows. An element of dtype PSN_STR is an int32_t: the place of a string.",
  },
  input: {
    result: "psn_status",
    params: [
      ["size_t", "index"],
      ["psn_port *", "port"],
    ],
    doc: "Describes an input. Its texts live as long as the library.",
  },
  output: {
    result: "psn_status",
    params: [
      ["size_t", "index"],
      ["psn_port *", "port"],
    ],
    doc: "Describes an output.",
  },
  state: {
    result: "psn_status",
    params: [
      ["size_t", "index"],
      ["psn_port *", "port"],
    ],
    doc: "Describes a state.",
  },
  symbol: {
    result: "psn_status",
    params: [
      ["size_t", "index"],
      ["psn_range *", "range"],
    ],
    doc: "Describes a symbol.",
  },
  string: {
    result: "const char *",
    params: [["size_t", "place"]],
    doc: "The string at a place, UTF-8; NULL where there is none. A string that the model does not know may have any place from psn_string_count() on, equal strings the same.",
  },
  arena_bytes: {
    result: "uint64_t",
    params: [],
    doc: "Bytes that a model takes besides the weights, which stay where they are mapped.",
  },
  load: {
    result: "psn_status",
    params: [
      ["const char *", "bundle"],
      ["const psn_options *", "options"],
      ["psn_model **", "model"],
      ["char *", "error"],
      ["size_t", "error_bytes"],
    ],
    doc: "Makes a model of the bundle at this path: maps it read-only, checks that it is the one that the library was made with, and verifies the weights. NULL as path: the weights inside the library, where it has them. options may be NULL. Where it fails, *model is NULL, and error, which may be NULL, gets a text of at most error_bytes with its zero: PSN_ERROR_BYTES are enough. The file must stay as it is until psn_free.",
  },
  load_memory: {
    result: "psn_status",
    params: [
      ["const void *", "bundle"],
      ["size_t", "bytes"],
      ["const psn_options *", "options"],
      ["psn_model **", "model"],
      ["char *", "error"],
      ["size_t", "error_bytes"],
    ],
    doc: "As psn_load, for a bundle's bytes in memory at a multiple of 8, which stay as they are until psn_free.",
  },
  run: {
    result: "psn_status",
    params: [
      ["psn_model *", "model"],
      ["const psn_tensor *", "inputs"],
      ["size_t", "input_count"],
      ["psn_tensor *", "outputs"],
      ["size_t", "output_count"],
    ],
    doc: "Runs the model: inputs and outputs are those of psn_input and psn_output, in their order. Nothing is allocated. Where an output's data is NULL, or is what an earlier run left, it is set to where the elements lie, to be read until the next call; else they are copied there.",
  },
  output_shapes: {
    result: "psn_status",
    params: [
      ["psn_model *", "model"],
      ["const psn_tensor *", "inputs"],
      ["size_t", "input_count"],
      ["psn_tensor *", "outputs"],
      ["size_t", "output_count"],
    ],
    doc: "Sets dtype, rank, dims and bytes of the outputs that inputs of these shapes would have; the inputs' data is not read. A size that depends on data is -1, and bytes are then the most there can be.",
  },
  input_data: {
    result: "void *",
    params: [
      ["psn_model *", "model"],
      ["size_t", "index"],
    ],
    doc: "Where an input lies in the model's memory, room for its largest shape: elements that are written there, and given as data to psn_run, are not copied. A run reuses these bytes: write before every run. NULL where there is no such input.",
  },
  state_data: {
    result: "void *",
    params: [
      ["psn_model *", "model"],
      ["size_t", "index"],
    ],
    doc: "A state's elements in the model's memory, to read or to write between runs. NULL where there is no such state.",
  },
  reset: {
    result: "psn_status",
    params: [["psn_model *", "model"]],
    doc: "Sets every state to zeros, as after psn_load.",
  },
  error: {
    result: "const char *",
    params: [["const psn_model *", "model"]],
    doc: 'What the last call on the model that failed has to say: where, what it has and what it wants. "" where none failed. Good until the next call.',
  },
  free: {
    result: "void",
    params: [["psn_model *", "model"]],
    doc: "Gives back what psn_load took. NULL is no error.",
  },
} as const satisfies Readonly<Record<string, FunctionSpec>>;

export type FunctionName = keyof typeof FUNCTIONS;

type ParamTypes<P> = {
  readonly [I in keyof P]: P[I] extends readonly [infer T extends CType | Pointer, string]
    ? Extract<IrOf<T>, Scalar>
    : never;
};

/** An exported function as LLVM sees it. */
export type FaceSignature<N extends FunctionName> = Signature<
  IrOf<(typeof FUNCTIONS)[N]["result"]>,
  ParamTypes<(typeof FUNCTIONS)[N]["params"]>
>;

function irType(type: CType | Pointer): Scalar | "void" {
  return type in C_TYPES ? C_TYPES[type as CType] : "ptr";
}

export function faceSignature<N extends FunctionName>(name: N, prefix: string): FaceSignature<N> {
  const { result, params } = FUNCTIONS[name];
  const made = { name: `${prefix}_${name}`, result: irType(result), params: params.map(([type]) => irType(type)) };
  return made as unknown as FaceSignature<N>;
}

// The structs of the C ABI: fields in order, each as C writes it and what it means.

import { Struct } from "./struct.js";

/** Most axes of a tensor: the bundle format's own limit. */
export const MAX_RANK = 32;

export const OPTIONS = new Struct({
  size: "i64",
  arena: "ptr",
  arena_bytes: "i64",
  threads: "i32",
  trust: "i32",
});

export const PORT = new Struct({
  name: "ptr",
  shape: "ptr",
  bytes: "i64",
  dtype: "i32",
  rank: "i32",
  dims: ["i64", MAX_RANK],
});

export const RANGE = new Struct({ name: "ptr", lo: "i64", hi: "i64" });

export const TENSOR = new Struct({
  data: "ptr",
  bytes: "i64",
  capacity: "i64",
  dtype: "i32",
  rank: "i32",
  dims: ["i64", MAX_RANK],
});

interface StructText<F> {
  readonly doc: string;
  readonly fields: { readonly [K in keyof F]: readonly [declaration: string, doc: string] };
}

export const STRUCTS: {
  readonly options: StructText<(typeof OPTIONS)["fields"]>;
  readonly port: StructText<(typeof PORT)["fields"]>;
  readonly range: StructText<(typeof RANGE)["fields"]>;
  readonly tensor: StructText<(typeof TENSOR)["fields"]>;
} = {
  options: {
    doc: "How psn_load prepares a model. Zero everything, then set size and what differs.",
    fields: {
      size: ["uint64_t size", "sizeof(psn_options)"],
      arena: [
        "void *arena",
        "NULL: the library maps memory for the model. Else memory of yours at a multiple of 64, which stays until psn_free",
      ],
      arena_bytes: ["uint64_t arena_bytes", "bytes of it; at least psn_arena_bytes()"],
      threads: [
        "uint32_t threads",
        "1: only the caller's thread; 0: the default, which is 1. More, up to 64: where the model was compiled with --threads",
      ],
      trust: [
        "uint32_t trust",
        "0: every byte of the weights is checked against its digest; 1: they are used as they are, which is for files that nobody else can change",
      ],
    },
  },
  port: {
    doc: "An input, an output or a state of the model.",
    fields: {
      name: ["const char *name", "its name, UTF-8"],
      shape: ["const char *shape", 'dtype and sizes for people: "f32[n, 4]"'],
      bytes: ["uint64_t bytes", "bytes of its elements at the largest shape"],
      dtype: ["uint32_t dtype", "a PSN_ dtype"],
      rank: ["uint32_t rank", "number of axes"],
      dims: ["int64_t dims[PSN_MAX_RANK]", "the size of each axis; -1 where it varies"],
    },
  },
  range: {
    doc: "A symbol: a size with a name, which shapes use.",
    fields: {
      name: ["const char *name", "as in the texts of shapes"],
      lo: ["int64_t lo", "its least value"],
      hi: ["int64_t hi", "its greatest value"],
    },
  },
  tensor: {
    doc: "Elements in row-major order, of this machine's byte order. 4- and 2-bit types have one element per byte.",
    fields: {
      data: ["void *data", "the elements; outputs: NULL to have them left in the model's memory"],
      bytes: ["uint64_t bytes", "of the elements. Inputs: yours to set. Outputs: the library's"],
      capacity: ["uint64_t capacity", "outputs with data: bytes that fit there. Inputs: not read"],
      dtype: ["uint32_t dtype", "a PSN_ dtype. Inputs: yours. Outputs: the library's"],
      rank: ["uint32_t rank", "number of axes. Inputs: yours. Outputs: the library's"],
      dims: ["int64_t dims[PSN_MAX_RANK]", "the size of each axis. Inputs: yours. Outputs: the library's"],
    },
  },
};

// A value named on the command line, to a tensor: `3.5`, `[1, 2]`, `@file.npy`, `@file.npz`, `@file.json`, or
// `@file.raw:1x3x48` (any other extension: the elements' bytes, row-major, little-endian). The entry point's signature
// gives the dtype of what carries none, and nothing is converted.

import type { DType } from "../../ir/dtype.js";
import { bytesOf } from "../../ir/dtype.js";
import { sizeOf, Tensor } from "../../ir/tensor.js";
import { badInput, type CliError, messageOf, usage } from "../failures.js";
import { readBytes } from "./files.js";
import { tensorFromJson } from "./json-tensor.js";
import { isNpy, readNpy } from "./npy.js";
import { isZip } from "./npz.js";

/** What the entry point says of an input. */
export interface Want {
  readonly name: string;
  readonly dtype: DType;
  /** The sizes, where all are numbers; null where one is symbolic. */
  readonly shape: readonly number[] | null;
}

/** One `name=value`, or `@file` with an array for every input that it names. */
export interface InputArg {
  readonly name: string | null;
  readonly value: string;
}

/** Splits at the first "=" that an `@file` does not come before. Throws a usage error. */
export function parseInputArg(text: string): InputArg {
  if (text.startsWith("@")) return { name: null, value: text };
  const at = text.indexOf("=");
  if (at < 1)
    throw usage(`--input ${text}: want name=value, name=@file or @file.npz`, "for example --input x=@picture.npy");
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

/** Arrays for a `@file` without a name. */
export async function readNamed(path: string, want: (name: string) => Want | undefined): Promise<Map<string, Tensor>> {
  const bytes = readBytes(path, "input file");
  try {
    if (isZip(bytes)) return await unpack(bytes, (name) => want(name)?.dtype);
    if (extension(path) !== ".json")
      throw new RangeError("only .npz and .json files name their arrays; write --input name=@file");
    const object = parseJson(bytes);
    if (typeof object !== "object" || object === null || Array.isArray(object))
      throw new RangeError("it holds no object with a value per input name");
    const out = new Map<string, Tensor>();
    for (const [name, value] of Object.entries(object)) out.set(name, inField(name, value, want(name)));
    return out;
  } catch (e) {
    throw inFile(path, e);
  }
}

/** The tensor that one argument stands for. */
export async function readValue(arg: string, want: Want): Promise<Tensor> {
  if (!arg.startsWith("@")) return fromText(arg, want);
  const whole = arg.slice(1);
  const [, path = whole, sizes] = /^(.*):(\d+(?:x\d+)*)$/.exec(whole) ?? [];
  const bytes = readBytes(path, `file for input "${want.name}"`);
  try {
    if (isNpy(bytes) || extension(path) === ".npy") return withoutSizes(sizes, readNpy(bytes, want.dtype));
    if (isZip(bytes) && extension(path) === ".npz")
      return withoutSizes(sizes, pick(await unpack(bytes, () => want.dtype), want.name));
    if (extension(path) === ".npz") throw new RangeError("it is no .npz (zip) file");
    if (extension(path) === ".json") return withoutSizes(sizes, tensorFromJson(parseJson(bytes), want.dtype));
    return raw(bytes, sizes === undefined ? want.shape : sizes.split("x").map(Number), want);
  } catch (e) {
    throw inFile(path, e);
  }
}

function fromText(text: string, want: Want): Tensor {
  let value: unknown;
  // A string that is no JSON is itself.
  if (want.dtype === "str" && !/^[["]/.test(text)) value = text;
  else if (["NaN", "Infinity", "-Infinity", "-0"].includes(text) || /^-?\d{16,}$/.test(text)) value = text;
  else
    try {
      value = JSON.parse(text);
    } catch {
      throw usage(
        `--input ${want.name}=${shorten(text)}: this is neither a number, nor a list of numbers, nor @file`,
        `for example --input ${want.name}=[1,2,3] or --input ${want.name}=@array.npy`,
      );
    }
  try {
    return tensorFromJson(value, want.dtype);
  } catch (e) {
    throw badInput(`input "${want.name}": ${messageOf(e)}`);
  }
}

function raw(bytes: Uint8Array, shape: readonly number[] | null, want: Want): Tensor {
  if (want.dtype === "str") throw new RangeError("raw bytes are no strings; use .json, .npy or .npz");
  if (shape === null)
    throw new RangeError(
      "raw bytes have no shape, and the signature has a symbolic one; add it, as in file.raw:1x3x48",
    );
  const takes = sizeOf(shape) * bytesOf(want.dtype);
  if (takes !== bytes.byteLength)
    throw new RangeError(`${want.dtype}[${shape.join(", ")}] takes ${takes} bytes, the file has ${bytes.byteLength}`);
  if (want.dtype === "bool" && bytes.some((b) => b > 1))
    throw new RangeError("a bool input holds bytes other than 0 and 1");
  return new Tensor(want.dtype, shape, bytes.slice());
}

async function unpack(bytes: Uint8Array, expect: (name: string) => DType | undefined): Promise<Map<string, Tensor>> {
  const { readNpz } = await import("./npz.js");
  return readNpz(bytes, expect);
}

function pick(arrays: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const [only, ...rest] = arrays.values();
  const found = arrays.get(name) ?? (rest.length === 0 ? only : undefined);
  if (found === undefined)
    throw new RangeError(`it has no array "${name}"; it has ${[...arrays.keys()].join(", ") || "none"}`);
  return found;
}

function withoutSizes(sizes: string | undefined, t: Tensor): Tensor {
  if (sizes !== undefined) throw new RangeError(`":${sizes}" is for raw files; this one carries its shape`);
  return t;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (e) {
    throw new RangeError(`it is no JSON: ${messageOf(e)}`);
  }
}

function inField(name: string, value: unknown, want: Want | undefined): Tensor {
  // A name that the entry point does not have is reported, with suggestions, by the caller.
  if (want === undefined) return new Tensor("f32", [0], new Uint8Array(0));
  try {
    return tensorFromJson(value, want.dtype);
  } catch (e) {
    throw new RangeError(`"${name}": ${messageOf(e)}`);
  }
}

function inFile(path: string, e: unknown): CliError | unknown {
  return e instanceof RangeError ? badInput(`"${path}": ${e.message}`) : e;
}

function extension(path: string): string {
  return /\.[^./\\]*$/.exec(path)?.[0].toLowerCase() ?? "";
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

// Inputs for timing: what the command line gives, and made-up arrays for the rest, the same each time.

import { compileDim } from "../../runtime-shim/dims.js";
import type { Manifest } from "../../runtime-shim/format.js";
import type { EntryInfo } from "../../runtime-shim/index.js";
import { isFloat } from "../ir/dtype.js";
import { sizeOf, type Tensor, tensorFrom } from "../ir/tensor.js";
import { usage } from "./failures.js";
import { readInputs } from "./feeds.js";
import { parseInputArg } from "./io/source.js";
import { suggest } from "./nearest.js";

/** Values of symbols, and the option that gave them. */
export interface Sizes {
  readonly option: string;
  readonly of: ReadonlyMap<string, number>;
}

/** `name=size` arguments of an option. */
export function parseSizes(args: readonly string[], option: string): Sizes {
  const sizes = new Map<string, number>();
  for (const arg of args) {
    const [, name, size] = /^([^=]+)=(\d+)$/.exec(arg) ?? [];
    if (name === undefined || size === undefined)
      throw usage(`${option} ${arg}: want name=size`, "for example width=320");
    sizes.set(name, Number(size));
  }
  return { option, of: sizes };
}

/** What was given, and made-up arrays for the other inputs. */
export async function completeInputs(
  args: readonly string[],
  entry: EntryInfo,
  manifest: Manifest,
  sizes: Sizes,
): Promise<Map<string, Tensor>> {
  const symbols = manifest.symbols.map((s) => s.name);
  const { option } = sizes;
  for (const [name, size] of sizes.of) {
    const symbol = manifest.symbols.find((s) => s.name === name);
    if (symbol === undefined)
      throw usage(`${option} ${name}: the bundle has no such symbol`, suggest(name, symbols, "symbols"));
    if (size < symbol.lo || size > symbol.hi)
      throw usage(
        `${option} ${name}=${size}: want ${symbol.lo} to ${symbol.hi}`,
        "psionic inspect shows the signature",
      );
  }
  const named = args.map((a) => parseInputArg(a).name);
  // A file that names its arrays must have them all.
  const isGiven = (name: string): boolean => named.includes(null) || named.includes(name);
  const known = entry.inputs.map((p) => p.name);
  for (const name of named)
    if (name !== null && !known.includes(name))
      throw usage(`entry "${entry.name}" has no input "${name}"`, suggest(name, known, "inputs"));
  const given = await readInputs(args, { ...entry, inputs: entry.inputs.filter((p) => isGiven(p.name)) });
  const made = madeUp(entry, manifest, sizes);
  return new Map(
    entry.inputs.flatMap(({ name }) => {
      const tensor = given.get(name) ?? made.get(name);
      return tensor === undefined ? [] : [[name, tensor] as const];
    }),
  );
}

/** An array for each input: floats in [-1, 1), the same each time, and zeros of every other dtype. */
function madeUp(entry: EntryInfo, manifest: Manifest, sizes: Sizes): Map<string, Tensor> {
  const values = manifest.symbols.map((s) => sizes.of.get(s.name) ?? s.hi);
  const slot = (name: string): number => manifest.symbols.findIndex((s) => s.name === name);
  const spec = manifest.entries.find((e) => e.name === entry.name);
  return new Map(
    (spec?.inputs ?? []).map(({ name, dtype, shape: dims }) => {
      const shape = dims.map((d) => compileDim(d, slot)(values));
      return [
        name,
        tensorFrom(dtype, shape, isFloat(dtype) ? pseudoRandom(sizeOf(shape)) : zeros(sizeOf(shape), dtype)),
      ];
    }),
  );
}

function* pseudoRandom(count: number): Iterable<number> {
  let state = count >>> 0;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 31 - 1;
  }
}

function zeros(count: number, dtype: string): (number | bigint)[] {
  return Array.from({ length: count }, () => (dtype === "i64" || dtype === "u64" ? 0n : 0));
}

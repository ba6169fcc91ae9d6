// --input arguments, to the arrays that an entry point runs on. Names, dtypes and ranks are checked here, all of them,
// so that one message says everything that does not fit; sizes are the runtime's to check.

import type { AnyModel, EntryInfo, Model, PortInfo } from "../../runtime-shim/index.js";
import type { Tensor } from "../ir/tensor.js";
import { badInput, usage } from "./failures.js";
import { type InputArg, parseInputArg, readNamed, readValue, type Want } from "./io/source.js";
import { suggest } from "./nearest.js";

export function portText(p: PortInfo): string {
  return `${p.dtype}[${p.shape.join(", ")}]`;
}

/** The entry point of that name, or the first. Throws a usage error with suggestions. */
export function chooseEntry(model: Model<AnyModel>, name: string | undefined): EntryInfo {
  const [first] = model.entries;
  const found = name === undefined ? first : model.entries.find((e) => e.name === name);
  if (found === undefined)
    throw usage(
      `--entry ${name ?? ""}: there is no such entry point`,
      suggest(
        name ?? "",
        model.entries.map((e) => e.name),
        "entry points",
      ),
    );
  return found;
}

/** Reads what the arguments name. Throws a CliError that lists all that is missing or does not fit. */
export async function readInputs(args: readonly string[], entry: EntryInfo): Promise<Map<string, Tensor>> {
  const wants = new Map(entry.inputs.map((p) => [p.name, wantOf(p)]));
  const parsed = args.map(parseInputArg);
  for (const { name } of parsed) if (name !== null && !wants.has(name)) throw unknownInput(name, entry);
  const tensors = new Map<string, Tensor>();
  for (const arg of parsed) {
    for (const [name, tensor] of await read(arg, wants)) {
      if (!wants.has(name)) throw unknownInput(name, entry);
      if (tensors.has(name)) throw usage(`--input: "${name}" is given twice`);
      tensors.set(name, tensor);
    }
  }
  const wrong = entry.inputs.flatMap((p) => problem(p, tensors.get(p.name)));
  if (wrong.length > 0) throw badInput(wrong.join("\n"), hintFor(entry, tensors));
  return tensors;
}

async function read(arg: InputArg, wants: ReadonlyMap<string, Want>): Promise<Iterable<readonly [string, Tensor]>> {
  if (arg.name === null) return readNamed(arg.value.slice(1), (name) => wants.get(name));
  const want = wants.get(arg.name);
  return want === undefined ? [] : [[arg.name, await readValue(arg.value, want)]];
}

function problem(p: PortInfo, t: Tensor | undefined): string[] {
  if (t === undefined) return [`input "${p.name}": have nothing, want ${portText(p)}`];
  if (t.dtype === p.dtype && t.shape.length === p.shape.length) return [];
  return [`input "${p.name}": have ${t.dtype}[${t.shape.join(", ")}], want ${portText(p)}`];
}

function hintFor(entry: EntryInfo, tensors: ReadonlyMap<string, Tensor>): string {
  const missing = entry.inputs.find((p) => !tensors.has(p.name));
  if (missing !== undefined) return `add --input ${missing.name}=@file.npy`;
  const cast = entry.inputs.some((p) => tensors.get(p.name)?.dtype !== p.dtype);
  return cast
    ? "nothing is converted here: give the array the dtype that is wanted"
    : "give the array the rank that is wanted";
}

function unknownInput(name: string, entry: EntryInfo): Error {
  return badInput(
    `entry "${entry.name}" has no input "${name}"`,
    suggest(
      name,
      entry.inputs.map((p) => p.name),
      "inputs",
    ),
  );
}

function wantOf(p: PortInfo): Want {
  const sizes = p.shape.filter((d) => typeof d === "number");
  return { name: p.name, dtype: p.dtype, shape: sizes.length === p.shape.length ? sizes : null };
}

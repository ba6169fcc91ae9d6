// Where outputs go: `name=@file` for one of them, or a .npz, a .json or a folder for all. The extension says the form;
// everything is written or nothing.

import { join } from "node:path";
import type { Tensor } from "../../ir/tensor.js";
import { badInput, usage } from "../failures.js";
import { suggest } from "../nearest.js";
import { checkWritable, makeFolder, type OutputFile, writeFiles } from "./files.js";
import { tensorToJson } from "./json-tensor.js";
import { writeNpy } from "./npy.js";

export interface OutputArg {
  /** The output's name, or null for all. */
  readonly name: string | null;
  readonly path: string;
}

type Form = "npy" | "npz" | "json" | "raw" | "folder";

const FORMS: Readonly<Record<string, Form>> = { npy: "npy", npz: "npz", json: "json", raw: "raw", bin: "raw" };

/** Parses `name=@file` or a path, and checks early that it can be written. Throws a CliError. */
export function parseOutputArg(text: string): OutputArg {
  const at = text.indexOf("=@");
  const arg =
    at < 1 ? { name: null, path: text.replace(/^@/, "") } : { name: text.slice(0, at), path: text.slice(at + 2) };
  const form = formOf(arg.path);
  if (arg.path === "") throw usage(`--output ${text}: the file name is missing`);
  if (arg.name === null && (form === "npy" || form === "raw"))
    throw usage(
      `--output ${text}: this form holds one array, and no output is named`,
      `write --output name=@${arg.path}, or -o outputs.npz`,
    );
  if (arg.name !== null && form === "folder")
    throw usage(`--output ${text}: the file's extension says no form`, "use .npy, .npz, .json or .raw");
  if (form !== "folder") checkWritable(arg.path);
  return arg;
}

/** Checks the names against what the entry point gives. */
export function checkOutputNames(args: readonly OutputArg[], names: readonly string[]): void {
  for (const { name } of args)
    if (name !== null && !names.includes(name))
      throw usage(`--output ${name}=...: there is no output "${name}"`, suggest(name, names, "outputs"));
}

/** Writes the outputs; gives the files written, by output (the same file for all of them in .npz and .json). */
export async function writeOutputs(
  args: readonly OutputArg[],
  outputs: ReadonlyMap<string, Tensor>,
): Promise<Map<string, string>> {
  const files: OutputFile[] = [];
  const written = new Map<string, string>();
  for (const { name, path } of args) {
    const chosen = [...outputs].filter(([n]) => name === null || n === name);
    if (formOf(path) === "folder") {
      makeFolder(path);
      for (const [n, t] of chosen) files.push({ path: join(path, fileName(n, files)), bytes: writeNpy(t) });
    } else files.push({ path, bytes: await encode(path, name, chosen) });
    const last = files.slice(-chosen.length);
    for (const [i, [n]] of chosen.entries()) written.set(n, (formOf(path) === "folder" ? last[i]?.path : path) ?? path);
  }
  writeFiles(files);
  return written;
}

async function encode(
  path: string,
  name: string | null,
  chosen: readonly (readonly [string, Tensor])[],
): Promise<Uint8Array | string> {
  const [first] = chosen;
  const form = formOf(path);
  if (form === "npz") return (await import("./npz.js")).writeNpz(chosen);
  if (form === "json" && name === null)
    return `${JSON.stringify(Object.fromEntries(chosen.map(([n, t]) => [n, tensorToJson(t)])))}\n`;
  if (first === undefined) return "";
  if (form === "json") return `${JSON.stringify(tensorToJson(first[1]))}\n`;
  if (form === "npy") return writeNpy(first[1]);
  if (first[1].dtype === "str") throw badInput(`"${path}": strings have no raw form`, "write .json, .npy or .npz");
  return first[1].bytes;
}

function formOf(path: string): Form {
  const extension = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  return FORMS[extension] ?? "folder";
}

/** A file's name in a folder: what file systems dislike becomes "_", and a name taken gets a number. */
function fileName(name: string, taken: readonly OutputFile[]): string {
  const plain = name.replace(/[^\w.-]/g, "_").replace(/^\.+/, "_") || "_";
  const used = new Set(taken.map((f) => f.path.split(/[\\/]/).at(-1)));
  let out = `${plain}.npy`;
  for (let n = 2; used.has(out); n++) out = `${plain}-${n}.npy`;
  return out;
}

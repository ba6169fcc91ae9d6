// What the fuzzer needs from a subject: inputs to start from, changes that keep them interesting, and a judge.

import type { Random } from "./random.js";

export type TargetName = "loader" | "onnx" | "text" | "npy";
export const TARGET_NAMES: readonly TargetName[] = ["loader", "onnx", "text", "npy"];

export interface Target {
  readonly name: TargetName;
  /** Inputs are cut to this. */
  readonly maxBytes: number;
  readonly seeds: readonly Uint8Array[];
  /** A changed input; `other` is another one to take parts from. Never changes its arguments. */
  mutate(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array;
  /** Runs the subject and says in a word what came of it. Throws where the subject breaks its promise. */
  run(input: Uint8Array): Promise<string>;
}

/** A promise that was broken, in the judge's words. */
export class Broken extends Error {
  override readonly name = "Broken";
}

/** Tells findings apart: the error's first line without its numbers, and where it was thrown. */
export function keyOfError(e: unknown): string {
  if (!(e instanceof Error)) return `threw ${typeof e}`;
  const message = (e.message.split("\n")[0] ?? "").replace(/"[^"]*"|\d+/g, "#").slice(0, 80);
  const frame = (e.stack ?? "").split("\n").find((line) => /^\s+at .*[/\\]dist[/\\]/.test(line)) ?? "";
  return `${e.name}: ${message} ${/([^/\\]+:\d+):\d+\)?$/.exec(frame)?.[1] ?? ""}`.trim();
}

/** Scripts whose coverage guides, by URL. Coverage starts before they are imported, so this stands apart from Target. */
export const SCRIPTS: Readonly<Record<TargetName, RegExp>> = {
  loader: /\/dist\/(runtime-shim|codegen\/bundle)\//,
  onnx: /\/dist\/compiler\/(import|ir)\//,
  text: /\/dist\/compiler\/(ir\/|cli\/(dims|io)\b)/,
  npy: /\/dist\/compiler\/cli\/io\/np[yz]|\/fflate\//,
};

const IMPORTS: Readonly<Record<TargetName, () => Promise<{ readonly target: Target }>>> = {
  loader: () => import("./targets/loader.js"),
  onnx: () => import("./targets/onnx.js"),
  text: () => import("./targets/text.js"),
  npy: () => import("./targets/npy.js"),
};

export async function importTarget(name: TargetName): Promise<Target> {
  return (await IMPORTS[name]()).target;
}

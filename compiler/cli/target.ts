// The options by which a command line says what code is made: the target, and for native code the levels of its CPUs.

import { type Command, Option } from "commander";
import type { TargetName } from "../../targets/targets.js";
import type { CompileOptions } from "../pipeline.js";

export interface TargetOptions {
  readonly target: TargetName;
  readonly cpu?: string;
}

/** Written out, since help loads no target. */
const LEVELS = "v2, v3, v3vnni, v4, v4vnni, v4bf16; neon, dotprod, v8.6";

const TARGETS: readonly TargetName[] = ["wasm", "x86-64", "aarch64"];

export function declareTarget(command: Command): void {
  command
    .addOption(new Option("--target <name>", "what to compile for").choices(TARGETS).default("wasm"))
    .option("--cpu <levels>", `levels of a native target's CPUs, several with commas: ${LEVELS}`);
}

export function parseTarget({ target, cpu }: TargetOptions): Pick<CompileOptions, "target" | "cpus"> {
  return cpu === undefined ? { target } : { target, cpus: cpu.split(",") };
}

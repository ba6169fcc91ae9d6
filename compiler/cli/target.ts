// The options by which a command line says what code is made: the target, and for native code the levels of its CPUs.

import { type Command, Option } from "commander";
import type { TargetName } from "../../targets/targets.js";
import type { CompileOptions } from "../pipeline.js";

export interface TargetOptions {
  readonly target: TargetName;
  readonly cpu?: string;
}

const TARGETS: readonly TargetName[] = ["wasm", "x86-64", "aarch64"];

export function declareTarget(command: Command): void {
  command
    .addOption(new Option("--target <name>", "what to compile for").choices(TARGETS).default("wasm"))
    .option("--cpu <levels>", "levels of a native target's CPUs: v2, v3, v4, v4vnni; neon, dotprod; or several: v4,v2");
}

export function parseTarget({ target, cpu }: TargetOptions): Pick<CompileOptions, "target" | "cpus"> {
  return cpu === undefined ? { target } : { target, cpus: cpu.split(",") };
}

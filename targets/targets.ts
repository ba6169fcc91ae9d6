// What a model can be compiled for, and the way from a schedule to a plan and its code on each.

import type { ModuleVariant } from "../codegen/bundle/write.js";
import { buildWasm } from "../codegen/wasm/target.js";
import type { Builder, Node, Value } from "../compiler/ir/graph.js";
import type { Plan, Tier } from "../compiler/plan/plan.js";
import type { Schedule } from "../compiler/schedule/schedule.js";
import { registerTiles, SIMD128_BYTE_TILES, SIMD128_TILES, type TileChooser } from "../compiler/schedule/tiles.js";
import {
  bestLevel,
  buildNative,
  levelsOf,
  type NativeBuild,
  type NativeOptions,
  toolsOfNative,
} from "./llvm/native.js";
import { NATIVE, type NativeName } from "./native-targets.js";
import { wasmKeeps } from "./wasm/capabilities.js";
import { WASM_THREADING } from "./wasm/threads.js";

export type TargetName = "wasm" | NativeName;

export const TARGET_NAMES: readonly TargetName[] = ["wasm", "x86-64", "aarch64"];

/** The register tiles of a target in a tier: those of the best CPU level that code is made for. */
export function tilesOf(target: TargetName, tier: Tier, cpus?: readonly string[]): TileChooser {
  if (target === "wasm") return tier === "relaxed" ? SIMD128_BYTE_TILES : SIMD128_TILES;
  return registerTiles(bestLevel(NATIVE[target], cpus).unit);
}

/** What passes have to know of a target in a tier, and of the levels of CPUs that code is made for. */
export function passOptionsOf(
  target: TargetName,
  tier: Tier,
  cpus?: readonly string[],
): {
  readonly keeps: (node: Node) => boolean;
  readonly byteDots?: "all" | "some";
  readonly bf16Dots?: boolean;
  readonly pairProducts?: boolean;
  readonly multipliesPerWeight: number;
} {
  // Some 25 GB/s from memory, and 30 or 120 multiply-adds a nanosecond.
  if (target !== "wasm") {
    // A level without them takes pairs of bfloat16 apart in every step, at less than half the speed of products in f32.
    const bf16Dots = tier === "relaxed" && levelsOf(NATIVE[target], cpus).every((l) => l.dialect.bf16Dot !== null);
    return { keeps: wasmKeeps, byteDots: "all", bf16Dots, multipliesPerWeight: 20 };
  }
  const options = { keeps: wasmKeeps, pairProducts: true, multipliesPerWeight: 4 };
  // Relaxed SIMD multiplies bytes, of which one side has 7 bits, on some engines 8; strict modules take pairs of 16 bits.
  return tier === "relaxed" ? { ...options, byteDots: "some" } : options;
}

export interface Build {
  readonly plan: Plan;
  readonly weights: Uint8Array;
  /** Best first. */
  readonly modules: readonly ModuleVariant[];
  /** Byte offset of a value's buffer; null where it has none. */
  readonly placeOf: (v: Value) => number | null;
  /** Programs of this machine that made the modules, with their versions. */
  readonly tools?: NativeBuild["tools"];
  /** Makes the library with a C face; WebAssembly has none. */
  readonly library?: NativeBuild["library"];
}

export type BuildOptions = NativeOptions;

/** Programs of this machine that a target's code depends on, with their versions. Throws Refused where one is missing. */
export function toolsOf(target: TargetName): readonly string[] {
  return target === "wasm" ? [] : toolsOfNative(NATIVE[target]);
}

/** Throws Refused where the target lacks something, a toolchain included. */
export function build(target: TargetName, schedule: Schedule, builder: Builder, options: BuildOptions): Build {
  return target === "wasm"
    ? buildWasm(schedule, builder, { ...options, threading: options.threading ?? WASM_THREADING })
    : buildNative(NATIVE[target], schedule, builder, options);
}

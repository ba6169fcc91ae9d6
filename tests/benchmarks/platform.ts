// What our side of a benchmark is compiled to, and whom it is measured against: WebAssembly beside the peers that run in a
// browser, or this machine's native code beside native peers.

import type { CompileOptions } from "../../compiler/pipeline.js";
import { hasFeature } from "../../runtime-shim/features.js";
import type { AnyModel, Model } from "../../runtime-shim/index.js";
import { hasCpuFeature, targetOfHost } from "../../runtime-shim/native-cpu.js";
import type { NativeTarget } from "../../targets/llvm/native.js";
import { levelsWith, NATIVE, type NativeName } from "../../targets/native-targets.js";
import { type Ceilings, probeOf } from "./ceilings.js";
import type { Engine } from "./engine.js";
import { llamaCpp } from "./llama-cpp.js";
import { onnxruntimeNode, onnxruntimeWeb } from "./onnxruntime.js";
import type { Row } from "./row.js";
import { nativeStarts, type StartKind, wasmStarts } from "./start-programs.js";

export interface Platform {
  readonly name: "wasm" | "native";
  /** The target, and the level of a CPU. */
  readonly text: string;
  readonly options: Pick<CompileOptions, "target" | "cpus">;
  /** Whether the relaxed tier has the fused operation. */
  readonly fuses: boolean;
  load(bundle: Uint8Array<ArrayBuffer>, threads: number): Promise<Model<AnyModel>>;
  /** Measures the ceilings each time it is called. */
  probe(): Promise<() => Ceilings>;
  /** For these rows, the main peer first. A peer that this machine cannot have is left out, and a line says so. */
  peers(threads: number, rows: readonly Row[]): Promise<readonly Engine[]>;
  /** Programs of a fresh process. */
  readonly starts: readonly StartKind[];
}

const WASM: Platform = {
  name: "wasm",
  text: "wasm",
  options: { target: "wasm" },
  fuses: hasFeature("relaxed-simd"),
  load: async (bundle, threads) => (await import("../../runtime-shim/index.js")).load(bundle, { threads }),
  probe: async () => probeOf(await (await import("./ceilings-wasm.js")).wasmLoops()),
  peers: async (threads) => [await onnxruntimeWeb(threads), await onnxruntimeNode(threads)],
  starts: wasmStarts(),
};

function native(name: NativeName, cpu: string): Platform {
  const target: NativeTarget = NATIVE[name];
  const level = target.levels[cpu];
  if (level === undefined || !level.features.every(hasCpuFeature))
    throw new Error(
      `--cpu ${cpu}: this machine runs ${levelsWith(target, hasCpuFeature).join(", ") || "none of the levels"}`,
    );
  return {
    name: "native",
    text: `${name} ${cpu}`,
    options: { target: name, cpus: [cpu] },
    fuses: level.dialect.fma,
    load: async (bundle, threads) => (await import("../../runtime-shim/native.js")).loadNative(bundle, { threads }),
    probe: async () => probeOf((await import("./ceilings-native.js")).nativeLoops(target, cpu, level)),
    peers: async (threads, rows) => [await onnxruntimeNode(threads), ...(await languagePeers(threads, rows))],
    starts: nativeStarts(),
  };
}

async function languagePeers(threads: number, rows: readonly Row[]): Promise<Engine[]> {
  if (!rows.some((r) => r.llama !== undefined)) return [];
  try {
    return [await llamaCpp(threads)];
  } catch (e) {
    console.log(`without llama.cpp: ${e instanceof Error ? e.message : String(e)}`);
    return [];
  }
}

/** `cpu`: a level of the native target; the best that this machine has by default. */
export function platformOf(target: string, cpu: string | undefined): Platform {
  if (target === "wasm" && cpu === undefined) return WASM;
  if (target === "wasm") throw new Error(`--cpu ${cpu}: WebAssembly has no levels of a CPU`);
  if (target !== "native") throw new Error(`--target ${target}: want wasm or native`);
  const host = (["x86-64", "aarch64"] as const).find((n) => n === targetOfHost());
  const best = host === undefined ? undefined : (cpu ?? levelsWith(NATIVE[host], hasCpuFeature)[0]);
  if (host === undefined || best === undefined) throw new Error("--target native: there is none for this machine");
  return native(host, best);
}

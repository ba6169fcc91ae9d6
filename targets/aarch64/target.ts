// aarch64: NEON, which every such CPU has, the dot products that most have since 2018, and the matrix products of bytes of
// Armv8.6, which came some years later together with dot products of bfloat16.

import type { VectorUnit } from "../../compiler/schedule/tiles.js";
import type { NativeTarget } from "../llvm/native.js";

const NEON: VectorUnit = { lanes: 4, registers: 32, prefetches: true, convertsHalves: true };
const SIGNED: VectorUnit = { ...NEON, bytes: "signed" };
const SQUARES: VectorUnit = { ...NEON, bytes: "squares" };

export const AARCH64: NativeTarget = {
  name: "aarch64",
  triple: "aarch64-unknown-linux-gnu",
  baseline: "generic",
  link: { name: "aarch64", arch: "arm64", emulation: "aarch64linux", machine: 183, linkers: ["aarch64-linux-gnu-ld"] },
  pool: {
    futex: 98,
    pause: { declaration: "declare void @llvm.aarch64.hint(i32)", call: "call void @llvm.aarch64.hint(i32 1)" },
  },
  levels: {
    "v8.6": {
      features: ["neon", "asimddp", "i8mm", "bf16"],
      unit: SQUARES,
      cpu: "generic",
      // What the features name and no more: cores of Armv8.4 (Neoverse V1) have them, and lack other parts of v8.6a.
      enable: "+v8.2a,+dotprod,+i8mm,+bf16",
      dialect: { fma: true, pairBytes: 0, byteDot: "usdot", bf16Dot: "bfdot", saturates: true },
    },
    dotprod: {
      features: ["neon", "asimddp"],
      unit: SIGNED,
      cpu: "generic",
      enable: "+v8.2a,+dotprod",
      dialect: { fma: true, pairBytes: 0, byteDot: "sdot", bf16Dot: null, saturates: true },
    },
    neon: {
      features: ["neon"],
      unit: NEON,
      cpu: "generic",
      enable: "",
      dialect: { fma: true, pairBytes: 0, byteDot: null, bf16Dot: null, saturates: true },
    },
  },
  standard: ["neon"],
};

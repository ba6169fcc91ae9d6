// aarch64: NEON, which every such CPU has, and the dot products that most have since 2018.

import type { VectorUnit } from "../../compiler/schedule/tiles.js";
import type { NativeTarget } from "../llvm/native.js";

const NEON: VectorUnit = { lanes: 4, registers: 32 };

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
    dotprod: {
      features: ["neon", "asimddp"],
      unit: NEON,
      cpu: "generic",
      enable: "+v8.2a,+dotprod",
      dialect: { fma: true, pairBytes: 0, byteDot: "sdot", saturates: true },
    },
    neon: {
      features: ["neon"],
      unit: NEON,
      cpu: "generic",
      enable: "",
      dialect: { fma: true, pairBytes: 0, byteDot: null, saturates: true },
    },
  },
  standard: ["neon"],
};

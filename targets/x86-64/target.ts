// x86-64: the levels of the psABI, from what every CPU since 2009 has to AVX-512. `v2`, `v3` and `v4` mean the same sets
// of features everywhere; `vnni` adds the dot products of 8- and 16-bit integers that most CPUs with AVX-512 have, and
// newer ones without it; `bf16` those of bfloat16.

import type { VectorUnit } from "../../compiler/schedule/tiles.js";
import type { NativeTarget } from "../llvm/native.js";

const AVX512: VectorUnit = { lanes: 16, registers: 32, prefetches: true, convertsHalves: true };
const AVX2: VectorUnit = { lanes: 8, registers: 16, prefetches: true, convertsHalves: true };
const SSE: VectorUnit = { lanes: 4, registers: 16, prefetches: true, convertsHalves: false };

export const X86_64: NativeTarget = {
  name: "x86-64",
  triple: "x86_64-unknown-linux-gnu",
  baseline: "x86-64",
  link: { name: "x86-64", arch: "x64", emulation: "elf_x86_64", machine: 62, linkers: ["x86_64-linux-gnu-ld"] },
  pool: {
    futex: 202,
    pause: { declaration: "declare void @llvm.x86.sse2.pause()", call: "call void @llvm.x86.sse2.pause()" },
  },
  levels: {
    v4bf16: {
      features: ["x86-64-v4", "avx512vnni", "avx512bf16"],
      unit: AVX512,
      cpu: "x86-64-v4",
      enable: "+avx512vnni,+avx512bf16",
      dialect: { fma: true, pairBytes: 64, byteDot: "vpdpbusd", bf16Dot: "vdpbf16ps", saturates: false },
    },
    v4vnni: {
      features: ["x86-64-v4", "avx512vnni"],
      unit: AVX512,
      cpu: "x86-64-v4",
      enable: "+avx512vnni",
      dialect: { fma: true, pairBytes: 64, byteDot: "vpdpbusd", bf16Dot: null, saturates: false },
    },
    v4: {
      features: ["x86-64-v4"],
      unit: AVX512,
      cpu: "x86-64-v4",
      enable: "",
      dialect: { fma: true, pairBytes: 64, byteDot: null, bf16Dot: null, saturates: false },
    },
    v3vnni: {
      features: ["x86-64-v3", "avxvnni"],
      unit: AVX2,
      cpu: "x86-64-v3",
      enable: "+avxvnni",
      dialect: { fma: true, pairBytes: 32, byteDot: "vpdpbusd", bf16Dot: null, saturates: false },
    },
    v3: {
      features: ["x86-64-v3"],
      unit: AVX2,
      cpu: "x86-64-v3",
      enable: "",
      dialect: { fma: true, pairBytes: 32, byteDot: null, bf16Dot: null, saturates: false },
    },
    v2: {
      features: ["x86-64-v2"],
      unit: SSE,
      cpu: "x86-64-v2",
      enable: "",
      dialect: { fma: false, pairBytes: 16, byteDot: null, bf16Dot: null, saturates: false },
    },
  },
  standard: ["v3"],
};

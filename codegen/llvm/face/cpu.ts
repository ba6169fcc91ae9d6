// Which of the library's levels this CPU runs: asked of the CPU itself on x86-64, of the system elsewhere. Every feature
// is bits of a few words.

import { Bug } from "../../../compiler/ir/errors.js";
import { type Bool, type Code, type I32, i32, i64, type Ptr, signature } from "./code.js";
import { LIBC } from "./libc.js";
import type { FaceModule } from "./module.js";

/** () -> index of the best level that runs, or -1 */
export const CHOOSE_LEVEL = signature("face.choose_level", "i32", []);

/** (where what the CPU has goes) */
const READ_CPU = signature("face.read_cpu", "void", ["ptr"]);

/** (what the CPU has, what is wanted) */
const COVERS = signature("face.cpu_covers", "i1", ["ptr", "ptr"]);

const WORDS = 6;
/** The last ones that are 0 are left out. */
type Words = readonly number[];

const bits = (...places: readonly number[]): number => places.reduce((mask, b) => mask | (1 << b), 0);

/**
 * Leaf 1 ecx, leaf 7 ebx, leaf 7 ecx, leaf 0x80000001 ecx, what the system keeps of the registers (xcr0), and leaf 7.1 eax.
 */
const X86: Readonly<Record<string, Words>> = {
  "x86-64-v2": [bits(0, 9, 13, 19, 20, 23), 0, 0, bits(0)],
  "x86-64-v3": [bits(0, 9, 12, 13, 19, 20, 22, 23, 26, 27, 28, 29), bits(3, 5, 8), 0, bits(0, 5), bits(1, 2)],
  "x86-64-v4": [
    bits(0, 9, 12, 13, 19, 20, 22, 23, 26, 27, 28, 29),
    bits(3, 5, 8, 16, 17, 28, 30, 31),
    0,
    bits(0, 5),
    bits(1, 2, 5, 6, 7),
  ],
  avx512vnni: [0, 0, bits(11)],
  avx512bf16: [0, 0, 0, 0, 0, bits(5)],
  avxvnni: [0, 0, 0, 0, 0, bits(4)],
  // With SSSE3 and SSE4.1, whose instructions stand beside.
  sha: [bits(9, 19), bits(29)],
};

/** AT_HWCAP, and AT_HWCAP2. */
const AARCH64: Readonly<Record<string, Words>> = {
  neon: [bits(1)],
  asimddp: [bits(20)],
  i8mm: [0, bits(13)],
  bf16: [0, bits(14)],
  sha2: [bits(6)],
};

interface Machine {
  readonly features: Readonly<Record<string, Words>>;
  /** Fills the words; they are zeros. */
  readonly read: (code: Code, words: Ptr) => void;
}

const MACHINES: Readonly<Record<string, Machine>> = {
  "x86-64": { features: X86, read: readX86 },
  aarch64: { features: AARCH64, read: readAarch64 },
};

const HWCAP = 16;
const HWCAP2 = 26;

function readAarch64(code: Code, words: Ptr): void {
  for (const [word, kind] of [HWCAP, HWCAP2].entries())
    code.store(code.low(code.callOutside(LIBC.getauxval, [i64(kind)])), code.at(words, word * 4));
}

function readX86(code: Code, words: Ptr): void {
  const cpuid = (leaf: number, register: "ax" | "bx" | "cx", part = 0): I32 => {
    const names = "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}";
    const type = "{ i32, i32, i32, i32 }";
    const all = code.value("i32", `call ${type} asm sideeffect "cpuid", "${names}"(i32 ${leaf}, i32 ${part})`);
    return code.value("i32", `extractvalue ${type} ${all.text}, ${["ax", "bx", "cx"].indexOf(register)}`);
  };
  const put = (word: number, value: I32): void => code.store(value, code.at(words, word * 4));
  const base = cpuid(1, "cx");
  put(0, base);
  code.if(code.compare("uge", cpuid(0, "ax"), i32(7)), () => {
    put(1, cpuid(7, "bx"));
    put(2, cpuid(7, "cx"));
    // Zeros where there is no such part.
    put(5, cpuid(7, "ax", 1));
  });
  put(3, cpuid(0x80000001 | 0, "cx"));
  const hasXgetbv = code.compare("ne", code.op("and", base, i32(1 << 27)), i32(0));
  code.if(hasXgetbv, () => {
    const names = "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}";
    const both = code.value("i32", `call { i32, i32 } asm sideeffect "xgetbv", "${names}"(i32 0)`);
    put(4, code.value("i32", `extractvalue { i32, i32 } ${both.text}, 0`));
  });
}

export function writeCpu(module: FaceModule): void {
  const { target, levels } = module.model;
  const machine = machineOf(target);
  const needs = levels.flatMap(({ features }) => wordsOf(target, features));
  const table = module.data.words("levels", "i32", needs);

  module.define(READ_CPU, (code, words) => {
    for (let i = 0; i < WORDS; i++) code.store(i32(0), code.at(words, i * 4));
    machine.read(code, words);
    code.return();
  });
  module.define(COVERS, (code, words, wanted) => {
    const missing = code.local(i32(0));
    code.each(i64(WORDS), (i) => {
      const [want, have] = [wanted, words].map((p) => code.load("i32", code.element(p, i, 4))) as [I32, I32];
      const lacks = code.op("and", want, code.op("xor", have, i32(-1)));
      missing.set(code.op("or", missing.get(), lacks));
    });
    code.return(code.compare("eq", missing.get(), i32(0)));
  });
  module.define(CHOOSE_LEVEL, (code) => {
    const words = code.room(WORDS * 4);
    code.call(READ_CPU, words);
    code.each(i64(levels.length), (level) =>
      code.if(code.call(COVERS, words, code.element(table, level, WORDS * 4)), () => code.return(code.low(level))),
    );
    code.return(i32(-1));
  });
}

/** Whether this CPU has a feature, asked where it stands. */
export function hasFeature(module: FaceModule, code: Code, feature: string): Bool {
  const wanted = module.data.words(`cpu.${feature}`, "i32", wordsOf(module.model.target, [feature]));
  const words = code.room(WORDS * 4);
  code.call(READ_CPU, words);
  return code.call(COVERS, words, wanted);
}

function machineOf(target: string): Machine {
  const machine = MACHINES[target];
  if (machine === undefined) throw new Bug("face", `no way to ask a CPU of ${target} what it has`);
  return machine;
}

/** The words that a CPU must have for all of these features. */
function wordsOf(target: string, features: readonly string[]): readonly number[] {
  const each = features.map((f) => {
    const words = machineOf(target).features[f];
    if (words === undefined) throw new Bug("face", `no way to ask a CPU of ${target} for ${f}`);
    return words;
  });
  return Array.from({ length: WORDS }, (_, i) => each.reduce((mask, words) => mask | (words[i] ?? 0), 0));
}

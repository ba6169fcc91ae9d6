// SHA-256 by the instructions that CPUs have for it: several times as fast as without. A round waits for the one before, so
// two digests go on side by side.

import { Bug } from "../../../compiler/ir/errors.js";
import { type Code, type I32x4, type i64, type Ptr, signature } from "./code.js";
import type { FaceModule } from "./module.js";
import { ADVANCE, ADVANCE_BOTH, BLOCK, ROUNDS } from "./sha256.js";

/** As ADVANCE and ADVANCE_BOTH, for a CPU with the feature. */
export const FAST_ADVANCE = signature("face.sha256_fast", ADVANCE.result, ADVANCE.params);
export const FAST_ADVANCE_BOTH = signature("face.sha256_fast_both", ADVANCE_BOTH.result, ADVANCE_BOTH.params);

/** The eight words of a state, as a CPU's instructions want them. */
type State = readonly [I32x4, I32x4];
type Schedule = readonly [I32x4, I32x4, I32x4, I32x4];

interface Instructions {
  /** The feature, by the face's name and by LLVM's, with what the code around it needs. */
  readonly feature: string;
  readonly enable: string;
  /** Of a, b, c, d and e, f, g, h; and back. */
  readonly pack: (code: Writer, abcd: I32x4, efgh: I32x4) => State;
  readonly unpack: (code: Writer, state: State) => State;
  /** Four rounds with a term each. */
  readonly rounds: (code: Writer, state: State, terms: I32x4) => State;
  /** The four words of the schedule behind these sixteen. */
  readonly next: (code: Writer, words: Schedule) => I32x4;
}

/** Vector instructions of a function. */
class Writer {
  readonly code: Code;
  readonly #declare: (line: string) => void;

  constructor(code: Code, declare: (line: string) => void) {
    this.code = code;
    this.#declare = declare;
  }

  call(name: string, ...args: readonly I32x4[]): I32x4 {
    this.#declare(`declare <4 x i32> @llvm.${name}(${args.map((a) => a.type).join(", ")})`);
    return this.code.value("<4 x i32>", `call <4 x i32> @llvm.${name}(${args.map(text).join(", ")})`);
  }

  /** Lanes of `a` are 0 to 3, those of `b` 4 to 7. */
  shuffle(a: I32x4, b: I32x4, lanes: readonly [number, number, number, number]): I32x4 {
    const mask = lanes.map((l) => `i32 ${l}`).join(", ");
    return this.code.value("<4 x i32>", `shufflevector ${text(a)}, ${text(b)}, <4 x i32> <${mask}>`);
  }

  constant(words: readonly number[]): I32x4 {
    return { type: "<4 x i32>", text: `<${words.map((w) => `i32 ${w}`).join(", ")}>` };
  }
}

const text = ({ type, text: name }: I32x4): string => `${type} ${name}`;

const X86: Instructions = {
  feature: "sha",
  enable: "+sha,+ssse3,+sse4.1",
  pack: (w, abcd, efgh) => [w.shuffle(abcd, efgh, [5, 4, 1, 0]), w.shuffle(abcd, efgh, [7, 6, 3, 2])],
  unpack: (w, [feba, hgdc]) => [w.shuffle(feba, hgdc, [3, 2, 7, 6]), w.shuffle(feba, hgdc, [1, 0, 5, 4])],
  rounds: (w, [feba, hgdc], terms) => {
    const first = w.call("x86.sha256rnds2", hgdc, feba, terms);
    return [w.call("x86.sha256rnds2", feba, first, w.shuffle(terms, terms, [2, 3, 2, 3])), first];
  },
  next: (w, [m0, m1, m2, m3]) => {
    const sum = w.code.add(w.call("x86.sha256msg1", m0, m1), w.shuffle(m2, m3, [1, 2, 3, 4]));
    return w.call("x86.sha256msg2", sum, m3);
  },
};

const AARCH64: Instructions = {
  feature: "sha2",
  enable: "+neon,+sha2",
  pack: (_, abcd, efgh) => [abcd, efgh],
  unpack: (_, state) => state,
  rounds: (w, [abcd, efgh], terms) => [
    w.call("aarch64.crypto.sha256h", abcd, efgh, terms),
    w.call("aarch64.crypto.sha256h2", efgh, abcd, terms),
  ],
  next: (w, [m0, m1, m2, m3]) => w.call("aarch64.crypto.sha256su1", w.call("aarch64.crypto.sha256su0", m0, m1), m2, m3),
};

const INSTRUCTIONS: Readonly<Record<string, Instructions>> = { "x86-64": X86, aarch64: AARCH64 };

function instructionsOf(target: string): Instructions {
  const found = INSTRUCTIONS[target];
  if (found === undefined) throw new Bug("face", `no instructions of SHA-256 for ${target}`);
  return found;
}

/** The feature that a CPU must have. */
export function shaFeature(target: string): string {
  return instructionsOf(target).feature;
}

export function writeSha256Instructions(module: FaceModule): void {
  const { enable, pack, unpack, rounds, next } = instructionsOf(module.model.target);
  const declare = (line: string): void => module.declare(line);

  /** Digests go on side by side, each over blocks of its own. */
  const advance = (
    code: Code,
    streams: readonly { readonly state: Ptr; readonly data: Ptr }[],
    blocks: ReturnType<typeof i64>,
  ): void => {
    const w = new Writer(code, declare);
    const half = (state: Ptr, at: number): I32x4 => code.load("<4 x i32>", code.at(state, at));
    const locals = streams.map(({ state }) => pack(w, half(state, 0), half(state, 16)).map((h) => code.local(h)));
    code.each(blocks, (i) => {
      const before = locals.map((pair) => pair.map((l) => l.get()) as unknown as State);
      const words = streams.map(({ data }) =>
        [0, 16, 32, 48].map((at) => w.call("bswap.v4i32", half(code.element(data, i, BLOCK), at))),
      );
      let states = before;
      for (let group = 0; group < ROUNDS.length / 4; group++) {
        const constants = w.constant(ROUNDS.slice(group * 4, group * 4 + 4));
        for (const all of words) if (group >= 4) all.push(next(w, all.slice(-4) as unknown as Schedule));
        states = states.map((state, s) => rounds(w, state, code.add(at(words[s], group), constants)));
      }
      for (const [s, pair] of locals.entries())
        for (const [h, local] of pair.entries()) local.set(code.add(at(states[s], h), at(before[s], h)));
    });
    for (const [s, { state }] of streams.entries()) {
      const pair = (locals[s] ?? []).map((l) => l.get()) as unknown as State;
      for (const [h, value] of unpack(w, pair).entries()) code.store(value, code.at(state, h * 16));
    }
    code.return();
  };

  module.define(FAST_ADVANCE, (code, state, data, blocks) => advance(code, [{ state, data }], blocks), enable);
  module.define(
    FAST_ADVANCE_BOTH,
    (code, a, dataOfA, b, dataOfB, blocks) =>
      advance(
        code,
        [
          { state: a, data: dataOfA },
          { state: b, data: dataOfB },
        ],
        blocks,
      ),
    enable,
  );
}

function at(list: readonly I32x4[] | undefined, index: number): I32x4 {
  const found = list?.[index];
  if (found === undefined) throw new Bug("face", `no vector ${index}`);
  return found;
}

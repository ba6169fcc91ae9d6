// SHA-256 (FIPS 180-4) of whole blocks, for the digests of the weights, in instructions that every CPU has;
// sha256-instructions.ts is the same for CPUs with instructions of its own.

import { type Code, type I32, i8, i32, i64, type Ptr, signature } from "./code.js";
import { LIBC } from "./libc.js";
import type { FaceModule } from "./module.js";

export const BLOCK = 64;

/** (state, data, how many blocks): eight words of state go on over so many blocks. */
export const ADVANCE = signature("face.sha256", "void", ["ptr", "ptr", "i64"]);

/** (state, data, another state, its data, how many blocks): as ADVANCE, for two digests at a time. */
export const ADVANCE_BOTH = signature("face.sha256_both", "void", ["ptr", "ptr", "ptr", "ptr", "i64"]);

/** (where a state goes) */
export const BEGIN = signature("face.sha256_begin", "void", ["ptr"]);

/** (state, how many blocks it has seen, fewer than 2^23; where 32 bytes of digest go) */
export const END = signature("face.sha256_end", "void", ["ptr", "i64", "ptr"]);

/** (eight words of state, a block of 64 bytes) */
const COMPRESS = signature("face.sha256_block", "void", ["ptr", "ptr"]);

export const STATE_BYTES = 32;

/** The first 32 bits of the fractional part of a number, as an i32. */
function fraction(x: number): number {
  return Math.floor((x - Math.floor(x)) * 2 ** 32) | 0;
}

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((p) => n % p !== 0)) found.push(n);
  return found;
}

type Eight = readonly [I32, I32, I32, I32, I32, I32, I32, I32];

const START = primes(8).map((p) => fraction(Math.sqrt(p)));
/** A word for each round. */
export const ROUNDS = primes(64).map((p) => fraction(Math.cbrt(p)));

export function writeSha256(module: FaceModule): void {
  const start = module.data.words("sha256_start", "i32", START);
  const rounds = module.data.words("sha256_rounds", "i32", ROUNDS);
  const swap = (code: Code, x: I32): I32 => {
    module.declare("declare i32 @llvm.bswap.i32(i32)");
    return code.value("i32", `call i32 @llvm.bswap.i32(i32 ${x.text})`);
  };
  const turn = (code: Code, x: I32, bits: number): I32 => {
    module.declare("declare i32 @llvm.fshr.i32(i32, i32, i32)");
    return code.value("i32", `call i32 @llvm.fshr.i32(i32 ${x.text}, i32 ${x.text}, i32 ${bits})`);
  };
  const mixed = (code: Code, parts: readonly I32[]): I32 => parts.reduce((a, b) => code.op("xor", a, b));

  /** The next eight values: new ones of a and e, and the others moved on. */
  const round = (code: Code, [a, b, c, d, e, f, g, h]: Eight, term: I32): Eight => {
    const s1 = mixed(code, [turn(code, e, 6), turn(code, e, 11), turn(code, e, 25)]);
    const choice = code.op("xor", g, code.op("and", e, code.op("xor", f, g)));
    const t1 = code.add(code.add(h, s1), code.add(choice, term));
    const s0 = mixed(code, [turn(code, a, 2), turn(code, a, 13), turn(code, a, 22)]);
    const majority = code.op("or", code.op("and", a, b), code.op("and", c, code.op("or", a, b)));
    return [code.add(t1, code.add(s0, majority)), a, b, c, code.add(d, t1), e, f, g];
  };

  module.define(COMPRESS, (code, state, block) => {
    const words = code.room(256);
    const word = (index: ReturnType<typeof i64>): Ptr => code.element(words, index, 4);
    code.each(i64(16), (i) => code.store(swap(code, code.load("i32", code.element(block, i, 4), 1)), word(i)));
    code.each(i64(48), (i) => {
      const before = (n: number): I32 => code.load("i32", code.at(word(i), (16 - n) * 4));
      const [a, b] = [before(15), before(2)];
      const s0 = mixed(code, [turn(code, a, 7), turn(code, a, 18), code.op("lshr", a, i32(3))]);
      const s1 = mixed(code, [turn(code, b, 17), turn(code, b, 19), code.op("lshr", b, i32(10))]);
      const sum = code.add(code.add(before(16), s0), code.add(before(7), s1));
      code.store(sum, code.at(word(i), 64));
    });
    const names = Array.from({ length: 8 }, (_, i) => code.local(code.load("i32", code.at(state, i * 4))));
    // Eight rounds at a time: then every name is back in its place.
    code.each(i64(64 / 8), (group) => {
      let values = names.map((n) => n.get()) as unknown as Eight;
      for (let r = 0; r < 8; r++) {
        const i = code.add(code.mul(group, i64(8)), i64(r));
        const term = code.add(code.load("i32", code.element(rounds, i, 4)), code.load("i32", word(i)));
        values = round(code, values, term);
      }
      for (const [k, value] of values.entries()) names[k]?.set(value);
    });
    for (const [i, n] of names.entries()) {
      const at = code.at(state, i * 4);
      code.store(code.add(code.load("i32", at), n.get()), at);
    }
    code.return();
  });

  module.define(ADVANCE, (code, state, data, blocks) => {
    code.each(blocks, (i) => code.call(COMPRESS, state, code.element(data, i, BLOCK)));
    code.return();
  });
  module.define(ADVANCE_BOTH, (code, a, dataOfA, b, dataOfB, blocks) => {
    code.call(ADVANCE, a, dataOfA, blocks);
    code.call(ADVANCE, b, dataOfB, blocks);
    code.return();
  });
  module.define(BEGIN, (code, state) => {
    code.callOutside(LIBC.memcpy, [state, start, i64(STATE_BYTES)]);
    code.return();
  });
  module.define(END, (code, state, blocks, digest) => {
    // The end is a block of its own: a one bit, zeros, and the length in bits.
    const last = code.room(BLOCK);
    code.callOutside(LIBC.memset, [last, i32(0), i64(BLOCK)]);
    code.store(i8(-128), last);
    code.store(swap(code, code.low(code.op("shl", blocks, i64(9)))), code.at(last, BLOCK - 4));
    code.call(COMPRESS, state, last);
    code.each(i64(8), (i) =>
      code.store(swap(code, code.load("i32", code.element(state, i, 4))), code.element(digest, i, 4)),
    );
    code.return();
  });
}

// What psn_load proves before it makes a model: that the file is the bundle that the library was made with, whole or
// stripped of its texts, and that the weights have their digests.

import { Bug } from "../../../compiler/ir/errors.js";
import { CHUNK_BYTES, HEADER_BYTES, MAGIC } from "../../../runtime-shim/format.js";
import { type Bool, type Code, global, type I64, i32, i64, type Ptr, signature } from "./code.js";
import { hasFeature } from "./cpu.js";
import { LIBC, MADV_DONTNEED } from "./libc.js";
import { type FaceModule, type Sink, statusValue } from "./module.js";
import { ADVANCE, ADVANCE_BOTH, BEGIN, BLOCK, END, STATE_BYTES } from "./sha256.js";
import { FAST_ADVANCE, FAST_ADVANCE_BOTH, shaFeature } from "./sha256-instructions.js";

/** (the file's first bytes, how many there are, bytes of the file, its name; error, its bytes) -> status */
export const CHECK_HEADER = signature("face.check_header", "i32", ["ptr", "i64", "i64", "ptr", "ptr", "i64"]);

/** (weights, whether they are a file's mapping, error, its bytes) -> status */
export const CHECK_WEIGHTS = signature("face.check_weights", "i32", ["ptr", "i1", "ptr", "i64"]);

/** (digest, where 64 digits and a zero go) */
const HEX = signature("face.hex", "void", ["ptr", "ptr"]);

export function writeChecks(module: FaceModule): void {
  const { bundle } = module.model;
  const header = module.data.bytes("header", bundle.header, 8);
  const digits = module.data.bytes("digits", new TextEncoder().encode("0123456789abcdef"), 1);

  module.define(HEX, (code, digest, text) => {
    code.each(i64(32), (i) => {
      const byte = code.wide(code.load("i8", code.at(digest, i)));
      const to = code.element(text, i, 2);
      code.store(code.load("i8", code.at(digits, code.op("lshr", byte, i64(4)))), to);
      code.store(code.load("i8", code.at(digits, code.op("and", byte, i64(15)))), code.at(to, 1));
    });
    code.store({ type: "i8", text: "0" }, code.at(text, 64));
    code.return();
  });

  module.define(CHECK_HEADER, (code, bytes, have, size, name, text, textBytes) => {
    const sink: Sink = { text, bytes: textBytes };
    const want = "want a bundle that psionic wrote";
    code.if(code.compare("ult", have, i64(HEADER_BYTES)), () =>
      module.fail(code, sink, "MALFORMED", `bundle "%.200s": have %lld bytes, ${want}`, name, size),
    );
    const differs = (from: number, length: number): Bool =>
      code.compare(
        "ne",
        code.callOutside(LIBC.memcmp, [code.at(bytes, from), code.at(header, from), i64(length)]),
        i32(0),
      );
    code.if(differs(0, MAGIC.length), () =>
      module.fail(code, sink, "MALFORMED", `bundle "%.200s": have another magic number, ${want}`, name),
    );
    code.if(differs(8, HEADER_BYTES - 8), () => {
      const hex = code.room(65);
      code.call(HEX, code.at(bytes, 16), hex);
      const format = `bundle "%.200s": have plan digest %s, want %s: use the bundle that was written with this library`;
      module.fail(code, sink, "FOREIGN_BUNDLE", format, name, hex, module.data.text(bundle.digest));
    });
    const { whole, stripped } = bundle;
    code.if(code.compare("ne", size, i64(whole)), () =>
      code.if(code.compare("ne", size, i64(stripped)), () => {
        const format = `bundle "%.200s": have %lld bytes, want ${whole}, or ${stripped} without texts: copy it again`;
        module.fail(code, sink, "MALFORMED", format, name, size);
      }),
    );
    code.return(statusValue("OK"));
  });

  const { bytes: weightsBytes } = module.model.plan.memory.weights;
  if (weightsBytes % BLOCK !== 0)
    throw new Bug("face", `${weightsBytes} bytes of weights, want whole blocks of ${BLOCK}`);
  const digests = module.data.bytes("chunks", Uint8Array.from(bundle.chunks.flatMap(bytesOfHex)), 8);
  const blocksOf = (code: Code, at: I64): I64 => {
    const rest = code.sub(i64(weightsBytes), code.min(at, i64(weightsBytes)));
    return code.op("lshr", code.min(rest, i64(CHUNK_BYTES)), i64(Math.log2(BLOCK)));
  };
  module.define(CHECK_WEIGHTS, (code, weights, isMapped, text, textBytes) => {
    const isFast = hasFeature(module, code, shaFeature(module.model.target));
    const one = code.select(isFast, global(FAST_ADVANCE.name), global(ADVANCE.name));
    const both = code.select(isFast, global(FAST_ADVANCE_BOTH.name), global(ADVANCE_BOTH.name));
    const [state, nextState, digest] = [code.room(STATE_BYTES), code.room(STATE_BYTES), code.room(32)];
    const compare = (i: I64, of: Ptr, blocks: I64): void => {
      code.call(END, of, blocks, digest);
      const differs = code.callOutside(LIBC.memcmp, [digest, code.element(digests, i, 32), i64(32)]);
      code.if(code.compare("ne", differs, i32(0)), () => {
        const format =
          "weights, chunk %lld: another digest than the bundle's: copy it again, or compile the model again";
        module.fail(code, { text, bytes: textBytes }, "DIGEST_MISMATCH", format, i);
      });
    };
    // Two chunks at a time: the second may be shorter, or none.
    code.each(i64(Math.ceil(bundle.chunks.length / 2)), (pair) => {
      const [i, next] = [code.mul(pair, i64(2)), code.add(code.mul(pair, i64(2)), i64(1))];
      const [from, nextFrom] = [code.mul(i, i64(CHUNK_BYTES)), code.mul(next, i64(CHUNK_BYTES))];
      const [blocks, nextBlocks] = [blocksOf(code, from), blocksOf(code, nextFrom)];
      const [data, nextData] = [code.at(weights, from), code.at(weights, nextFrom)];
      code.call(BEGIN, state);
      code.call(BEGIN, nextState);
      code.callThrough(both, ADVANCE_BOTH, state, data, nextState, nextData, nextBlocks);
      const rest = code.sub(blocks, nextBlocks);
      code.callThrough(one, ADVANCE, state, code.element(data, nextBlocks, BLOCK), rest);
      compare(i, state, blocks);
      code.if(code.compare("ult", next, i64(bundle.chunks.length)), () => compare(next, nextState, nextBlocks));
      code.if(isMapped, () => letGo(code, data, code.op("shl", code.add(blocks, nextBlocks), i64(Math.log2(BLOCK)))));
    });
    code.return(statusValue("OK"));
  });
}

const PAGE = 4096;

/** Whole pages of a file's mapping leave this process until they are read again: not all weights are in every run. */
function letGo(code: Code, data: Ptr, bytes: I64): void {
  const skip = code.op("and", code.sub(i64(0), code.address(data)), i64(PAGE - 1));
  const whole = code.op("and", code.sub(bytes, code.min(skip, bytes)), i64(-PAGE));
  code.callOutside(LIBC.madvise, [code.at(data, skip), whole, i32(MADV_DONTNEED)]);
}

function bytesOfHex(hex: string): number[] {
  return Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

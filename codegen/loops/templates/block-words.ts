// Weights of 2 to 16 bits out of their words. A word of 32 bits holds neighbours along k of one column, so four words
// side by side give, shifted and masked, the same row of k for four columns: as real numbers, w = (q - zero) * scale or
// the f16 that the bits are, or as they are, two rows of k in the halves of each lane. What is done with them is the reader's business: a product
// multiplies them at once, a tile of many rows has them stored first.

import { bytesOf, type DType } from "../../../compiler/ir/dtype.js";
import { constantOf } from "../../../compiler/ir/graph.js";
import { bitOf, offsetOf } from "../../../compiler/plan/pack-bits.js";
import { type BlockForm, perWord } from "../../../compiler/schedule/blocks.js";
import { type Expr, I32, type Reg } from "../expr.js";
import type { Frame } from "../frame.js";
import { decodeNarrow } from "../narrow.js";
import { LANES } from "../nest.js";
import { lowerCast } from "../scalar.js";
import type { Stmt } from "../stmt.js";

export const F32X4: Reg = { kind: "f32", lanes: LANES };
export const I32X4: Reg = { kind: "i32", lanes: LANES };
export const VECTOR_BYTES = 4 * LANES;
const WORD_BYTES = 4;

/** A register that walks through memory, and where it starts. */
export interface Pointer {
  readonly at: Expr;
  readonly start: Expr;
}

/** A pointer and the bytes that it moves by. */
export type Move = readonly [p: Pointer, bytes: number];

/** Where some columns of a panel lie. */
export interface PanelPart {
  readonly form: BlockForm;
  readonly vectors: number;
  /** Columns of the whole panel. */
  readonly nr: number;
  readonly words: Pointer;
  /** null: weights are floats. */
  readonly scales: Pointer | null;
  /** null: the zero is a scalar, or there is none. */
  readonly zeros: Pointer | null;
}

/** What is done with weights, in order of k. */
export interface Reader {
  readonly blockStart: readonly Stmt[];
  /** A vector of columns each, of row `i` in the word; integers come in pairs, of rows `i` and `i` + 1. */
  use(i: number, weights: readonly Expr[]): readonly Stmt[];
  readonly blockEnd: readonly Stmt[];
  /** What moves with every row of k, and with every block. */
  readonly perRow: readonly Move[];
  readonly perBlock: readonly Move[];
}

export function set(target: Expr, value: Expr): Stmt {
  return { kind: "set", target, value };
}

export function advance({ pool }: Frame, { at }: Pointer, bytes: number): Stmt {
  return set(at, pool.same("add", at, pool.i32(bytes)));
}

/** `count` times the body, in a loop over the bytes that `p` passes by. */
export function repeat(frame: Frame, name: string, count: number, [p, stride]: Move, body: readonly Stmt[]): Stmt[] {
  if (count <= 1) return count === 1 ? [...body] : [];
  const { pool } = frame;
  const end = pool.variable(I32, `${name}End`);
  return [
    set(end, pool.same("add", p.at, pool.i32(count * stride))),
    { kind: "while", mask: pool.compare("ltU", p.at, end), body },
  ];
}

/** Gives all weights of the columns to the reader, block by block. */
export function readWeights(frame: Frame, part: PanelPart, reader: Reader): Stmt[] {
  const { form, words, scales, zeros, nr } = part;
  const per = perWord(form.bits);
  const decode = form.quantized === null ? realWeights(frame, part, reader) : pairsOfWeights(frame, part, reader);
  const blocks: Move[] = [
    ...(scales === null ? [] : [[scales, nr * bytesOf("f32")] as const]),
    ...(zeros === null ? [] : [[zeros, nr * zeroBytesOf(form)] as const]),
    ...reader.perBlock,
  ];
  const wordMove: Move = [words, nr * WORD_BYTES];
  const word = (count: number): Stmt[] => [
    ...decode.word(count),
    advance(frame, ...wordMove),
    ...reader.perRow.map(([p, bytes]) => advance(frame, p, count * bytes)),
  ];
  const block = (length: number): Stmt[] => [
    ...decode.blockStart,
    ...reader.blockStart,
    ...repeat(frame, "words", Math.floor(length / per), wordMove, word(per)),
    ...(length % per > 0 ? word(length % per) : []),
    ...reader.blockEnd,
    ...blocks.map((move) => advance(frame, ...move)),
  ];
  const rest = form.k % form.block;
  const [first = wordMove] = blocks;
  return [
    ...repeat(frame, "blocks", Math.floor(form.k / form.block), first, block(form.block)),
    ...(rest > 0 ? block(rest) : []),
  ];
}

/** Bytes of one zero. */
export function zeroBytesOf({ affine }: BlockForm): number {
  return affine === null ? 0 : bytesOf(affine.zero.type.dtype);
}

/** Zeros of a vector of columns, in the numbers that words hold: f32 or i32. */
export function zeroOf({ pool }: Frame, { form, zeros }: PanelPart, type: Reg, vector: number): Expr {
  const { affine } = form;
  if (affine === null) return pool.constant(type, 0);
  const { dtype } = affine.zero.type;
  const offset = offsetOf(form.w.type);
  if (zeros === null) return pool.constant(type, (constantOf(affine.zero)?.at(0) ?? 0) + offset);
  if (dtype === "f32") return pool.loadAt(zeros.at, vector * VECTOR_BYTES, dtype, F32X4);
  const loaded = pool.loadAt(zeros.at, vector * LANES * bytesOf(dtype), dtype, I32X4);
  const zero = offset === 0 ? loaded : pool.same("add", loaded, pool.constant(I32X4, offset));
  return type.kind === "i32" ? zero : lowerCast(pool, "i32", "f32", false, zero);
}

interface Decoder {
  readonly blockStart: readonly Stmt[];
  /** The first `count` rows of k in a word of each column. */
  word(count: number): Stmt[];
}

/** The words of each vector of columns, in registers. */
function loadWords({ pool }: Frame, { vectors, words }: PanelPart): { readonly all: Expr[]; readonly load: Stmt[] } {
  const all = Array.from({ length: vectors }, (_, j) => pool.variable(I32X4, `word${j}`));
  return { all, load: all.map((v, j) => set(v, pool.loadAt(words.at, j * VECTOR_BYTES, "i32", I32X4))) };
}

/** The bits from `bit` on of each word, under a mask. */
function field({ pool }: Frame, word: Expr, bit: number, mask: number): Expr {
  const shifted = bit === 0 ? word : pool.same("shrU", word, pool.i32(bit));
  return pool.same("and", shifted, pool.constant(I32X4, mask));
}

function realWeights(frame: Frame, part: PanelPart, reader: Reader): Decoder {
  const { pool } = frame;
  const { bits, w } = part.form;
  const { scales } = part;
  const { all, load } = loadWords(frame, part);
  if (scales === null) return floatWeights(frame, w.type.dtype, all, load, reader);
  const columns = all.map((word, j) => ({
    word,
    scale: pool.variable(F32X4, `scale${j}`),
    zero: part.zeros === null ? zeroOf(frame, part, F32X4, j) : pool.variable(F32X4, `zero${j}`),
    weight: pool.variable(F32X4, `weight${j}`),
  }));
  return {
    blockStart: columns.flatMap(({ scale, zero }, j) => [
      set(scale, pool.loadAt(scales.at, j * VECTOR_BYTES, "f32", F32X4)),
      ...(part.zeros === null ? [] : [set(zero, zeroOf(frame, part, F32X4, j))]),
    ]),
    word: (count) => {
      const out = [...load];
      for (let i = 0; i < count; i++) {
        for (const { word, scale, zero, weight } of columns) {
          const q = pool.op("toFloatS", F32X4, field(frame, word, bitOf(i, bits), 2 ** bits - 1));
          out.push(set(weight, pool.same("mul", pool.same("sub", q, zero), scale)));
        }
        out.push(
          ...reader.use(
            i,
            columns.map((c) => c.weight),
          ),
        );
      }
      return out;
    },
  };
}

/** Floats of 16 bits: two to a word. */
function floatWeights(
  frame: Frame,
  dtype: DType,
  words: readonly Expr[],
  load: readonly Stmt[],
  reader: Reader,
): Decoder {
  const { pool } = frame;
  const weights = words.map((_, j) => pool.variable(F32X4, `weight${j}`));
  return {
    blockStart: [],
    word: (count) => {
      const out = [...load];
      for (let i = 0; i < count; i++) {
        for (const [j, weight] of weights.entries()) {
          const word = words[j] ?? weight;
          const half =
            i === 0 ? pool.same("and", word, pool.constant(I32X4, 0xffff)) : pool.same("shrU", word, pool.i32(16));
          out.push(set(weight, decodeNarrow(pool, dtype, half)));
        }
        out.push(...reader.use(i, weights));
      }
      return out;
    },
  };
}

function pairsOfWeights(frame: Frame, part: PanelPart, reader: Reader): Decoder {
  const { pool } = frame;
  const { bits } = part.form;
  const { all, load } = loadWords(frame, part);
  const pairs = all.map((_, j) => pool.variable(I32X4, `pair${j}`));
  // The same bits of both halves of a word: two neighbours along k.
  const mask = (2 ** bits - 1) * 0x10001;
  return {
    blockStart: [],
    word: (count) => {
      const out = [...load];
      for (let i = 0; i < count; i += 2) {
        for (const [j, word] of all.entries()) {
          const pair = pairs[j];
          if (pair !== undefined) out.push(set(pair, field(frame, word, bitOf(i, bits), mask)));
        }
        out.push(...reader.use(i, pairs));
      }
      return out;
    },
  };
}

// Weights of 2 to 16 bits out of their words. A word of 32 bits holds neighbours along k of one column, so four words
// side by side give, shifted and masked, the same row of k for four columns: as real numbers, w = (q - zero) * scale or
// the f16 that the bits are, or as they are, two rows of k in the halves of each lane or four in its bytes. What is done with them is the reader's business: a product
// multiplies them at once, a tile of many rows has them stored first.

import { bytesOf, type DType } from "../../../compiler/ir/dtype.js";
import { constantOf } from "../../../compiler/ir/graph.js";
import { bitOf, offsetOf } from "../../../compiler/plan/pack-bits.js";
import { type BlockForm, perWord } from "../../../compiler/schedule/blocks.js";
import { type Expr, I32, type Reg } from "../expr.js";
import type { Frame } from "../frame.js";
import { decodeNarrow } from "../narrow.js";
import { lowerCast } from "../scalar.js";
import type { Stmt } from "../stmt.js";

const WORD_BYTES = 4;
const HALF_BITS = 16;
const WORD_BITS = 32;

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
  readonly lanes: number;
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
  /** A vector of columns each, of row `i` in the word; integers come in groups, of rows `i`, `i` + 1, .... */
  use(i: number, weights: readonly Expr[]): readonly Stmt[];
  readonly blockEnd: readonly Stmt[];
  /** Integers in pairs come where they lie in their halves, times 2^placeOf of their row, and not moved down. */
  readonly inPlace: boolean;
  /** What moves with every row of k, and with every block. */
  readonly perRow: readonly Move[];
  readonly perBlock: readonly Move[];
}

export function floatsOf({ lanes }: Pick<PanelPart, "lanes">): Reg {
  return { kind: "f32", lanes };
}

export function wordsReg({ lanes }: Pick<PanelPart, "lanes">): Reg {
  return { kind: "i32", lanes };
}

/** Bytes of vector `j` of 32-bit elements before it. */
export function vectorAt({ lanes }: Pick<PanelPart, "lanes">, j: number): number {
  return j * lanes * 4;
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
  const decode = form.quantized === null ? realWeights(frame, part, reader) : groupsOfWeights(frame, part, reader);
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
export function zeroOf({ pool }: Frame, part: PanelPart, type: Reg, vector: number): Expr {
  const { form, zeros, lanes } = part;
  const { affine } = form;
  const words = wordsReg(part);
  if (affine === null) return pool.constant(type, 0);
  const { dtype } = affine.zero.type;
  const offset = offsetOf(form.w.type);
  if (zeros === null) return pool.constant(type, (constantOf(affine.zero)?.at(0) ?? 0) + offset);
  if (dtype === "f32") return pool.loadAt(zeros.at, vectorAt(part, vector), dtype, floatsOf(part));
  const loaded = pool.loadAt(zeros.at, vector * lanes * bytesOf(dtype), dtype, words);
  const zero = offset === 0 ? loaded : pool.same("add", loaded, pool.constant(words, offset));
  return type.kind === "i32" ? zero : lowerCast(pool, "i32", "f32", false, zero);
}

interface Decoder {
  readonly blockStart: readonly Stmt[];
  /** The first `count` rows of k in a word of each column. */
  word(count: number): Stmt[];
}

/** The words of each vector of columns, in registers. */
function loadWords({ pool }: Frame, part: PanelPart): { readonly all: Expr[]; readonly load: Stmt[] } {
  const type = wordsReg(part);
  const all = Array.from({ length: part.vectors }, (_, j) => pool.variable(type, `word${j}`));
  return { all, load: all.map((v, j) => set(v, pool.loadAt(part.words.at, vectorAt(part, j), "i32", type))) };
}

/** The bits from `bit` on of each word, under a mask. */
function field({ pool }: Frame, word: Expr, bit: number, mask: number): Expr {
  const shifted = bit === 0 ? word : pool.same("shrU", word, pool.i32(bit));
  return pool.same("and", shifted, pool.constant(word.type, mask));
}

/** The first bit of every weight flipped. */
function flipSigns({ pool }: Frame, word: Expr, bits: number): Expr {
  let firsts = 0;
  for (let bit = bits - 1; bit < WORD_BITS; bit += bits) firsts += 2 ** bit;
  return pool.same("xor", word, pool.constant(word.type, firsts | 0));
}

/** The bits from `bit` on of each word, as signed integers. */
function signedField({ pool }: Frame, word: Expr, bit: number, bits: number): Expr {
  const above = WORD_BITS - bits - bit;
  const up = above === 0 ? word : pool.same("shl", word, pool.i32(above));
  return pool.same("shrS", up, pool.i32(WORD_BITS - bits));
}

/** Where the rows from `i` on lie once they are taken in place: the last of a half have been moved down. */
export function placeOf(i: number, form: BlockForm): number {
  const bit = bitOf(i, form);
  return bit + form.bits === HALF_BITS ? 0 : bit;
}

function realWeights(frame: Frame, part: PanelPart, reader: Reader): Decoder {
  const { pool } = frame;
  const { bits, w } = part.form;
  const { scales } = part;
  const floats = floatsOf(part);
  const { all, load } = loadWords(frame, part);
  if (scales === null) return floatWeights(frame, w.type.dtype, all, load, reader);
  const columns = all.map((word, j) => ({
    word,
    scale: pool.variable(floats, `scale${j}`),
    zero: part.zeros === null ? zeroOf(frame, part, floats, j) : pool.variable(floats, `zero${j}`),
    weight: pool.variable(floats, `weight${j}`),
  }));
  const [first] = columns;
  // Less a zero in the middle of their range, weights are their bits with the first flipped, as signed integers.
  const isCentered = first?.zero.kind === "const" && first.zero.value === 2 ** (bits - 1);
  const flipped = isCentered ? all.map((word) => set(word, flipSigns(frame, word, bits))) : [];
  const shifted = (word: Expr, zero: Expr, bit: number): Expr => {
    if (isCentered) return pool.op("toFloatS", floats, signedField(frame, word, bit, bits));
    return pool.same("sub", pool.op("toFloatS", floats, field(frame, word, bit, 2 ** bits - 1)), zero);
  };
  return {
    blockStart: columns.flatMap(({ scale, zero }, j) => [
      set(scale, pool.loadAt(scales.at, vectorAt(part, j), "f32", floats)),
      ...(part.zeros === null ? [] : [set(zero, zeroOf(frame, part, floats, j))]),
    ]),
    word: (count) => {
      const out = [...load, ...flipped];
      for (let i = 0; i < count; i++) {
        for (const { word, scale, zero, weight } of columns)
          out.push(set(weight, pool.same("mul", shifted(word, zero, bitOf(i, part.form)), scale)));
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
  const weights = words.map(({ type }, j) => pool.variable(floatsOf(type), `weight${j}`));
  return {
    blockStart: [],
    word: (count) => {
      const out = [...load];
      for (let i = 0; i < count; i++) {
        for (const [j, weight] of weights.entries()) {
          const word = words[j] ?? weight;
          const half =
            i === 0 ? pool.same("and", word, pool.constant(word.type, 0xffff)) : pool.same("shrU", word, pool.i32(16));
          out.push(set(weight, decodeNarrow(pool, dtype, half)));
        }
        out.push(...reader.use(i, weights));
      }
      return out;
    },
  };
}

function groupsOfWeights(frame: Frame, part: PanelPart, reader: Reader): Decoder {
  const { pool } = frame;
  const { bits, group } = part.form;
  const { all, load } = loadWords(frame, part);
  const groups = all.map(({ type }, j) => pool.variable(type, `group${j}`));
  // The same bits of both halves, or of all bytes, of a word: neighbours along k.
  const mask = (2 ** bits - 1) * (group === 2 ? 0x10001 : 0x1010101);
  const taken = (word: Expr, i: number): Expr => {
    const bit = bitOf(i, part.form);
    if (!reader.inPlace) return field(frame, word, bit, mask);
    if (placeOf(i, part.form) !== bit) return pool.same("shrHalves", word, pool.i32(bit));
    return pool.same("and", word, pool.constant(word.type, mask * 2 ** bit));
  };
  return {
    blockStart: [],
    word: (count) => {
      const out = [...load];
      for (let i = 0; i < count; i += group) {
        for (const [j, word] of all.entries()) {
          const values = groups[j];
          if (values !== undefined) out.push(set(values, taken(word, i)));
        }
        out.push(...reader.use(i, groups));
      }
      return out;
    },
  };
}

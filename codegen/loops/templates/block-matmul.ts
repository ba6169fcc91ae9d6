// blockMatmul: a product with packed weights of 2, 4 or 8 bits. A word of 32 bits holds neighbours along k of one column,
// so four words side by side give, shifted and masked, the same row of k for four columns: w = (q - zero) * scale is made
// in registers and multiplied at once, in order of k. Integers in x multiply two rows of k at a time, exactly; a block's
// sum is scaled when it is complete, in order of blocks. Nothing is unpacked to memory, so a matrix-vector product reads
// no more than the bits.

import { add, type Dim, indexVar, mul } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { constantOf, type Value } from "../../../compiler/ir/graph.js";
import { bitOf, offsetOf, wordsOf } from "../../../compiler/plan/pack-bits.js";
import { type BlockForm, blockForm, perWord } from "../../../compiler/schedule/blocks.js";
import { holder } from "../../../compiler/schedule/views.js";
import { type Expr, I32, type Reg } from "../expr.js";
import type { Frame } from "../frame.js";
import { LANES, parallelLoop } from "../nest.js";
import { lowerCast } from "../scalar.js";
import type { BitPanels, Panels, Stmt } from "../stmt.js";
import { accumulators, blockedTiles, clearTile, storeTile, tiles, whenAtLeast } from "./tile.js";

const F32X4: Reg = { kind: "f32", lanes: LANES };
const I32X4: Reg = { kind: "i32", lanes: LANES };
const WORD_BYTES = 4;
const VECTOR_BYTES = 4 * LANES;

/** A register that walks through memory. */
interface Pointer {
  readonly at: Expr;
  readonly start: Expr;
}

/** A tile of rows by columns: its pointers and its sums. */
interface Tile {
  readonly form: BlockForm;
  /** Bytes from one row of words or scales to the next, and from one row of zeros. */
  readonly wordStride: number;
  readonly zeroStride: number;
  readonly words: Pointer;
  readonly scales: Pointer;
  /** null: the zero is a scalar. */
  readonly zeros: Pointer | null;
  /** Per row: x, and where x holds integers its scales and sums. */
  readonly rows: readonly Pointer[];
  readonly rowScales: readonly Pointer[];
  readonly rowSums: readonly Pointer[];
  /** Sums in f32, rows by vectors of columns. */
  readonly sums: readonly (readonly Expr[])[];
}

function set(target: Expr, value: Expr): Stmt {
  return { kind: "set", target, value };
}

export function lowerBlockMatmul(frame: Frame): Stmt[] {
  const { kernel, pool } = frame;
  const form = blockForm(kernel.anchor);
  const result = kernel.anchor.outputs[0];
  if (form === null || result === undefined) throw new Bug("loops", "blockMatmul without its operands");
  const { m, k, n, groups, bits, quantized } = form;
  const [mr, nr, columns] = ["mr", "nr", "columns"].map((name) => Number(kernel.choices[name]));
  if (mr === undefined || nr === undefined || columns === undefined) throw new Bug("loops", "a tile without sizes");
  const words: BitPanels = { bits, nr, k, n };
  const perBlock: Panels = { nr, batch: 1, k: groups, n, batchStride: groups * n, rowStride: n, pair: 1, run: groups };
  frame.pack(form.w, words);
  frame.pack(form.scale, perBlock);
  const hasZeros = form.zero.type.shape.length > 0;
  if (hasZeros) frame.pack(form.zero, perBlock);
  const panel = indexVar("panel", Math.ceil(n / nr));
  const pointer = (name: string, v: Value, index: Dim, bytes: number): Pointer => ({
    at: pool.variable(I32, name),
    start: pool.address(frame.buffer(v), index, bytes),
  });
  const perRow = (name: string, v: Value, length: number, row: Dim, count: number): Pointer[] =>
    Array.from({ length: count }, (_, i) =>
      pointer(`${name}${i}`, holder(v), mul(add(row, i), length), bytesOf(v.type.dtype)),
    );

  const block = (rows: number, width: number, row: Dim, column: Dim, part: Dim): Stmt[] => {
    const t = typeof column === "number" ? 0 : panel;
    const inPanel = (length: number): Dim => add(mul(t, length * nr), mul(part, width));
    const zeroBytes = bytesOf(form.zero.type.dtype);
    const tile: Tile = {
      form,
      wordStride: nr * WORD_BYTES,
      zeroStride: nr * zeroBytes,
      words: pointer("pw", form.w, inPanel(wordsOf(words)), WORD_BYTES),
      scales: pointer("ps", form.scale, inPanel(groups), bytesOf("f32")),
      zeros: hasZeros ? pointer("pz", form.zero, inPanel(groups), zeroBytes) : null,
      rows: perRow("px", form.x, k, row, rows),
      rowScales: quantized === null ? [] : perRow("pxs", quantized.scale, groups, row, rows),
      rowSums: quantized === null ? [] : perRow("pxz", quantized.sum, groups, row, rows),
      sums: accumulators(frame, "f32", { mr: rows, nr: width }),
    };
    const pointers = [tile.words, tile.scales, ...(tile.zeros === null ? [] : [tile.zeros])];
    const all = [...pointers, ...tile.rows, ...tile.rowScales, ...tile.rowSums];
    const shifted = pool.same("add", pool.index(column), pool.index(mul(part, width)));
    const base = part === 0 ? column : frame.reader.dynamicIndex(shifted, n);
    return [
      ...all.map((p) => set(p.at, p.start)),
      ...clearTile(frame, tile.sums),
      ...overBlocks(frame, tile),
      ...storeTile(frame, result, tile.sums, base, (i, c) => add(mul(add(row, i), n), c)),
    ];
  };
  const rowBytes = k * bytesOf(form.x.type.dtype);
  const panels = (rows: number, width: number, name: string): Stmt[] =>
    blockedTiles(frame, name, rows, m, rows * rowBytes, (overRows) =>
      tiles(frame, "panel", nr, n, (column) => {
        const parts = nr / width;
        const part = parts === 1 ? 0 : indexVar("part", parts);
        const body = overRows((row) => block(rows, width, row, column, part));
        return part === 0 ? body : [parallelLoop(part, parts, body)];
      }),
    );
  return whenAtLeast(
    frame,
    m,
    mr,
    () => panels(mr, mr === 1 ? nr : columns, "tile"),
    () => panels(1, nr, "row"),
  );
}

/** `count` times the body, in a loop over the bytes that `p` passes by. */
function repeat(frame: Frame, name: string, count: number, p: Expr, stride: number, body: readonly Stmt[]): Stmt[] {
  if (count <= 1) return count === 1 ? [...body] : [];
  const { pool } = frame;
  const end = pool.variable(I32, `${name}End`);
  return [
    set(end, pool.same("add", p, pool.i32(count * stride))),
    { kind: "while", mask: pool.compare("ltU", p, end), body },
  ];
}

function overBlocks(frame: Frame, tile: Tile): Stmt[] {
  const { form, scales, wordStride } = tile;
  const whole = Math.floor(form.k / form.block);
  const rest = form.k % form.block;
  return [
    ...repeat(frame, "blocks", whole, scales.at, wordStride, oneBlock(frame, tile, form.block)),
    ...(rest > 0 ? oneBlock(frame, tile, rest) : []),
  ];
}

/** A block of `length` rows of k: its scales and zeros, its words, and the pointers behind it. */
function oneBlock(frame: Frame, tile: Tile, length: number): Stmt[] {
  const { pool } = frame;
  const { form, words, scales, zeros, rows, wordStride, zeroStride } = tile;
  const per = perWord(form.bits);
  const vectors = tile.sums[0]?.length ?? 0;
  const body = form.quantized === null ? realBlock(frame, tile, vectors) : integerBlock(frame, tile, vectors);
  const advance = (p: Pointer, by: number): Stmt => set(p.at, pool.same("add", p.at, pool.i32(by)));
  const xBytes = bytesOf(form.x.type.dtype);
  const step = (count: number): Stmt[] => [
    ...body.word(count),
    advance(words, wordStride),
    ...rows.map((p) => advance(p, count * xBytes)),
  ];
  return [
    ...body.before,
    ...repeat(frame, "words", Math.floor(length / per), words.at, wordStride, step(per)),
    ...(length % per > 0 ? step(length % per) : []),
    ...body.after,
    advance(scales, wordStride),
    ...(zeros === null ? [] : [advance(zeros, zeroStride)]),
    ...[...tile.rowScales, ...tile.rowSums].map((p) => advance(p, 4)),
  ];
}

interface BlockBody {
  readonly before: Stmt[];
  /** What is done with the first `count` rows of k in a word of each column. */
  word(count: number): Stmt[];
  readonly after: Stmt[];
}

/** Zeros of a vector of columns, as the words count: f32 or i32. */
function zeroOf(frame: Frame, { form, zeros }: Tile, type: Reg, vector: number): Expr {
  const { pool } = frame;
  const { dtype } = form.zero.type;
  const offset = offsetOf(form.w.type);
  if (zeros === null) return pool.constant(type, (constantOf(form.zero)?.at(0) ?? 0) + offset);
  if (dtype === "f32") return pool.loadAt(zeros.at, vector * VECTOR_BYTES, dtype, F32X4);
  const loaded = pool.loadAt(zeros.at, vector * LANES * bytesOf(dtype), dtype, I32X4);
  const zero = offset === 0 ? loaded : pool.same("add", loaded, pool.constant(I32X4, offset));
  return type.kind === "i32" ? zero : lowerCast(pool, "i32", "f32", false, zero);
}

/** The bits from `bit` on of each word, under a mask. */
function field(frame: Frame, word: Expr, bit: number, mask: number): Expr {
  const { pool } = frame;
  const shifted = bit === 0 ? word : pool.same("shrU", word, pool.i32(bit));
  return pool.same("and", shifted, pool.constant(I32X4, mask));
}

function loadWords(frame: Frame, tile: Tile, vectors: number): { readonly words: Expr[]; readonly load: Stmt[] } {
  const { pool } = frame;
  const words = Array.from({ length: vectors }, (_, j) => pool.variable(I32X4, `word${j}`));
  return {
    words,
    load: words.map((v, j) => set(v, pool.loadAt(tile.words.at, j * VECTOR_BYTES, "i32", I32X4))),
  };
}

/** sums += x * ((q - zero) * scale), one row of k after another. */
function realBlock(frame: Frame, tile: Tile, vectors: number): BlockBody {
  const { pool } = frame;
  const { bits } = tile.form;
  const { words, load } = loadWords(frame, tile, vectors);
  const named = (name: string): Expr[] => words.map((_, j) => pool.variable(F32X4, `${name}${j}`));
  const [scale, zero, weight] = [named("scale"), named("zero"), named("weight")];
  const a = pool.variable(F32X4, "a");
  const isScalar = tile.zeros === null;
  const zeroAt = (j: number): Expr => (isScalar ? zeroOf(frame, tile, F32X4, j) : (zero[j] ?? a));
  return {
    before: words.flatMap((_, j) => [
      set(scale[j] ?? a, pool.loadAt(tile.scales.at, j * VECTOR_BYTES, "f32", F32X4)),
      ...(isScalar ? [] : [set(zero[j] ?? a, zeroOf(frame, tile, F32X4, j))]),
    ]),
    word: (count) => {
      const out = [...load];
      for (let i = 0; i < count; i++) {
        for (const [j, word] of words.entries()) {
          const q = pool.op("toFloatS", F32X4, field(frame, word, bitOf(i, bits), 2 ** bits - 1));
          out.push(set(weight[j] ?? a, pool.same("mul", pool.same("sub", q, zeroAt(j)), scale[j] ?? a)));
        }
        for (const [r, row] of tile.sums.entries()) {
          out.push(set(a, pool.loadAt(tile.rows[r]?.at ?? a, i * bytesOf("f32"), "f32", F32X4, true)));
          for (const [j, sum] of row.entries()) out.push(set(sum, pool.same("madd", a, weight[j] ?? a, sum)));
        }
      }
      return out;
    },
    after: [],
  };
}

/** sums += (x . q - zero * xSum) * (xScale * scale), with x . q in whole numbers over the block. */
function integerBlock(frame: Frame, tile: Tile, vectors: number): BlockBody {
  const { pool } = frame;
  const { bits } = tile.form;
  const { words, load } = loadWords(frame, tile, vectors);
  const dots = tile.sums.map((row, r) => row.map((_, j) => pool.variable(I32X4, `dot${r}_${j}`)));
  const pairs = words.map((_, j) => pool.variable(I32X4, `pair${j}`));
  const a = pool.variable(I32X4, "a");
  // The same bits in both halves of a word: two neighbours along k.
  const mask = (2 ** bits - 1) * 0x10001;
  return {
    before: dots.flat().map((d) => set(d, pool.constant(I32X4, 0))),
    word: (count) => {
      const out = [...load];
      for (let i = 0; i < count; i += 2) {
        for (const [j, word] of words.entries()) out.push(set(pairs[j] ?? a, field(frame, word, bitOf(i, bits), mask)));
        for (const [r, row] of dots.entries()) {
          // Behind an odd end stands a weight of 0.
          out.push(set(a, pool.loadAt(tile.rows[r]?.at ?? a, i * bytesOf("i16"), "i32", I32X4, true)));
          for (const [j, dot] of row.entries())
            out.push(set(dot, pool.same("add", dot, pool.same("dot16", a, pairs[j] ?? a))));
        }
      }
      return out;
    },
    after: tile.sums.flatMap((row, r) => {
      const [sumAt, scaleAt] = [tile.rowSums[r]?.at ?? a, tile.rowScales[r]?.at ?? a];
      return row.map((sum, j) => {
        const shift = pool.same("mul", zeroOf(frame, tile, I32X4, j), pool.loadAt(sumAt, 0, "i32", I32X4, true));
        const exact = pool.op("toFloatS", F32X4, pool.same("sub", dots[r]?.[j] ?? a, shift));
        const rowScale = pool.loadAt(scaleAt, 0, "f32", F32X4, true);
        const scale = pool.loadAt(tile.scales.at, j * VECTOR_BYTES, "f32", F32X4);
        return set(sum, pool.same("madd", exact, pool.same("mul", rowScale, scale), sum));
      });
    }),
  };
}

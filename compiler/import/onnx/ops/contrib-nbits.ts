// Products with weights of 2, 4 or 8 bits of com.microsoft. Known weights stay as they are, a number per element, until
// the target packs them; weights that are computed become real numbers when the model runs. With accuracy_level 4 the
// left operand is quantized to 8 bits as well, in the weights' blocks.

import * as ir from "../../../ir/build.js";
import type { DType } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import { Tensor } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { matmulOf } from "./matmul.js";

/** Elements of `bits` bits, lowest first, of the bytes along the last axis. */
export function unpacked(cx: NodeContext, bytes: Value, bits: number): Value {
  const { b } = cx;
  if (bits === 8) return bytes;
  const per = 8 / bits;
  const rank = cx.rank(bytes);
  const parts = Array.from({ length: per }, (_, i) => {
    const shifted = i === 0 ? bytes : ir.shr(b, bytes, i * bits);
    return ir.unsqueeze(b, ir.and(b, shifted, (1 << bits) - 1), [rank]);
  });
  const length = cx.size(bytes, rank - 1, "the packed axis");
  return ir.reshape(b, ir.concat(b, parts, rank), [...bytes.type.shape.slice(0, -1), length * per]);
}

type Bits = 2 | 4 | 8;
const UNSIGNED = { 2: "u2", 4: "u4", 8: "u8" } as const satisfies Readonly<Record<Bits, DType>>;

/** Weights of a product in blocks along k, `bits` bits each: [n, blocks, block]. */
interface Blocked {
  readonly k: number;
  readonly n: number;
  readonly block: number;
  readonly blocks: number;
  readonly bits: Bits;
}

/** The weight [k, n], from what the nodes before it compute. */
function computedWeight(cx: NodeContext, { k, n, block, blocks, bits }: Blocked, real: (v: Value) => Value): Value {
  const { b } = cx;
  const packed = ir.reshape(b, cx.want(cx.in(1), ["u8"], "the weight"), [n, blocks, (block * bits) / 8]);
  const quantized = real(unpacked(cx, packed, bits));
  const perBlock = (v: Value): Value => ir.reshape(b, v, [n, blocks, 1]);
  const zero = cx.opt(3);
  let shift: Value = real(ir.scalar(b, "f32", 2 ** (bits - 1)));
  if (zero !== undefined && zero.type.dtype !== "u8") shift = perBlock(real(zero));
  else if (zero !== undefined) {
    const rows = unpacked(cx, ir.reshape(b, zero, [n, Math.ceil((blocks * bits) / 8)]), bits);
    shift = perBlock(real(ir.sliceAxis(b, rows, 1, 0, blocks)));
  }
  const scaled = ir.mul(b, ir.sub(b, quantized, shift), perBlock(real(cx.in(2))));
  return ir.transpose(b, ir.sliceAxis(b, ir.reshape(b, scaled, [n, blocks * block]), 1, 0, k), [1, 0]);
}

/** [rows, columns] numbers of `bits` bits, rows padded to bytes, as [columns, rows] with one in each element. */
function turned(bytes: Uint8Array, rows: number, columns: number, stride: number, bits: Bits): Tensor {
  const [per, mask] = [8 / bits, 2 ** bits - 1];
  const out = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const byte = bytes[row * stride + Math.floor(column / per)] ?? 0;
      out[column * rows + row] = (byte >> ((column % per) * bits)) & mask;
    }
  return new Tensor(UNSIGNED[bits], [columns, rows], out);
}

/** [n, blocks] real numbers as [blocks, n] in f32. */
function turnedReals(t: Tensor, n: number, blocks: number): Tensor {
  const out = new Float32Array(t.size);
  const { elements } = t;
  for (let column = 0; column < n; column++)
    for (let group = 0; group < blocks; group++) out[group * n + column] = Number(elements[column * blocks + group]);
  return new Tensor("f32", [blocks, n], new Uint8Array(out.buffer));
}

/** The weight of constants, which is what files hold; null where a part is computed or is not what it should be. */
function knownWeight(cx: NodeContext, { k, n, block, blocks, bits }: Blocked): ir.BlockWeight | null {
  const { b } = cx;
  const [packed, scales, zeros] = [1, 2, 3].map((i) => (cx.has(i) ? cx.known(cx.in(i)) : undefined));
  if (packed?.dtype !== "u8" || scales === null || scales === undefined || zeros === null) return null;
  const [rowBytes, zeroBytes] = [(blocks * block * bits) / 8, Math.ceil((blocks * bits) / 8)];
  if (packed.size !== n * rowBytes || scales.size !== n * blocks) return null;
  const isPacked = zeros?.dtype === "u8";
  if (zeros !== undefined && zeros.size !== (isPacked ? n * zeroBytes : n * blocks)) return null;
  const zero =
    zeros === undefined
      ? ir.scalar(b, UNSIGNED[bits], 2 ** (bits - 1))
      : ir.constant(b, isPacked ? turned(zeros.bytes, n, blocks, zeroBytes, bits) : turnedReals(zeros, n, blocks));
  return {
    w: ir.constant(b, turned(packed.bytes, n, k, rowBytes, bits)),
    scale: ir.constant(b, turnedReals(scales, n, blocks)),
    zero,
    block,
  };
}

/**
 * x in whole numbers of -127 to 127, a scale for each block along k, and the blocks' sums: a block's scale is its largest
 * magnitude over 127, and rounding is to nearest even. A block of zeros stays zero.
 */
function quantizedLeft(cx: NodeContext, x: Value, { k, block, blocks }: Blocked): readonly Value[] {
  const { b } = cx;
  const lead = x.type.shape.slice(0, -1);
  const rank = lead.length;
  const high = [...lead.map(() => 0), blocks * block - k];
  const apart = ir.reshape(
    b,
    ir.pad(
      b,
      x,
      0,
      high.map(() => 0),
      high,
    ),
    [...lead, blocks, block],
  );
  const scale = ir.div(b, ir.reduceMax(b, ir.abs(b, apart), [rank + 1], true), 127);
  const inverse = ir.select(b, ir.eq(b, scale, 0), 0, ir.div(b, 1, scale));
  // Eight bits hold them; products of pairs take them in 16.
  const whole = ir.cast(b, ir.cast(b, ir.round(b, ir.mul(b, apart, inverse)), "i8", true), "i16");
  const flat = ir.reshape(b, whole, [...lead, blocks * block]);
  return [
    ir.sliceAxis(b, flat, rank, 0, k),
    ir.reshape(b, scale, [...lead, blocks]),
    ir.sum(b, ir.cast(b, whole, "i32"), [rank + 1]),
  ];
}

/** Quantizing the left operand is allowed from this accuracy level on. */
const INTEGER_LEVEL = 4;

const matMulNBits: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const [k, n, block] = [cx.int("K"), cx.int("N"), cx.int("block_size")];
  const bits = cx.int("bits", 4);
  if (bits !== 2 && bits !== 4 && bits !== 8)
    return cx.fail("unsupported_dtype", `has weights of ${bits} bits, takes 2, 4 or 8`);
  if (cx.int("weight_prepacked", 0) !== 0)
    return cx.fail("unsupported_layout", "has weights packed for one device", "export the model without prepacking");
  if (cx.has(4))
    return cx.fail("unsupported_op", "takes g_idx, an order of groups", "quantize the model without act-order");
  // Narrow floats are widened: weights are exact then, and sums are as the runtime's.
  const dtype: DType = x.type.dtype === "f64" ? "f64" : "f32";
  const real = (v: Value): Value => ir.cast(b, v, dtype);
  const format: Blocked = { k, n, block, blocks: Math.ceil(k / block), bits };
  const product = (): Value => {
    const w = dtype === "f32" && cx.rank(x) > 1 ? knownWeight(cx, format) : null;
    if (w === null) return matmulOf(cx, real(x), computedWeight(cx, format, real));
    const integers = cx.int("accuracy_level", 0) >= INTEGER_LEVEL && w.zero.type.dtype !== "f32";
    return ir.blockMatmul(b, integers ? quantizedLeft(cx, real(x), format) : [real(x)], w);
  };
  const y = product();
  const bias = cx.opt(5);
  return ir.cast(b, bias === undefined ? y : ir.add(b, y, real(bias)), x.type.dtype);
};

export const contribNBits: Translators = {
  MatMulNBits: matMulNBits,
};

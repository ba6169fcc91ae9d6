// Matrix products of com.microsoft: with the transpositions and scalings around them, and with weights in 2, 4 or 8 bits.

import * as ir from "../../../ir/build.js";
import type { DType } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import { Tensor } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { gelu } from "./activation.js";
import { activated } from "./contrib-activation.js";
import { through } from "./contrib-through.js";
import { matmulOf, matmulOps } from "./matmul.js";

/** `batch`: axis 0 goes behind the batch axes first; `turn`: then the last two axes change places. */
function turned(cx: NodeContext, v: Value, turn: boolean, batch: boolean): Value {
  const rank = cx.rank(v);
  let order = [...v.type.shape.keys()];
  if (batch) {
    if (rank < 3) cx.malformed(`transposes the batch axes of a value of rank ${rank}`);
    order = [...order.slice(1, rank - 1), 0, rank - 1];
  }
  if (turn && rank > 1) order = [...order.slice(0, rank - 2), order[rank - 1] ?? 0, order[rank - 2] ?? 0];
  return ir.transpose(cx.b, v, order);
}

const fusedMatMul: Translator = (cx) => {
  const x = turned(cx, cx.in(0), cx.flag("transA"), cx.flag("transBatchA"));
  const y = turned(cx, cx.in(1), cx.flag("transB"), cx.flag("transBatchB"));
  const product = matmulOf(cx, x, y);
  const alpha = cx.float("alpha", 1);
  return alpha === 1 ? product : ir.mul(cx.b, product, alpha);
};

const fusedGemm: Translator = (cx) => {
  const y = through(cx, matmulOps, "Gemm", [cx.in(0), cx.in(1), cx.opt(2)]);
  const parameters = ["activation_alpha", "activation_beta", "activation_gamma"].map((n) => cx.optFloat(n) ?? null);
  return activated(cx, y, cx.str("activation", ""), parameters);
};

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

/** Weights of a product in blocks along k, `bits` bits each: [n, blocks, block]. */
interface Blocked {
  readonly k: number;
  readonly n: number;
  readonly block: number;
  readonly blocks: number;
  readonly bits: number;
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

/** The same of constants with zero points in bytes or none, which is what files hold: large ones unpack here at once. */
function knownWeight(cx: NodeContext, { k, n, block, blocks, bits }: Blocked, dtype: DType): Value | null {
  const [packed, scales, zeros] = [1, 2, 3].map((i) => (cx.has(i) ? cx.known(cx.in(i)) : undefined));
  if (dtype !== "f32" || packed?.dtype !== "u8" || scales?.dtype !== "f32") return null;
  if (zeros === null || (zeros !== undefined && zeros.dtype !== "u8")) return null;
  const [blockBytes, zeroBytes] = [(block * bits) / 8, Math.ceil((blocks * bits) / 8)];
  if (packed.size !== n * blocks * blockBytes || scales.size !== n * blocks) return null;
  if (zeros !== undefined && zeros.size !== n * zeroBytes) return null;
  const [per, mask] = [8 / bits, (1 << bits) - 1];
  const scaleOf = scales.numbers();
  const w = new Float32Array(k * n);
  for (let column = 0; column < n; column++)
    for (let group = 0; group < blocks; group++) {
      const at = column * blocks + group;
      const scale = scaleOf[at] ?? 0;
      const zeroByte = zeros?.bytes[column * zeroBytes + Math.floor(group / per)];
      const shift = zeroByte === undefined ? 2 ** (bits - 1) : (zeroByte >> ((group % per) * bits)) & mask;
      for (let i = 0; i < block && group * block + i < k; i++) {
        const byte = packed.bytes[at * blockBytes + Math.floor(i / per)] ?? 0;
        // The difference is exact, and the product of two floats in double rounds to theirs.
        w[(group * block + i) * n + column] = (((byte >> ((i % per) * bits)) & mask) - shift) * scale;
      }
    }
  return ir.constant(cx.b, new Tensor("f32", [k, n], new Uint8Array(w.buffer)));
}

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
  const blocks = Math.ceil(k / block);
  const format = { k, n, block, blocks, bits };
  const w = knownWeight(cx, format, dtype) ?? computedWeight(cx, format, real);
  const y = matmulOf(cx, real(x), w);
  const bias = cx.opt(5);
  return ir.cast(b, bias === undefined ? y : ir.add(b, y, real(bias)), x.type.dtype);
};

const gemmFastGelu: Translator = (cx) => {
  const y = matmulOf(cx, cx.in(0), cx.in(1));
  const bias = cx.opt(2);
  return gelu(cx.b, bias === undefined ? y : ir.add(cx.b, y, bias), true);
};

export const contribMatmul: Translators = {
  FusedGemm: fusedGemm,
  FusedMatMul: fusedMatMul,
  GemmFastGelu: gemmFastGelu,
  MatMulNBits: matMulNBits,
  TransposeMatMul: fusedMatMul,
};

// Values of every dtype for tests of arithmetic: the ones where formats and machines differ, and random ones; the same in
// every run.

import { bytesOf, DTYPES, type DType, intRange, isFloat, isInteger } from "../../compiler/ir/dtype.js";
import { decodeMinifloat, maxFinite } from "../../compiler/ir/minifloat.js";
import { sizeOf, Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { randomOf } from "./sample.js";

/** Every dtype that kernels compute with. */
export const NUMERIC: readonly DType[] = (Object.keys(DTYPES) as DType[]).filter(
  (d) => isFloat(d) || isInteger(d) || d === "bool",
);

const FLOATS = [0, -0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -3, 7, 100.25, -1e-3, 1e-8, 1e6];
const EXTREMES = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
/** Where conversions to integers and to narrower floats turn over. */
const EDGES = [
  127.5, 128, 255.5, 256, -128.5, -129, 32768, 65504, 65519, 65520, 65536, 2147483647, 2147483648, 4294967296,
];
const FAR = [
  9.223372036854776e18, -9.223372036854776e18, 1.8446744073709552e19, 3.5e20, -2.5e19, 448, 464, 480, 57344, 61440,
];
const TINY = [
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  2 ** -24,
  2 ** -25,
  1.5 * 2 ** -25,
  2 ** -9,
  2 ** -10,
  1.5 * 2 ** -10,
];

/** The special values of a dtype. */
export function specialsOf(dtype: DType): (number | bigint)[] {
  if (dtype === "bool") return [0, 1];
  if (isInteger(dtype)) {
    const { min, max } = intRange(dtype);
    const near = [
      min,
      min + 1n,
      max,
      max - 1n,
      0n,
      1n,
      -1n,
      2n,
      3n,
      5n,
      7n,
      31n,
      33n,
      63n,
      64n,
      -7n,
      max / 2n,
      min / 2n + 1n,
    ];
    const odd = [
      (1n << 53n) + 1n,
      -(1n << 53n) - 1n,
      (1n << 40n) + (1n << 29n) + 1n,
      (1n << 24n) + 1n,
      (1n << 24n) + 3n,
    ];
    const inside = [...near, ...odd].filter((v) => v >= min && v <= max);
    return [...new Set(inside)].map((v) => (DTYPES[dtype].bits === 64 ? v : Number(v)));
  }
  if (dtype === "f64")
    return [
      ...FLOATS,
      ...EXTREMES,
      ...EDGES,
      ...FAR,
      ...TINY,
      5e-324,
      -2.2e-308,
      1.7e308,
      2 ** 53 + 2,
      1 + 2 ** -24,
      1 + 2 ** -11 + 2 ** -40,
      3.4028235677973366e38,
      1e39,
    ];
  if (dtype === "f32")
    return [...FLOATS, ...EXTREMES, ...EDGES, ...FAR, ...TINY, 3.4e38, -3.4e38, 16777217, 1 + 2 ** -11, 1 + 2 ** -23];
  return [...FLOATS, ...EXTREMES, maxFinite(dtype), -maxFinite(dtype), ...EDGES.slice(0, 4), ...TINY];
}

/** One random value: any pattern of the dtype's bits, or with `mild` one of ordinary size. */
function draw(dtype: DType, random: () => number, mild: boolean): number | bigint {
  const word = (): number => Math.floor(random() * 2 ** 32);
  if (dtype === "bool") return word() & 1;
  if (isInteger(dtype)) {
    const { bits } = DTYPES[dtype];
    const value = (BigInt(word()) << 32n) | BigInt(word());
    const { min, max } = intRange(dtype);
    const small = (value % 21n) - 10n;
    const wide = dtype.startsWith("u") ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
    const picked = mild ? (small < min ? -small : small) : wide;
    const inRange = picked > max ? max : picked < min ? min : picked;
    return bits === 64 ? inRange : Number(inRange);
  }
  if (mild) return (random() * 2 - 1) * 2 ** Math.floor(random() * 8 - 3);
  if (dtype === "f32" || dtype === "f64") {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, word());
    view.setUint32(4, word());
    return dtype === "f64" ? view.getFloat64(0) : view.getFloat32(0);
  }
  return decodeMinifloat(dtype, word() & (2 ** DTYPES[dtype].bits - 1));
}

/** A tensor of specials in front, then random values of all sizes and of ordinary ones alternately. */
export function mixedTensor(dtype: DType, shape: readonly number[], seed: number): Tensor {
  const random = randomOf(seed);
  const specials = specialsOf(dtype);
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => specials[i] ?? draw(dtype, random, i % 2 === 0));
  return tensorFrom(dtype, shape, values);
}

/** Two vectors whose pairs are every special with every special, then random pairs. */
export function pairTensors(dtype: DType, seed: number): readonly [Tensor, Tensor] {
  const random = randomOf(seed);
  const specials = specialsOf(dtype).slice(0, 20);
  const more = Array.from({ length: 187 }, (_, i): readonly [number | bigint, number | bigint] => [
    draw(dtype, random, i % 3 !== 0),
    draw(dtype, random, i % 3 !== 0),
  ]);
  const pairs = [...specials.flatMap((x) => specials.map((y) => [x, y] as const)), ...more];
  const side = (k: 0 | 1): Tensor =>
    tensorFrom(
      dtype,
      [pairs.length],
      pairs.map((p) => p[k]),
    );
  return [side(0), side(1)];
}

/** Every pattern of an 8-bit type, a sample of patterns of the others: not canonical, as memory may hold them. */
export function patternTensor(dtype: DType, size: number, seed: number): Tensor {
  const random = randomOf(seed);
  if (!isFloat(dtype) || DTYPES[dtype].bits >= 32) return mixedTensor(dtype, [size], seed);
  const width = bytesOf(dtype);
  const mask = 2 ** DTYPES[dtype].bits - 1;
  const bytes = new Uint8Array(size * width);
  for (let i = 0; i < size; i++) {
    const pattern = width === 1 ? i & mask : Math.floor(random() * 65536);
    bytes[i * width] = pattern & 0xff;
    if (width === 2) bytes[i * width + 1] = pattern >>> 8;
  }
  return new Tensor(dtype, [size], bytes);
}

/** Values whose sums and short products are exact in f32, and in the dtype or nearly so. */
export function plainTensor(dtype: DType, shape: readonly number[], seed: number): Tensor {
  const random = randomOf(seed);
  const choices = isFloat(dtype) ? [1, -1, 2, 0.5, -0.5, 1, -2, 1.5, 0, -1] : [0, 1, 2, 3, 1, -1, -2, 5, 7, -4];
  const { min, max } = isFloat(dtype) ? { min: -99n, max: 99n } : intRange(dtype);
  const inside = choices.filter((v) => v >= Number(min) && v <= Number(max));
  const values = Array.from({ length: sizeOf(shape) }, () => inside[Math.floor(random() * inside.length)] ?? 0);
  return tensorFrom(dtype, shape, values);
}

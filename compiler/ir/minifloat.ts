// Floats narrower than 32 bits: decoding is exact, encoding rounds to nearest even. Formats follow IEEE 754 (f16),
// the bfloat16 definition, and ONNX's notes on float8 and float4 (f8e4m3fn: no infinity; fnuz: no infinity, one NaN at
// the pattern of -0; f8e8m0: a power of two; f4e2m1: no infinity, no NaN).

import type { DType } from "./dtype.js";

interface Format {
  readonly bytes: 1 | 2;
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** Which patterns are not numbers. */
  readonly specials: "ieee" | "fn" | "fnuz" | "none";
}

const FORMATS: Partial<Record<DType, Format>> = {
  f16: { bytes: 2, exponentBits: 5, mantissaBits: 10, bias: 15, specials: "ieee" },
  bf16: { bytes: 2, exponentBits: 8, mantissaBits: 7, bias: 127, specials: "ieee" },
  f8e4m3fn: { bytes: 1, exponentBits: 4, mantissaBits: 3, bias: 7, specials: "fn" },
  f8e4m3fnuz: { bytes: 1, exponentBits: 4, mantissaBits: 3, bias: 8, specials: "fnuz" },
  f8e5m2: { bytes: 1, exponentBits: 5, mantissaBits: 2, bias: 15, specials: "ieee" },
  f8e5m2fnuz: { bytes: 1, exponentBits: 5, mantissaBits: 2, bias: 16, specials: "fnuz" },
  f4e2m1: { bytes: 1, exponentBits: 2, mantissaBits: 1, bias: 1, specials: "none" },
};

/** Whether this module encodes and decodes the dtype: a float that no typed array holds. */
export function isMinifloat(dtype: DType): boolean {
  return dtype === "f8e8m0" || FORMATS[dtype] !== undefined;
}

function formatOf(dtype: DType): Format {
  const format = FORMATS[dtype];
  if (format === undefined) throw new RangeError(`${dtype} is no narrow float`);
  return format;
}

/** The value of one bit pattern. */
export function decodeMinifloat(dtype: DType, pattern: number): number {
  if (dtype === "f8e8m0") return pattern === 0xff ? Number.NaN : 2 ** (pattern - 127);
  const { exponentBits: e, mantissaBits: m, bias, specials } = formatOf(dtype);
  const sign = (pattern >>> (e + m)) & 1;
  const exponent = (pattern >>> m) & ((1 << e) - 1);
  const mantissa = pattern & ((1 << m) - 1);
  const top = (1 << e) - 1;
  if (specials === "fnuz" && sign === 1 && exponent === 0 && mantissa === 0) return Number.NaN;
  if (specials === "ieee" && exponent === top)
    return mantissa !== 0 ? Number.NaN : sign ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (specials === "fn" && exponent === top && mantissa === (1 << m) - 1) return Number.NaN;
  const magnitude =
    exponent === 0 ? mantissa * 2 ** (1 - bias - m) : (1 + mantissa / (1 << m)) * 2 ** (exponent - bias);
  return sign ? -magnitude : magnitude;
}

/** The largest finite value of a narrow float. */
export function maxFinite(dtype: DType): number {
  if (dtype === "f8e8m0") return 2 ** 127;
  const { exponentBits: e, mantissaBits: m, bias, specials } = formatOf(dtype);
  const top = (1 << e) - 1;
  if (specials === "ieee") return (2 - 2 ** -m) * 2 ** (top - 1 - bias);
  if (specials === "fn") return (2 - 2 ** (1 - m)) * 2 ** (top - bias);
  return (2 - 2 ** -m) * 2 ** (top - bias);
}

/**
 * The pattern nearest to `value`, ties to even. Overflow gives infinity where the format has one; with `saturate`, or
 * where the format has neither infinity nor NaN, the largest finite value; else NaN. f8e8m0 rounds up in magnitude
 * by powers of two to nearest (ties up), and saturates.
 */
export function encodeMinifloat(dtype: DType, value: number, saturate = false): number {
  if (dtype === "f8e8m0") return encodePowerOfTwo(value);
  const { exponentBits: e, mantissaBits: m, bias, specials } = formatOf(dtype);
  const signBit = 1 << (e + m);
  const nan = specials === "fnuz" ? signBit : specials === "none" ? 0 : (1 << (e + m)) - 1;
  if (Number.isNaN(value)) return specials === "ieee" ? (((1 << e) - 1) << m) | (1 << (m - 1)) : nan;
  const negative = value < 0 || Object.is(value, -0);
  const sign = negative ? signBit : 0;
  const a = Math.abs(value);
  const limit = maxFinite(dtype);
  const overflow = (): number => {
    if (specials === "none" || saturate) return sign | finitePattern(limit, m, bias);
    if (specials === "ieee") return sign | (((1 << e) - 1) << m);
    return specials === "fn" ? sign | nan : nan;
  };
  if (a === Number.POSITIVE_INFINITY) return overflow();
  const exponent = Math.max(1 - bias, Math.floor(Math.log2(a === 0 ? 2 ** -200 : a)));
  // log2 may be off by one next to a power of two: settle it exactly.
  const scale =
    a >= 2 ** (exponent + 1) ? exponent + 1 : a < 2 ** exponent && exponent > 1 - bias ? exponent - 1 : exponent;
  const ulp = 2 ** (scale - m);
  const rounded = roundHalfEven(a / ulp) * ulp;
  if (rounded > limit) return overflow();
  const pattern = finitePattern(rounded, m, bias);
  return specials === "fnuz" && pattern === 0 ? 0 : sign | pattern;
}

function finitePattern(magnitude: number, m: number, bias: number): number {
  const smallestNormal = 2 ** (1 - bias);
  if (magnitude < smallestNormal) return Math.round(magnitude / 2 ** (1 - bias - m));
  let exponent = Math.floor(Math.log2(magnitude));
  if (magnitude >= 2 ** (exponent + 1)) exponent++;
  if (magnitude < 2 ** exponent) exponent--;
  return ((exponent + bias) << m) + Math.round((magnitude / 2 ** exponent - 1) * (1 << m));
}

function encodePowerOfTwo(value: number): number {
  if (Number.isNaN(value)) return 0xff;
  const a = Math.abs(value);
  if (a === 0) return 0;
  if (a === Number.POSITIVE_INFINITY) return 0xfe;
  let exponent = Math.floor(Math.log2(a));
  if (a >= 2 ** (exponent + 1)) exponent++;
  if (a < 2 ** exponent) exponent--;
  if (a / 2 ** exponent >= 1.5) exponent++;
  return Math.min(254, Math.max(0, exponent + 127));
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

export function decodeMinifloats(dtype: DType, bytes: Uint8Array): Float32Array {
  if (dtype === "f8e8m0") return Float32Array.from(bytes, (p) => decodeMinifloat(dtype, p));
  const format = formatOf(dtype);
  if (format.bytes === 1) {
    const table = Float32Array.from({ length: 256 }, (_, p) => decodeMinifloat(dtype, p));
    return Float32Array.from(bytes, (p) => table[p] ?? 0);
  }
  const out = new Float32Array(bytes.byteLength / 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === "bf16") {
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < out.length; i++) bits[i] = view.getUint16(i * 2, true) << 16;
    return out;
  }
  for (let i = 0; i < out.length; i++) out[i] = decodeMinifloat(dtype, view.getUint16(i * 2, true));
  return out;
}

export function encodeMinifloats(dtype: DType, values: ArrayLike<number | bigint>): Uint8Array {
  const wide = dtype !== "f8e8m0" && formatOf(dtype).bytes === 2;
  const out = new Uint8Array(values.length * (wide ? 2 : 1));
  for (let i = 0; i < values.length; i++) {
    const pattern = encodeMinifloat(dtype, Number(values[i] ?? 0));
    if (wide) {
      out[2 * i] = pattern & 0xff;
      out[2 * i + 1] = pattern >>> 8;
    } else out[i] = pattern;
  }
  return out;
}

// The questions that tell how an engine multiplies bytes, asked of every way that machines have.

import test from "ava";
import { isUnsignedDot, takesUnsignedBytes } from "../../runtime-shim/byte-dots.js";
import { hasFeature } from "../../runtime-shim/features.js";

const signed = (x: number, byte: number): number => (x << (24 - 8 * byte)) >> 24;
const unsigned = (x: number, byte: number): number => (x >>> (8 * byte)) & 255;
const saturated = (x: number, bits: number): number => Math.max(-(2 ** (bits - 1)), Math.min(2 ** (bits - 1) - 1, x));
const BYTES = [0, 1, 2, 3];
const sum = (terms: readonly number[]): number => terms.reduce((n, x) => n + x, 0);

type Dot = (a: number, b: number, c: number) => number;
const exact: Dot = (a, b, c) => (c + sum(BYTES.map((i) => signed(a, i) * unsigned(b, i)))) | 0;
const pairs = (of: (x: number) => number, right: typeof signed): Dot => {
  const pair = (a: number, b: number, i: number): number =>
    of(signed(a, i) * right(b, i) + signed(a, i + 1) * right(b, i + 1));
  return (a, b, c) => (c + pair(a, b, 0) + pair(a, b, 2)) | 0;
};

/** What is not it, by the instructions that have it. */
const OTHERS: Readonly<Record<string, Dot>> = {
  "signed bytes (sdot, vpdpbssd)": (a, b, c) => (c + sum(BYTES.map((i) => signed(a, i) * signed(b, i)))) | 0,
  "pairs that saturate (pmaddubsw)": pairs((x) => saturated(x, 16), unsigned),
  "pairs that wrap in 16 bits": pairs((x) => (x << 16) >> 16, unsigned),
  "signed pairs that wrap in 16 bits (smull, addp)": pairs((x) => (x << 16) >> 16, signed),
  "sums that saturate (vpdpbusds)": (a, b, c) =>
    saturated(c + sum(BYTES.map((i) => signed(a, i) * unsigned(b, i))), 32),
  "operands the other way round": (a, b, c) => exact(b, a, c),
};

test("unsigned bytes with exact sums are told from every other way", (t) => {
  t.true(isUnsignedDot(exact));
  // An engine's arguments are i32.
  t.true(isUnsignedDot((a, b, c) => exact(a | 0, b | 0, c | 0)));
  for (const [name, dot] of Object.entries(OTHERS)) {
    t.false(isUnsignedDot(dot), name);
    t.false(
      isUnsignedDot((a, b, c) => dot(a | 0, b | 0, c | 0)),
      name,
    );
  }
});

test("the engine is asked, which needs relaxed SIMD", (t) => {
  t.is(hasFeature("relaxed-dot-u8"), takesUnsignedBytes());
  if (!hasFeature("relaxed-simd")) t.false(takesUnsignedBytes());
});

test("where nothing may be compiled it is not there", (t) => {
  const { Module } = WebAssembly;
  Object.assign(WebAssembly, {
    Module: () => {
      throw new WebAssembly.CompileError("refused");
    },
  });
  try {
    t.false(takesUnsignedBytes());
  } finally {
    Object.assign(WebAssembly, { Module });
  }
});

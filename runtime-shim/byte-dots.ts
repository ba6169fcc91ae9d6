// What this engine's i32x4.relaxed_dot_i8x16_i7x16_add_s does with the eighth bit of its second operand's bytes, and whether its
// sums are exact then. The standard leaves that open, but for an engine on a machine it is fixed: a module of one function
// is asked once.

/** (a, b, c: i32) -> i32: the first lane of the instruction on vectors that have these in every lane. */
const MODULE = [
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  // A type (i32, i32, i32) -> i32, a function of it, exported as "f".
  ...[1, 8, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0],
  // Its code: local.get and i32x4.splat of each, the instruction, i32x4.extract_lane 0.
  ...[
    10, 22, 1, 20, 0, 0x20, 0, 0xfd, 0x11, 0x20, 1, 0xfd, 0x11, 0x20, 2, 0xfd, 0x11, 0xfd, 0x93, 2, 0xfd, 0x1b, 0, 0x0b,
  ],
];

/** Bytes of both operands and a sum to add to: pairs beyond 16 bits, sums beyond 32, each byte in its place. */
const QUESTIONS: readonly (readonly [a: number, b: number, c: number])[] = [
  [0x80808080, 0xffffffff, 5],
  [0x7f7f7f7f, 0xffffffff, -7],
  [0x80808080, 0x80808080, 0],
  [0x7f7f7f7f, 0xff80fe81, 0x7fffffff],
  [0x80807f7f, 0xffffffff, 0x80000000],
  [0x01807f55, 0x80ff01c3, 11],
];

/** c + the products of the bytes, b unsigned, modulo 2^32. */
function unsignedDot(a: number, b: number, c: number): number {
  let sum = c;
  for (let bit = 0; bit < 32; bit += 8) sum += ((a << (24 - bit)) >> 24) * ((b >>> bit) & 255);
  return sum | 0;
}

/** Whether a dot product of bytes, of lanes (a, b, c), takes those of b as unsigned ones, with exact sums. */
export function isUnsignedDot(dot: (a: number, b: number, c: number) => unknown): boolean {
  return QUESTIONS.every(([a, b, c]) => dot(a, b, c) === unsignedDot(a, b, c));
}

/** Whether this engine's is such a one; false also where it does not run it. */
export function takesUnsignedBytes(): boolean {
  try {
    const { f } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(MODULE))).exports;
    return typeof f === "function" && isUnsignedDot((a, b, c) => f(a, b, c));
  } catch {
    // No relaxed SIMD, or a page whose policy forbids WebAssembly: loading a model tells that.
    return false;
  }
}

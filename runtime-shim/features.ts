// Which WebAssembly features this engine has: each is asked about with a module of a few bytes that is valid only with
// the feature, and how it multiplies bytes by running it.

import { takesUnsignedBytes } from "./byte-dots.js";
import { FEATURES, type Feature } from "./format.js";

/** Instructions of a function () -> (), without its end. */
const BODIES: Readonly<Record<Exclude<Feature, "relaxed-dot-u8">, readonly number[]>> = {
  // i32.const 0, i8x16.splat, drop
  simd128: [0x41, 0, 0xfd, 0x0f, 0x1a],
  // two splats, i8x16.relaxed_swizzle, drop
  "relaxed-simd": [0x41, 0, 0xfd, 0x0f, 0x41, 0, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x1a],
  // atomic.fence
  threads: [0xfe, 0x03, 0],
  // three i32.const 0, memory.fill
  "bulk-memory": [0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0b, 0],
  // f32.const 0, i32.trunc_sat_f32_s, drop
  "nontrapping-fptoint": [0x43, 0, 0, 0, 0, 0xfc, 0, 0x1a],
  // i32.const 0, i32.extend8_s, drop
  "sign-ext": [0x41, 0, 0xc0, 0x1a],
  // i32.const 0, global.set 0
  "mutable-globals": [0x41, 0, 0x24, 0],
};

/** A module with a page of memory, a mutable i32 global and one function. */
function probe(body: readonly number[]): Uint8Array<ArrayBuffer> {
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1, 6, 6, 1, 0x7f, 1];
  return Uint8Array.from([...header, 0x41, 0, 0x0b, 10, body.length + 4, 1, body.length + 2, 0, ...body, 0x0b]);
}

const answers = new Map<string, boolean>();

/** False also for a feature that this version does not know. */
export function hasFeature(name: string): boolean {
  let has = answers.get(name);
  if (has === undefined) {
    const feature = FEATURES.find((f) => f === name);
    if (feature === undefined) has = false;
    else has = feature === "relaxed-dot-u8" ? takesUnsignedBytes() : WebAssembly.validate(probe(BODIES[feature]));
    answers.set(name, has);
  }
  return has;
}

// A subject with a known bug behind three comparisons: chance alone would need millions of inputs, coverage a few
// thousand.

import { mutateBytes } from "./mutate-bytes.js";
import { Broken, type Target } from "./target.js";

function subject(bytes: Uint8Array): string {
  if (bytes[0] !== 0x50) return "first";
  if (bytes[1] !== 0x53) return "second";
  if (bytes[2] !== 0x4e) return "third";
  throw new Broken("the planted bug");
}

export const planted: Target = {
  name: "text",
  maxBytes: 16,
  seeds: [Uint8Array.of(1, 2, 3, 4)],
  mutate: mutateBytes,
  run: async (input) => subject(input),
};

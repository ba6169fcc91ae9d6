// A bundle taken apart and put together again: the manifest as JSON and the blobs as bytes can be changed, and offsets,
// sizes and digests are made right for them.

import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { mutateBytes, mutateText } from "./mutate-bytes.js";
import type { Random } from "./random.js";

const HEADER_BYTES = 48;
const ALIGN = 64;
const CHUNK = 1 << 20;

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

interface BlobFields {
  readonly kind: string;
  readonly offset: number;
  readonly bytes: number;
  readonly chunks: readonly string[];
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function align(n: number): number {
  return Math.ceil(n / ALIGN) * ALIGN;
}

/** The manifest of a bundle that a loader took, read without any check. */
export function readBundle(bytes: Uint8Array): {
  readonly manifest: { readonly blobs: readonly BlobFields[] };
  readonly text: Uint8Array;
  readonly start: number;
} {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true);
  const text = bytes.subarray(HEADER_BYTES, HEADER_BYTES + length);
  const manifest = JSON.parse(new TextDecoder().decode(text)) as { readonly blobs: readonly BlobFields[] };
  return { manifest, text, start: align(HEADER_BYTES + length) };
}

export interface Parts {
  manifest: JsonValue;
  readonly blobs: Uint8Array[];
}

/** Null where the bytes are no bundle any more. */
export function partsOf(bytes: Uint8Array): Parts | null {
  try {
    const { manifest, start } = readBundle(bytes);
    const blobs = manifest.blobs.map((b) => bytes.slice(start + b.offset, start + b.offset + b.bytes));
    return { manifest: manifest as unknown as JsonValue, blobs };
  } catch {
    return null;
  }
}

/** Puts the blobs behind the manifest, where its own fields say or, `relaid`, where they should. */
function assemble(text: Uint8Array, offsets: readonly number[], blobs: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const start = align(HEADER_BYTES + text.length);
  const end = blobs.reduce((most, b, i) => Math.max(most, start + (offsets[i] ?? 0) + b.length), start);
  const out = new Uint8Array(end);
  out.set([0x89, 0x50, 0x53, 0x4e, 0x0d, 0x0a, 0x1a, 0x0a, 2]);
  new DataView(out.buffer).setUint32(12, text.length, true);
  out.set(createHash("sha256").update(text).digest(), 16);
  out.set(text, HEADER_BYTES);
  for (const [i, b] of blobs.entries()) out.set(b, start + (offsets[i] ?? 0));
  return out;
}

function layout(blobs: readonly Uint8Array[]): number[] {
  let end = 0;
  return blobs.map((b) => {
    const offset = align(end);
    end = offset + b.length;
    return offset;
  });
}

function isObject(v: JsonValue | undefined): v is { [key: string]: JsonValue } {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

/** Offsets, sizes and chunk digests of the blobs, and the size of the weights, as the blobs are. */
function relay({ manifest, blobs }: Parts): void {
  if (!isObject(manifest) || !Array.isArray(manifest["blobs"])) return;
  const offsets = layout(blobs);
  for (const [i, spec] of manifest["blobs"].entries()) {
    const blob = blobs[i];
    if (!isObject(spec) || blob === undefined) continue;
    spec["offset"] = offsets[i] ?? 0;
    spec["bytes"] = blob.length;
    spec["chunks"] = Array.from({ length: Math.ceil(blob.length / CHUNK) }, (_, k) =>
      sha256(blob.subarray(k * CHUNK, (k + 1) * CHUNK)),
    );
    const memory = manifest["memory"];
    const weights = isObject(memory) ? memory["weights"] : undefined;
    if (spec["kind"] === "weights" && isObject(weights))
      weights["bytes"] = blob.length + savedBytes(manifest["widened"]);
  }
}

/** What widening adds to the weights. */
function savedBytes(widened: JsonValue | undefined): number {
  if (!Array.isArray(widened)) return 0;
  return widened.reduce<number>((sum, w) => {
    if (!isObject(w) || typeof w["bytes"] !== "number") return sum;
    const [wide, stored] = [bitsOf(w["dtype"]), bitsOf(w["stored"])];
    return sum + w["bytes"] - Math.floor((w["bytes"] * stored) / wide);
  }, 0);
}

/** Of the dtypes that are widened, whose names end with them. */
function bitsOf(dtype: JsonValue | undefined): number {
  return Number(/(8|16|32|64)$/.exec(typeof dtype === "string" ? dtype : "")?.[1] ?? 8);
}

/** The parts as a bundle in which everything is right. */
export function bundleOf(parts: Parts): Uint8Array<ArrayBuffer> {
  relay(parts);
  return assemble(new TextEncoder().encode(canonicalText(parts.manifest)), layout(parts.blobs), parts.blobs);
}

const NUMBERS: readonly number[] = [
  0,
  1,
  2,
  3,
  4,
  7,
  8,
  16,
  31,
  64,
  127,
  255,
  1023,
  4095,
  65535,
  65536,
  131072,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  -1,
  -8,
  -(2 ** 31),
  -(2 ** 53) + 1,
  0.5,
  1e300,
];
const STRINGS = [
  "",
  "n",
  "k",
  "x",
  "main",
  "f32",
  "f16",
  "i64",
  "u8",
  "bool",
  "bf16",
  "i8",
  "i16",
  "u16",
  "i32",
  "c64",
  "str",
  "u4",
  "wasm",
  "wasm64",
  "strict",
  "relaxed",
  "simd128",
  "relaxed-simd",
  "threads",
  "module",
  "weights",
  "plan",
  "source",
  "functional",
  "schedule",
  "__proto__",
  "constructor",
  "toString",
  "memory",
  "add",
  "mul",
  "div",
  "mod",
  "min",
  "max",
  "\ud800",
  "0".repeat(64),
];

interface Slot {
  readonly parent: JsonValue[] | { [key: string]: JsonValue };
  readonly key: string;
  readonly value: JsonValue;
}

function slotsOf(value: JsonValue): Slot[] {
  const slots: Slot[] = [];
  const walk = (parent: JsonValue): void => {
    if (typeof parent !== "object" || parent === null) return;
    for (const [key, child] of Object.entries(parent)) {
      slots.push({ parent, key, value: child });
      walk(child);
    }
  };
  walk(value);
  return slots;
}

function nested(random: Random): JsonValue {
  let value: JsonValue = random.pick(["n", 1]) ?? 1;
  const op = random.pick(["add", "mul", "div", "mod", "min", "max"]) ?? "add";
  for (let i = random.once(10) ? 70 : 1 + random.below(6); i > 0; i--)
    value = random.once(2) ? [op, value, random.below(5) - 2] : [op, random.pick(["n", "k", 2]) ?? 2, value];
  return value;
}

function set({ parent, key }: Slot, value: JsonValue): void {
  if (Array.isArray(parent)) parent[Number(key)] = value;
  else parent[key] = value;
}

/** One change of the tree: a value, a key, an item; or a subtree from elsewhere. */
function mutateJson(root: JsonValue, other: JsonValue | undefined, random: Random): void {
  const slots = slotsOf(root);
  const slot = random.pick(slots);
  if (slot === undefined) return;
  const { parent, key, value } = slot;
  switch (random.below(9)) {
    case 0:
    case 1:
    case 2: {
      const numbers = slots.filter((s) => typeof s.value === "number");
      const one = random.pick(numbers);
      if (one === undefined || typeof one.value !== "number") return;
      const by = [1, -1, 4, -4, 8, 64, -64, 65536][random.below(8)] ?? 1;
      set(one, random.once(2) ? one.value + by : (random.pick(NUMBERS) ?? 0));
      return;
    }
    case 3: {
      const one = random.pick(slots.filter((s) => typeof s.value === "string"));
      if (one !== undefined) set(one, random.pick(STRINGS) ?? "");
      return;
    }
    case 4:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
      return;
    case 5:
      if (Array.isArray(parent)) parent.splice(Number(key), 0, structuredClone(value));
      else parent[random.pick(STRINGS) ?? ""] = structuredClone(value);
      return;
    case 6: {
      const from = random.pick(other === undefined || random.once(2) ? slots : slotsOf(other));
      if (from !== undefined) set(slot, structuredClone(from.value));
      return;
    }
    case 7: {
      const dims = slots.filter((s) => s.key === "left" || s.key === "right");
      const shapes = slots.filter((s) => s.key === "shape");
      const shape = random.pick(shapes);
      if (random.once(3)) {
        const dim = random.pick(dims);
        if (dim !== undefined) set(dim, nested(random));
      } else if (shape !== undefined && Array.isArray(shape.value))
        shape.value.splice(random.below(shape.value.length + 1), random.below(2), nested(random));
      return;
    }
    default:
      set(slot, random.pick<JsonValue>([null, true, [], {}, "", 0, [value], { a: value }, -0.5]) ?? null);
  }
}

/** What has no canonical form (half of a surrogate pair, a number that is not finite) is written as it comes. */
function canonicalText(value: JsonValue): string {
  try {
    return canonicalize(value) ?? "";
  } catch {
    return JSON.stringify(value);
  }
}

/** A changed bundle: a quarter of them plainly, the others with digests made right. */
export function mutateBundle(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const parts = partsOf(input);
  if (parts === null || random.once(4)) return mutateBytes(input, other, random);
  const { blobs } = parts;
  let text: string | undefined;
  switch (random.below(5)) {
    case 0:
    case 1:
      for (let i = random.once(3) ? 1 + random.below(4) : 1; i > 0; i--)
        mutateJson(parts.manifest, partsOf(other)?.manifest, random);
      break;
    case 2: {
      const from = canonicalText(partsOf(other)?.manifest ?? null);
      text = mutateText(canonicalText(parts.manifest), from, random, STRINGS);
      break;
    }
    case 3: {
      const at = random.below(blobs.length);
      blobs[at] = mutateBytes(blobs[at] ?? new Uint8Array(0), partsOf(other)?.blobs[0] ?? other, random);
      relay(parts);
      break;
    }
    default: {
      const specs = isObject(parts.manifest) ? parts.manifest["blobs"] : undefined;
      const from = random.below(blobs.length);
      const blob = blobs[from];
      if (!Array.isArray(specs) || blob === undefined) break;
      const spec = structuredClone(specs[from] ?? null);
      if (random.once(2)) {
        blobs.splice(from, 1);
        specs.splice(from, 1);
      }
      if (!random.once(3)) {
        const to = random.below(blobs.length + 1);
        blobs.splice(to, 0, blob);
        specs.splice(to, 0, spec);
      }
      relay(parts);
    }
  }
  const bytes = new TextEncoder().encode(text ?? canonicalText(parts.manifest));
  return assemble(bytes, layout(blobs), blobs);
}

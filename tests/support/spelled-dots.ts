// Modules of relaxed bundles on engines of any kind: dot products of bytes are spelled out as an engine computes them that
// has the features which the module asks for.

import binaryen from "binaryen";
import { openBundle } from "../../codegen/bundle/read.js";
import { Model } from "../../runtime-shim/model.js";
import { openWidening } from "../../runtime-shim/widen.js";

const RELAXED = "i32x4.relaxed_dot_i8x16_i7x16_add_s";
const UNSIGNED = `
(func $unsigned_dot (param $a v128) (param $b v128) (param $c v128) (result v128)
  (i32x4.add
    (i32x4.add (local.get $c)
      (i32x4.dot_i16x8_s
        (v128.and (local.get $b) (v128.const i32x4 0x00ff00ff 0x00ff00ff 0x00ff00ff 0x00ff00ff))
        (i16x8.shr_s (i16x8.shl (local.get $a) (i32.const 8)) (i32.const 8))))
    (i32x4.dot_i16x8_s
      (i16x8.shr_u (local.get $b) (i32.const 8))
      (i16x8.shr_s (local.get $a) (i32.const 8)))))`;

function spelledOut(wasm: Uint8Array): Uint8Array<ArrayBuffer> {
  const { All } = binaryen.Features;
  const module = binaryen.readBinary(wasm);
  const text = module.emitText();
  module.dispose();
  const end = text.lastIndexOf(")");
  const spelled = binaryen.parseText(
    `${text.slice(0, end).replaceAll(`(${RELAXED}`, "(call $unsigned_dot")}${UNSIGNED})`,
  );
  spelled.setFeatures(All);
  const bytes = Uint8Array.from(spelled.emitBinary());
  spelled.dispose();
  return bytes;
}

/** Each module of a bundle of one thread, with the features that it asks for. */
export async function modelsOf(bundle: Uint8Array): Promise<{ readonly features: readonly string[]; model: Model }[]> {
  const opened = openBundle(bundle);
  const { manifest, digest } = opened;
  const weights = opened.blob("weights") ?? new Uint8Array();
  return Promise.all(
    manifest.modules.map(async ({ tier, features }, i) => {
      const pages = manifest.memory.bytes / 65536;
      const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
      const region = manifest.memory.weights;
      const place = openWidening(new Uint8Array(memory.buffer, region.offset, region.bytes), region, manifest.widened);
      place.place.set(weights);
      place.arrived(weights.length);
      const module = await WebAssembly.compile(spelledOut(opened.blob("module", i) ?? new Uint8Array()));
      const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
      const variant = { tier, threads: 1, features, fallback: "" };
      const parts = { manifest, digest, variant, buffer: memory.buffer, exports, entry: undefined, end: () => {} };
      return { features, model: new Model(parts) };
    }),
  );
}

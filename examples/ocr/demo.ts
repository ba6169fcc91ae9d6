// Reads a picture: node dist/examples/ocr/demo.js [--target wasm|native] [--cpu level] [picture.png]
//
// Compiles PP-OCRv4's three networks to bundles, of WebAssembly or of native code for this machine, loads these with the
// runtime, which checks every digest, and prints the lines of text that it finds, from the top, each with its confidence.
// Without a picture it reads the one in fixtures/ocr, compares the text with what was drawn there, and fails when they
// differ.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { load } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { type Code, compileNetwork } from "./compile.js";
import { dictionaryFile, fixture, readPng } from "./files.js";
import { codeFor } from "./native.js";
import type { Networks } from "./network.js";
import { loadNetworks } from "./psionic.js";
import { type Line, read } from "./read.js";
import { alphabetOf } from "./recognize.js";

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;

async function timed<T>(work: () => Promise<T>): Promise<[result: T, milliseconds: number]> {
  const start = performance.now();
  return [await work(), performance.now() - start];
}

async function compiled(name: keyof Networks, code: Code): Promise<Uint8Array> {
  const [bundle, took] = await timed(() => compileNetwork(name, code));
  console.log(
    `compiled  ${name.padEnd(12)} ${(bundle.byteLength / 1e6).toFixed(1).padStart(5)} MB in ${seconds(took)}`,
  );
  return bundle;
}

/** Whether the text is what was drawn in the fixture; says where it is not. */
function agrees(lines: readonly Line[]): boolean {
  const want = readFileSync(fixture.text, "utf8").trimEnd().split("\n");
  const have = lines.map(({ text }) => text);
  const wrong = Array.from({ length: Math.max(want.length, have.length) }, (_, i) => i).filter(
    (i) => want[i] !== have[i],
  );
  for (const i of wrong) {
    console.error(`line ${i + 1}: have ${JSON.stringify(have[i])}, want ${JSON.stringify(want[i])} (${fixture.text})`);
  }
  return wrong.length === 0;
}

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { target: { type: "string", default: "wasm" }, cpu: { type: "string" } },
  });
  const [path = fixture.picture] = positionals;
  const code = codeFor(values.target, values.cpu);
  const image = readPng(path);
  const alphabet = alphabetOf(readFileSync(dictionaryFile, "utf8"));
  const bundles = {
    detection: await compiled("detection", code),
    direction: await compiled("direction", code),
    recognition: await compiled("recognition", code),
  };
  const [networks, loading] = await timed(() => loadNetworks(bundles, code.target === "wasm" ? load : loadNative));
  console.log(`loaded    in ${seconds(loading)}, every digest checked`);
  const [lines, reading] = await timed(() => read(image, networks, alphabet));
  console.log(`read      ${path} (${image.width}x${image.height}) in ${seconds(reading)}\n`);
  for (const { text, confidence } of lines) console.log(`${(confidence * 100).toFixed(1).padStart(5)} %  ${text}`);
  return path !== fixture.picture || agrees(lines);
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

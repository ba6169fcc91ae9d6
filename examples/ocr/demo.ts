// Reads a picture: node dist/examples/ocr/demo.js [picture.png]
//
// Compiles PP-OCRv4's three networks to bundles, loads these with the runtime, which checks every digest, and prints the
// lines of text that it finds, from the top, each with its confidence. Without a picture it reads the one in
// fixtures/ocr, compares the text with what was drawn there, and fails when they differ.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { compileNetwork } from "./compile.js";
import { dictionaryFile, fixture, readPng } from "./files.js";
import type { Networks } from "./network.js";
import { loadNetworks } from "./psionic.js";
import { type Line, read } from "./read.js";
import { alphabetOf } from "./recognize.js";

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;

async function timed<T>(work: () => Promise<T>): Promise<[result: T, milliseconds: number]> {
  const start = performance.now();
  return [await work(), performance.now() - start];
}

async function compiled(name: keyof Networks): Promise<Uint8Array> {
  const [bundle, took] = await timed(() => compileNetwork(name));
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
  const [path = fixture.picture] = parseArgs({ allowPositionals: true }).positionals;
  const image = readPng(path);
  const alphabet = alphabetOf(readFileSync(dictionaryFile, "utf8"));
  const bundles = {
    detection: await compiled("detection"),
    direction: await compiled("direction"),
    recognition: await compiled("recognition"),
  };
  const [networks, loading] = await timed(() => loadNetworks(bundles));
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

// The demo's pipeline with onnxruntime running the networks: the text must be what was drawn.

import { readFileSync } from "node:fs";
import test from "ava";
import { dictionaryFile, fixture, readPng } from "../../examples/ocr/files.js";
import { read } from "../../examples/ocr/read.js";
import { alphabetOf } from "../../examples/ocr/recognize.js";
import { onnxruntimeNetworks } from "./onnxruntime.js";

test("onnxruntime reads the fixture's text", async (t) => {
  const alphabet = alphabetOf(readFileSync(dictionaryFile, "utf8"));
  const lines = await read(readPng(fixture.picture), await onnxruntimeNetworks(), alphabet);
  t.deepEqual(
    lines.map(({ text }) => text),
    readFileSync(fixture.text, "utf8").trimEnd().split("\n"),
  );
  for (const { text, confidence } of lines) t.true(confidence > 0.9, `"${text}": ${confidence}`);
});

test("a blank picture has no text", async (t) => {
  const image = { width: 320, height: 96, rgb: new Uint8Array(320 * 96 * 3).fill(255) };
  t.deepEqual(await read(image, await onnxruntimeNetworks(), ["", " "]), []);
});

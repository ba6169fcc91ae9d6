// The programs of start rows, in JavaScript and in C, with a bundle and with a peer, show the same output.

import test from "ava";
import { nativeHost } from "../support/native.js";
import type { Elements } from "../support/onnx-writer.js";
import { largestError } from "./agree.js";
import { MODELS } from "./models.js";
import { platformOf } from "./platform.js";
import { compileRow } from "./psionic.js";

const row = MODELS.find((r) => r.name === "openWakeWord hey_jarvis");
const host = nativeHost();
const targets = typeof host === "string" ? ["wasm"] : ["wasm", "native"];
if (typeof host === "string") test("starts of native code", (t) => t.pass(`skipped: ${host}`));

for (const target of targets)
  test(`${target}: every program shows the same output, and what its memory peaked at`, async (t) => {
    if (row === undefined) throw new Error("no such row");
    const platform = platformOf(target, undefined);
    const model = row.model();
    for (const { title, needsLibrary, measure } of platform.starts) {
      const library = needsLibrary ? { name: "model" } : undefined;
      const compiled = compileRow(row, model, { platform, tier: "strict", threads: 1 }, library);
      const starts = await measure(row, { ...compiled, model }, 1);
      const outputs = starts.map(
        ({ output }) => new Map<string, Elements["data"]>([["", new Float32Array(output.buffer)]]),
      );
      for (const [i, { name, samples, peakBytes }] of starts.entries()) {
        t.is(samples.length, 1);
        t.is(peakBytes === null, process.platform !== "linux" || title === "start in Chromium");
        const error = largestError(outputs[i] ?? new Map(), outputs.at(-1) ?? new Map());
        t.true(error <= row.tolerance, `${title}, ${name}: ${error}`);
      }
    }
  });

// node dist/tests/support/architectures/write.js <name|all> <folder> [--full]: writes architectures as ONNX files.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ARCHITECTURES, architecture } from "./index.js";

const [name = "", folder = ""] = process.argv.slice(2).filter((a) => !a.startsWith("--"));
const preset = process.argv.includes("--full") ? "full" : "small";
const names = name === "all" ? Object.keys(ARCHITECTURES) : [name];
if (folder === "" || names.some((n) => architecture(n) === null)) {
  console.error(`usage: write.js <name|all> <folder> [--full]\nnames: ${Object.keys(ARCHITECTURES).join(", ")}`);
  process.exitCode = 2;
} else {
  mkdirSync(folder, { recursive: true });
  for (const n of names) {
    const bytes = architecture(n)?.write(preset) ?? new Uint8Array();
    const path = join(folder, `${n}.onnx`);
    writeFileSync(path, bytes);
    console.log(`${path} ${(bytes.length / 2 ** 20).toFixed(1)} MiB`);
  }
}

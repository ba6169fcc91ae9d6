// A process of the determinism test: compiles each job of the JSON in its first argument and prints the SHA-256 of the
// bundles, one line each. Run in other folders, time zones, locales, homes and Node versions, it must print the same.

import { createHash } from "node:crypto";
import { compileModel, MODEL_FILES, type ModelName, type Recipe } from "../support/models.js";

export interface Job extends Recipe {
  readonly model: ModelName;
}

for (const { model, ...recipe } of JSON.parse(process.argv[2] ?? "[]") as readonly Job[]) {
  const { bundle } = compileModel(MODEL_FILES[model], recipe);
  process.stdout.write(`${createHash("sha256").update(bundle).digest("hex")} ${bundle.length}\n`);
}

// A compilation's result as a cache entry: a line of JSON, then the bundle, from which all the rest is read back.

import { toLevels } from "../../codegen/bundle/levels.js";
import { openBundle } from "../../codegen/bundle/read.js";
import { Bug } from "../ir/errors.js";
import type { Compiled } from "../pipeline.js";
import type { Plan } from "../plan/plan.js";
import type { TuningLock } from "../schedule/tuning.js";
import { type Cache, readEntry, writeEntry } from "./store.js";

const NEWLINE = 10;

/** What an earlier compilation with this key gave; null where the cache has none. */
export function readCompiled(cache: Cache, key: string, lock: TuningLock): Compiled | null {
  const entry = readEntry(cache, key);
  if (entry === null) return null;
  const end = entry.indexOf(NEWLINE);
  // Written by this very compiler, whose code is part of the key, and checked against its digest.
  const unused = JSON.parse(new TextDecoder().decode(entry.subarray(0, end))) as readonly number[];
  const bundle = entry.slice(end + 1);
  const opened = openBundle(bundle);
  const text = (kind: "plan" | "source" | "functional" | "schedule"): string =>
    opened.text(kind) ?? missing(kind, opened.digest);
  return {
    bundle,
    plan: JSON.parse(text("plan")) as Plan,
    levels: toLevels(opened.manifest.levels),
    texts: { source: text("source"), functional: text("functional"), schedule: text("schedule") },
    unusedTuning: unused.flatMap((i) => lock.entries[i] ?? []),
  };
}

function missing(kind: string, digest: string): never {
  throw new Bug("cache", `the bundle ${digest} was stored without its ${kind}`);
}

export function writeCompiled(cache: Cache, key: string, compiled: Compiled, lock: TuningLock): void {
  const unused = compiled.unusedTuning.map((e) => lock.entries.indexOf(e));
  writeEntry(cache, key, [new TextEncoder().encode(`${JSON.stringify(unused)}\n`), compiled.bundle]);
}

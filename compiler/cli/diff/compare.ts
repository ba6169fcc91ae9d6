// Two bundles in, a Difference out: every level compared, and the earliest that differs named as the cause.

import { toLevels } from "../../../codegen/bundle/levels.js";
import { sha256Hex } from "../../../codegen/bundle/write.js";
import { type BundleView, moduleName } from "../bundle-view.js";
import { bytesText } from "../style.js";
import { type Difference, type ItemDiff, LEVELS, type Level, type LevelDiff } from "./difference.js";
import { bufferItems, byName, countItems, diffConstants, diffItems, kernelItems, signatureItems } from "./items.js";
import { diffText, type TextDiff } from "./text-diff.js";

export function compareBundles(old: BundleView, now: BundleView): Difference {
  const same = old.digest === now.digest;
  const levels = LEVELS.map((level) => COMPARE[level](old, now));
  const first = levels.find((l) => !l.same);
  return {
    same,
    old: identity(old),
    new: identity(now),
    explains: same ? null : explain(first, levels),
    levels,
  };
}

const identity = (b: BundleView) => ({ path: b.path, digest: b.digest, bytes: b.bytes.byteLength });

type Compare = (old: BundleView, now: BundleView) => LevelDiff;

const COMPARE: Readonly<Record<Level, Compare>> = {
  source: (old, now) => textLevel("source", "the source graph", maskValues(old.source), maskValues(now.source)),
  values: (old, now) => {
    if (maskValues(old.source) !== maskValues(now.source)) return level("values", "", null, []);
    const text = diffText(old.source ?? "", now.source ?? "");
    return level(
      "values",
      text === null ? "" : `constants of the model hold other values, from line ${text.line} of the source graph`,
      text,
      [],
    );
  },
  compiler: (old, now) =>
    itemLevel("compiler", "settings of the compiler", diffItems(compilerItems(old), compilerItems(now))),
  functional: (old, now) => {
    const found = textLevel(
      "functional",
      "the functional graph",
      maskValues(old.functional),
      maskValues(now.functional),
    );
    const pass = found.same || old.source !== now.source ? null : firstPass(old, now);
    return pass === null ? found : { ...found, summary: `${found.summary}; the graphs part after pass "${pass}"` };
  },
  schedule: (old, now) => textLevel("schedule", "the schedule", maskValues(old.schedule), maskValues(now.schedule)),
  kernels: (old, now) => {
    const items = diffItems(kernelItems(old.plan), kernelItems(now.plan));
    return itemLevel("kernels", `kernels (${old.plan.kernels.length} before, ${now.plan.kernels.length} now)`, items);
  },
  memory: (old, now) => {
    const delta = now.plan.memory.bytes - old.plan.memory.bytes;
    return itemLevel(
      "memory",
      `buffers and regions (${signedBytes(delta)} in all)`,
      diffItems(bufferItems(old.plan), bufferItems(now.plan)),
    );
  },
  weights: (old, now) => {
    const delta = now.plan.memory.weights.bytes - old.plan.memory.weights.bytes;
    return itemLevel("weights", `packed constants (${signedBytes(delta)} in all)`, diffConstants(old.plan, now.plan));
  },
  code: (old, now) => itemLevel("code", "modules", diffItems(moduleItems(old), moduleItems(now))),
  signature: (old, now) =>
    itemLevel("signature", "parts of the signature", diffItems(signatureItems(old.plan), signatureItems(now.plan))),
};

const DIGEST = /sha256:[0-9a-f]{64}/g;
/** A constant in a schedule, by the start of its digest. */
const SHORT_DIGEST = /@[0-9a-f]{12}:/g;
const SMALL_FLOATS = /(\{value=b?f\w*\[[^\]]*\]) \[[^\]]*\]/g;

/** Structure alone: constants by dtype and shape. Small integers stay, since they are mostly sizes and axes. */
function maskValues(text: string | null): string {
  return (text ?? "").replace(DIGEST, "sha256:...").replace(SHORT_DIGEST, "@...:").replace(SMALL_FLOATS, "$1 [...]");
}

function textLevel(name: Level, what: string, before: string, after: string): LevelDiff {
  const text = diffText(before, after);
  return level(name, text === null ? "" : `${what} differs from line ${text.line} on`, text, []);
}

function itemLevel(name: Level, what: string, items: readonly ItemDiff[]): LevelDiff {
  return level(name, items.length === 0 ? "" : `${what}: ${countItems(items)}`, null, items);
}

function level(name: Level, summary: string, text: TextDiff | null, items: readonly ItemDiff[]): LevelDiff {
  return { level: name, same: summary === "", summary, text, items };
}

function compilerItems(b: BundleView): ReturnType<typeof byName> {
  const { producer, target, modules, levels } = b.manifest;
  const { passes, tools = [] } = toLevels(levels);
  return byName([
    ["producer", { value: producer }],
    ["tools", { value: tools.join(", ") }],
    ["target", { value: target }],
    ["modules", { value: modules.map(moduleName).join(", ") }],
    ["passes", { value: passes.map((p) => p.name).join(" ") }],
  ]);
}

/** The first pass after which the two graphs differ, where both bundles say so and began alike. */
function firstPass(old: BundleView, now: BundleView): string | null {
  const after = toLevels(now.manifest.levels).passes;
  for (const [i, before] of toLevels(old.manifest.levels).passes.entries()) {
    const other = after[i];
    if (other === undefined || other.name !== before.name) return null;
    if (before.digest !== other.digest) return before.name;
  }
  return null;
}

function moduleItems(b: BundleView): ReturnType<typeof byName> {
  return byName(
    b.manifest.modules.map((m, i) => {
      const code = b.modules[i] ?? new Uint8Array(0);
      return [`module ${moduleName(m)}`, { bytes: String(code.byteLength), digest: sha256Hex(code) }];
    }),
  );
}

const BECAUSE: Readonly<Record<Level, string>> = {
  source: "the models themselves differ; everything after follows from that",
  values: "only the values of constants differ: the same structure, other weights",
  compiler: "the model is the same; it was compiled with other settings or by another version",
  functional:
    "the same model and settings gave another graph: the passes differ between the two builds of the compiler",
  schedule: "the graphs are the same; the scheduler chose otherwise",
  kernels: "the schedules are the same; their kernels were generated otherwise",
  memory: "the kernels are the same; buffers were placed otherwise",
  weights: "the plans are the same; constants were folded or packed otherwise",
  code: "the plans are the same; code generation gave other code",
  signature: "only the signature differs",
};

function explain(first: LevelDiff | undefined, levels: readonly LevelDiff[]): Difference["explains"] {
  if (first === undefined)
    return { level: "code", because: "no level differs, only how the bundle records them (format or level digests)" };
  const after = levels.filter((l) => !l.same && l !== first).map((l) => l.level);
  const also = after.length === 0 ? "" : ` (also different: ${after.join(", ")})`;
  return { level: first.level, because: `${BECAUSE[first.level]}${also}` };
}

function signedBytes(n: number): string {
  return n === 0 ? "the same size" : `${n > 0 ? "+" : "-"}${bytesText(Math.abs(n))}`;
}

// Everything about a bundle that can be proved without running it, as a list of checks with what each found. The first
// group that fails ends the list where the rest would have nothing to stand on.

import { levelsOf, toLevels } from "../../../codegen/bundle/levels.js";
import { type Bundle, openBundle } from "../../../codegen/bundle/read.js";
import { widenedOf } from "../../../codegen/bundle/store.js";
import { canonicalJson, sha256Hex } from "../../../codegen/bundle/write.js";
import { LoadError, type Manifest } from "../../../runtime-shim/format.js";
import { targetOfHost } from "../../../runtime-shim/native-cpu.js";
import type { Plan } from "../../plan/plan.js";
import { validatePlan } from "../../plan/validate.js";
import type { BundleView } from "../bundle-view.js";
import { messageOf } from "../failures.js";
import { isNative, loaderOf } from "../load-model.js";
import { viewOf } from "../open-view.js";
import { counted } from "../style.js";
import { judgeModules, type ModuleFindings } from "./modules.js";

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was checked, or what is wrong: where, have, want. */
  readonly details: readonly string[];
}

export interface Verification {
  readonly ok: boolean;
  /** The plan digest; null where the bundle could not be opened. */
  readonly digest: string | null;
  readonly checks: readonly Check[];
}

export async function verify(path: string, bytes: Uint8Array): Promise<Verification> {
  let bundle: Bundle;
  let view: BundleView | null;
  try {
    bundle = openBundle(bytes);
    view = bundle.isStripped ? null : viewOf(path, bytes, bundle);
  } catch (e) {
    if (!(e instanceof LoadError)) throw e;
    return { ok: false, digest: null, checks: [failed("digests and structure", e.message)] };
  }
  const { manifest: m, digest } = bundle;
  const modules = m.modules.flatMap((_, i) => bundle.blob("module", i) ?? []);
  const blobs = bundle.isStripped
    ? `modules and weights, stripped of ${counted(m.blobs.length - modules.length - 1, "text")}`
    : counted(m.blobs.length, "blob");
  const checks = [
    passed("digests and structure", `manifest and ${blobs}, ${counted(bytes.byteLength, "byte")}`),
    ...(view === null ? [] : planChecks(view)),
    modulesCheck(modules.length, judgeModules(m, modules)),
    ...(view === null ? [] : [of("levels", levelIssues(view), "recomputed from plan and texts")]),
    await runtimeCheck(m.target, bytes),
  ];
  return { ok: checks.every((c) => c.ok), digest, checks };
}

/** What the plan in the bundle is held against. */
function planChecks(view: BundleView): Check[] {
  const { manifest: m, plan } = view;
  return [
    of("manifest agrees with plan", manifestIssues(m, plan), "every field that both have"),
    of(
      "plan",
      validatePlan(plan).map((i) => `${i.at}: ${i.message}`),
      `${counted(plan.kernels.length, "kernel")}, ${counted(plan.entries.length, "entry point")}`,
    ),
    of("weights", weightIssues(view), counted(plan.constants.length, "constant")),
  ];
}

function passed(name: string, detail: string): Check {
  return { name, ok: true, details: [detail] };
}

function failed(name: string, ...details: readonly string[]): Check {
  return { name, ok: false, details };
}

function of(name: string, issues: readonly string[], detail: string): Check {
  return issues.length === 0 ? passed(name, detail) : failed(name, ...issues);
}

function modulesCheck(count: number, { issues, lacking }: ModuleFindings): Check {
  const features = [...new Set(lacking.flat())].join(", ");
  const untried = lacking.length === 0 ? "" : `; ${lacking.length} not judged, this engine lacks ${features}`;
  return of("modules", issues, `${count - lacking.length} valid, with every entry point's export${untried}`);
}

function manifestIssues(m: Manifest, plan: Plan): string[] {
  const issues: string[] = [];
  const compare = (where: string, have: unknown, want: unknown): void => {
    if (canonicalJson(have) !== canonicalJson(want))
      issues.push(
        `${where}: the manifest has ${shorten(canonicalJson(have))}, the plan ${shorten(canonicalJson(want))}`,
      );
  };
  compare("target", m.target, plan.target);
  compare(
    "modules",
    m.modules.map(({ tier, threads }) => ({ tier, threads: threads !== null })),
    plan.variants,
  );
  compare("memory", m.memory, plan.memory);
  compare("widened", m.widened, widenedOf(plan));
  compare("symbols", m.symbols, plan.symbols);
  compare("states", m.states, plan.states);
  compare(
    "entries",
    m.entries.map((e) => e.name),
    plan.entries.map((e) => e.name),
  );
  for (const [i, e] of m.entries.entries()) {
    const p = plan.entries[i];
    if (p === undefined) continue;
    for (const key of ["name", "export", "symbols", "sources", "inputs", "outputs", "constraints"] as const)
      compare(`entry "${e.name}", ${key}`, e[key], p[key]);
    compare(`entry "${e.name}", steps`, e.steps, p.steps.length);
  }
  return issues;
}

function weightIssues({ plan, weights }: BundleView): string[] {
  return plan.constants.flatMap((c) => {
    const from = c.offset - plan.memory.weights.offset;
    if (from < 0 || from + c.bytes > weights.byteLength)
      return [`constant ${c.name}: bytes ${c.offset}..${c.offset + c.bytes} are outside the weights`];
    const have = sha256Hex(weights.subarray(from, from + c.bytes));
    return have === c.digest
      ? []
      : [
          `constant ${c.name} (${c.dtype}[${c.shape.join(", ")}], ${c.layout}): digest ${have}, the plan has ${c.digest}`,
        ];
  });
}

function levelIssues({ manifest, plan, source, functional, schedule }: BundleView): string[] {
  const have = toLevels(manifest.levels);
  const texts = {
    ...(source === null ? {} : { source }),
    ...(functional === null ? {} : { functional }),
    ...(schedule === null ? {} : { schedule }),
  };
  const want = levelsOf(plan, texts, have.passes, have.tools);
  const recorded = new Map(Object.entries(have));
  return Object.entries(want)
    .filter(([key, value]) => canonicalJson(recorded.get(key)) !== canonicalJson(value))
    .map(([key]) => `${key}: the recorded digest is not that of the ${key} in the bundle`);
}

async function runtimeCheck(target: string, bytes: Uint8Array): Promise<Check> {
  const name = "runtime loads it";
  // A bundle for another machine is sound wherever it is looked at.
  const host = targetOfHost() ?? `${process.platform} on ${process.arch}`;
  if (isNative(target) && target !== host) return passed(name, `not tried, this machine is ${host}`);
  try {
    const load = await loaderOf(target);
    const model = await load(bytes);
    const { entries } = model;
    model.dispose();
    return passed(name, counted(entries.length, "entry point"));
  } catch (e) {
    // So is one that wants more of an engine or a CPU than this one has.
    if (e instanceof LoadError && e.code === "unsupported_backend_capability")
      return passed(name, `not tried, ${e.message}`);
    return failed(name, messageOf(e));
  }
}

function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

// Which of a bundle's modules runs: by what the caller wants, what the bundle holds and what the engine has. In this
// order, and each choice is told: nothing is taken in place of what was asked for unless the caller allowed it.

import { LoadError, show } from "./errors.js";
import { hasFeature } from "./features.js";
import { LIMITS, type Manifest, type ModuleSpec, type Tier } from "./format.js";

/** A number of threads, the caller's among them; "all": as many as the machine runs at once. */
export type ThreadCount = number | "all";

export interface Threads {
  readonly count: ThreadCount;
  /** Run on one thread where there can be no more; Model.variant says why. */
  readonly fallback: boolean;
}

/** What the caller wants of a bundle that holds several modules. */
export interface Wishes {
  /** Default: strict where the bundle holds it. "any": relaxed where bundle and engine have it, else strict. */
  readonly tier?: Tier | "any";
  /** Default: 1. More of them need a bundle that was compiled for threads, and SharedArrayBuffer. */
  readonly threads?: ThreadCount | Threads;
}

/** The module that runs. */
export interface Variant {
  /** strict: the same bits on every host and for every number of threads. */
  readonly tier: Tier;
  /** Threads that run kernels, the caller's among them. */
  readonly threads: number;
  /** Engine features that the module uses. */
  readonly features: readonly string[];
  /** Why it runs on one thread although more were asked for; "" otherwise. */
  readonly fallback: string;
}

export interface Choice {
  readonly module: ModuleSpec;
  readonly variant: Variant;
}

interface Problem {
  readonly have: string;
  readonly hint: string;
}

/** What runs modules. */
export interface Host {
  /** Whether it has a feature of a module. */
  readonly has: (feature: string) => boolean;
  /** Why there is no memory that threads share; null where there is. */
  readonly sharingProblem: () => Problem | null;
  /** Whether a module with threads runs on one as well. */
  readonly joins: boolean;
  /** What features are of, and what to do where one is missing. */
  readonly name: string;
  readonly hint: string;
}

const ENGINE: Host = { has: hasFeature, sharingProblem, joins: false, name: "an engine", hint: "use a newer engine" };

/** Throws LoadError where the bundle or the engine lacks what is wanted. */
export function chooseVariant(manifest: Manifest, { tier, threads = 1 }: Wishes, host = ENGINE): Choice {
  const held = (["strict", "relaxed"] as const).filter((t) => manifest.modules.some((m) => m.tier === t));
  const { count, fallback } = typeof threads === "object" ? threads : { count: threads, fallback: false };
  const wanted = threadCount(count);
  const tiers = tier === "any" ? held.toReversed() : [tier ?? held[0] ?? "strict"];
  let missing: LoadError | undefined;
  for (const t of tiers) {
    const found = moduleFor(manifest, t, wanted > 1, host);
    if (!(found instanceof LoadError)) return { module: found, variant: variantOf(found, wanted, "") };
    missing ??= found;
    if (wanted === 1 || !fallback) continue;
    const single = moduleFor(manifest, t, false, host);
    if (!(single instanceof LoadError)) return { module: single, variant: variantOf(single, 1, found.message) };
  }
  throw missing ?? new LoadError("unsupported_backend_capability", "manifest.modules", "none", "a module");
}

function variantOf({ tier, features }: ModuleSpec, threads: number, fallback: string): Variant {
  return { tier, threads, features, fallback };
}

/** The first module of a tier that this engine can run; else what is missing. */
function moduleFor(manifest: Manifest, tier: Tier, threads: boolean, host: Host): ModuleSpec | LoadError {
  const refusal = (where: string, have: string, want: string, hint: string): LoadError =>
    new LoadError("unsupported_backend_capability", where, have, want, hint);
  const ofTier = manifest.modules.filter((m) => m.tier === tier);
  const tiers = [...new Set(manifest.modules.map((m) => m.tier))].join(" and ");
  if (ofTier.length === 0)
    return refusal("options.tier", `a bundle of tier ${tiers}`, tier, `compile the model with --tier ${tier}`);
  const isAble = ({ threads: own }: ModuleSpec): boolean => (own === null ? !threads : threads || host.joins);
  const able = ofTier.filter(isAble);
  if (able.length === 0) {
    const hint = threads ? "compile the model with --threads" : "ask for more threads than one";
    return refusal("options.threads", `no ${tier} module ${threads ? "for threads" : "of one thread"}`, "one", hint);
  }
  const lacking = threads ? host.sharingProblem() : null;
  if (lacking !== null) return refusal("options.threads", lacking.have, "memory that threads share", lacking.hint);
  const found = able.find((m) => m.features.every(host.has));
  if (found !== undefined) return found;
  const names = able.at(-1)?.features.filter((f) => !host.has(f)) ?? [];
  return refusal("manifest.modules", `${host.name} without ${names.join(", ")}`, "one with it", host.hint);
}

/** Why there is no memory that threads share; null where there is. */
function sharingProblem(): Problem | null {
  if (typeof SharedArrayBuffer === "function" && globalThis.crossOriginIsolated !== false) return null;
  if (globalThis.isSecureContext === false) {
    return { have: "no SharedArrayBuffer: the page is not secure", hint: "serve the page by https" };
  }
  return {
    have: "no SharedArrayBuffer: the page is not cross-origin isolated",
    hint: "serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or allow one thread with threads: { count, fallback: true }",
  };
}

function threadCount(count: unknown): number {
  if (count === "all") return Math.min(machineThreads(), LIMITS.threads);
  if (typeof count === "number" && Number.isInteger(count) && count >= 1 && count <= LIMITS.threads) return count;
  throw new LoadError("malformed_input", "options.threads", show(count), `1 to ${LIMITS.threads}, or "all"`);
}

function machineThreads(): number {
  if (typeof navigator === "object" && navigator.hardwareConcurrency > 0) return navigator.hardwareConcurrency;
  return typeof process === "object" ? (process.getBuiltinModule?.("node:os").availableParallelism() ?? 1) : 1;
}

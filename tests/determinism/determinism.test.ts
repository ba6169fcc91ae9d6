// Same input, same bytes: bundles do not depend on the folder, time zone, locale, user, hash seed or Node version, nor
// on what was compiled before in the process or the order in which options are given.

import { createHash } from "node:crypto";
import test from "ava";
import { compileModel, MODEL_FILES, type Recipe } from "../support/models.js";
import { nativeHost } from "../support/native.js";
import type { Job } from "./compile-once.js";
import { compileIn, otherNodes, SURROUNDINGS, versionOf } from "./processes.js";

const side = { lo: 32, hi: 320, step: 32 };
const memory = [
  { input: "h", output: "hn" },
  { input: "c", output: "cn" },
];

/** Control flow, symbols, states, convolutions and recurrence, in models that compile quickly. */
const JOBS: readonly Job[] = [
  { model: "silero-legacy", dims: { batch: 1, sequence: 512 }, states: memory },
  { model: "ocr-cls", dims: { height: 48, width: side } },
  { model: "hey-jarvis", tier: "relaxed" },
  ...nativeJobs(),
];

/** Native code too: what LLVM and the linker make must not depend on surroundings either. */
function nativeJobs(): readonly Job[] {
  const host = nativeHost();
  if (typeof host === "string") return [];
  const { target, levels } = host;
  return [
    { model: "hey-jarvis", target, cpus: levels },
    { model: "silero-legacy", dims: { batch: 1, sequence: 512 }, states: memory, target, threads: true },
  ];
}

function digest({ model, ...recipe }: Job): string {
  const { bundle } = compileModel(MODEL_FILES[model], recipe);
  return `${createHash("sha256").update(bundle).digest("hex")} ${bundle.length}\n`;
}

let here: string | undefined;
/** The digests of this process. */
function expected(): string {
  here ??= JOBS.map(digest).join("");
  return here;
}

for (const surroundings of SURROUNDINGS)
  test.serial(`a process with ${surroundings.name}`, async (t) => {
    t.is(await compileIn(surroundings, JOBS), expected());
  });

test.serial("other Node versions", async (t) => {
  const nodes = otherNodes();
  if (nodes.length === 0) t.log("skipped: set PSIONIC_NODES, or install npm's `node` package");
  for (const node of nodes) {
    const version = await versionOf(node);
    t.is(await compileIn({ name: version, node }, JOBS), expected(), version);
    t.log(`${version}: the same bytes`);
  }
  t.pass();
});

test.serial("the order of compilations, of options and of states", (t) => {
  const before = expected();
  const turned = <T extends object>(o: T): T => Object.fromEntries(Object.entries(o).reverse()) as T;
  const again = [...JOBS].reverse().map(({ model, dims = {}, ...rest }) => {
    const recipe: Recipe = turned({ dims: turned(dims), ...rest });
    return digest({ model, ...recipe });
  });
  t.is(again.reverse().join(""), before);
});

test.serial("what another model left in the process", (t) => {
  const [first] = JOBS;
  if (first === undefined) return t.fail();
  const before = digest(first);
  // Symbols of the same names with other ranges, and the same weights.
  for (const sequence of [256, { lo: 512, hi: 1024 }])
    compileModel(MODEL_FILES[first.model], { dims: { batch: 1, sequence } });
  return t.is(digest(first), before);
});

test.serial("what differs gives other bytes", (t) => {
  const job: Job = { model: "hey-jarvis" };
  t.not(digest(job), digest({ ...job, tier: "relaxed" }));
});

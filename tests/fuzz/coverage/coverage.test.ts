// The kept corpus again, and a few seconds of coverage-guided fuzzing for each target, from a fixed seed. `make fuzz`
// does it for longer.

import test from "ava";
import { BlockCoverage } from "./block-coverage.js";
import { KEPT, readCorpus } from "./corpus.js";
import { type Finding, Loop } from "./loop.js";
import { mutateBytes } from "./mutate-bytes.js";
import { Random } from "./random.js";
import { importTarget, TARGET_NAMES } from "./target.js";
import { watch } from "./watch.js";

const SECONDS = 5;
const SEED = 20240607;

test.serial("coverage leads to a bug that chance does not find", async (t) => {
  const findings: Finding[] = [];
  const coverage = new BlockCoverage(/\/dist\/tests\/fuzz\/coverage\/planted\.js$/);
  const { planted } = await import("./planted.js");
  const loop = new Loop(planted, coverage, {
    seed: 1,
    seconds: 60,
    mostRuns: 60_000,
    isForOne: true,
    corpus: [],
    onRun: () => {},
    onNew: () => {},
    onFinding: (f) => findings.push(f),
  });
  const report = await loop.run();
  coverage.stop();
  t.log(`${report.runs} runs`);
  t.is(findings.length, 1);
  t.deepEqual(findings[0]?.input, Uint8Array.of(0x50, 0x53, 0x4e));
  t.true(report.kept >= 3);
});

test("the same seed gives the same inputs", (t) => {
  const inputs = (seed: number): Uint8Array[] => {
    const random = new Random(seed);
    const from = Uint8Array.from({ length: 40 }, (_, i) => i);
    return Array.from({ length: 50 }, () => mutateBytes(from, from, random, [Uint8Array.of(1, 2)]));
  };
  t.deepEqual(inputs(7), inputs(7));
  t.notDeepEqual(inputs(7), inputs(8));
});

for (const name of TARGET_NAMES) {
  test.serial(`the kept corpus of ${name}`, async (t) => {
    const target = await importTarget(name);
    for (const { file, bytes } of readCorpus(KEPT, name))
      await t.notThrowsAsync(() => target.run(bytes), `tests/fuzz/corpus/${name}/${file}`);
    t.pass();
  });

  test.serial(`${SECONDS} seconds of ${name}`, async (t) => {
    const corpus = readCorpus(KEPT, name).map((f) => f.bytes);
    const report = await watch({ name, seed: SEED, seconds: SECONDS, corpus });
    for (const { error, input } of report.findings)
      t.fail(`${error}\ninput (base64): ${Buffer.from(input).toString("base64")}`);
    t.log(`${report.runs} runs, ${((100 * report.reached) / report.total).toFixed(1)}% of the characters reached`);
    t.true(report.runs > 0);
  });
}

// The fuzzer's command line; --help lists the options.
// It starts from the kept corpus and the given one, and adds to the given one what reaches new code. Findings are
// written to <corpus>/findings. --file runs one input and shows what comes of it. --distill copies to the kept corpus
// the smallest inputs that together reach what the corpus reaches, at most n for each target. Exit code 1: findings.

import { readFileSync } from "node:fs";
import { exit } from "node:process";
import { parseArgs } from "node:util";
import { readCommandLine } from "../../support/command-line.js";
import { KEPT, readCorpus, writeInput } from "./corpus.js";
import { distill } from "./distill.js";
import { importTarget, TARGET_NAMES, type TargetName } from "./target.js";
import { watch } from "./watch.js";

const USAGE = `Usage: node dist/tests/fuzz/coverage/run.js [options]

Fuzzes with coverage as the guide, from the kept corpus and the given one. Exit code 1: there are findings.

  --target <name>          ${TARGET_NAMES.join(", ")} or all (default: all)
  --seconds <n>            for each target (default: 60)
  --seed <n>               of the mutations (default: 1)
  --corpus <folder>        what reaches new code, and findings, go there (default: .cache/fuzz)
  --file <input>           run one input and show what comes of it
  --distill <n>            keep the smallest inputs that reach what the corpus reaches, at most n for each target`;

function settings() {
  const { values } = parseArgs({
    options: {
      target: { type: "string", default: "all" },
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: "1" },
      corpus: { type: "string", default: ".cache/fuzz" },
      file: { type: "string" },
      distill: { type: "string" },
    },
  });
  const names = TARGET_NAMES.filter((n) => values.target === "all" || values.target === n);
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  if (names.length === 0) throw new Error(`--target ${values.target}: want one of ${TARGET_NAMES.join(", ")}, all`);
  if (!(seconds >= 0)) throw new Error(`--seconds ${values.seconds}: want a number`);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed ${values.seed}: want a whole number`);
  return { values, names, seconds, seed };
}

const { values, names, seconds, seed } = readCommandLine(USAGE, settings);

/** An input that takes longer is kept, to be looked at. */
const SLOW_MS = 1000;

async function fuzz(name: TargetName): Promise<number> {
  const corpus = [...readCorpus(KEPT, name), ...readCorpus(values.corpus, name)].map((f) => f.bytes);
  const report = await watch({
    name,
    seed,
    seconds,
    corpus,
    onNew: (input) => writeInput(values.corpus, name, input),
    onFinding: ({ key, error, input }) => {
      const path = writeInput(values.corpus, "findings", input, `${name}-`);
      console.error(`fuzz ${name}: ${key}\n  ${path}\n${error}\n`);
    },
  });
  if (report.slowestMs > SLOW_MS)
    console.log(`  the slowest input: ${writeInput(values.corpus, "slow", report.slowest, `${name}-`)}`);
  const share = ((100 * report.reached) / Math.max(1, report.total)).toFixed(1);
  const outcomes = Object.entries(report.outcomes).sort((a, b) => b[1] - a[1]);
  console.log(
    `fuzz ${name}: ${report.runs} runs, ${report.kept} inputs in the corpus, ${report.reached} of ${report.total} ` +
      `characters reached (${share}%), slowest ${report.slowestMs.toFixed(0)} ms, ${report.findings.length} findings; ` +
      outcomes.map(([outcome, count]) => `${outcome} ${count}`).join(", "),
  );
  return report.findings.length;
}

let findings = 0;
for (const name of names) {
  if (values.file !== undefined) {
    const target = await importTarget(name);
    console.log(await target.run(new Uint8Array(readFileSync(values.file))));
  } else if (values.distill !== undefined) await distill(name, values.corpus, Number(values.distill));
  else findings += await fuzz(name);
}
exit(findings > 0 ? 1 : 0);

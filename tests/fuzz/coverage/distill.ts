// From a grown corpus to the one that is kept: small inputs, each of which reaches something that those before do not.

import { BlockCoverage } from "./block-coverage.js";
import { KEPT, readCorpus, writeInput } from "./corpus.js";
import { importTarget, SCRIPTS, type TargetName } from "./target.js";

const MOST_BYTES = 2048;

/** Writes at most `most` inputs to the kept corpus: greedily those that add most to what the seeds and it reach. */
export async function distill(name: TargetName, folder: string, most: number): Promise<void> {
  const coverage = new BlockCoverage(SCRIPTS[name]);
  const target = await importTarget(name);
  const attempt = async (input: Uint8Array): Promise<void> => {
    try {
      await target.run(input);
    } catch {
      // A finding is the fuzzer's to report.
    }
  };
  for (const input of [...target.seeds, ...readCorpus(KEPT, name).map((f) => f.bytes)]) await attempt(input);
  coverage.add(coverage.take());
  const found: { readonly input: Uint8Array; readonly gain: number }[] = [];
  const files = readCorpus(folder, name).filter((f) => f.bytes.length < MOST_BYTES);
  for (const { bytes: input } of files.toSorted((a, b) => a.bytes.length - b.bytes.length)) {
    await attempt(input);
    const gain = coverage.add(coverage.take());
    if (gain > 0) found.push({ input, gain });
  }
  coverage.stop();
  const best = found.toSorted((a, b) => b.gain - a.gain).slice(0, most);
  for (const { input } of best) writeInput(KEPT, name, input);
  console.log(`distill ${name}: ${best.length} of ${found.length} inputs kept, from ${files.length}`);
}

// The search: builds of one model with other choices, each raced against the compiler's own. Every build gives all kernels
// another choice at once, so the number of builds is that of a kernel's candidates, and kernels are timed where they
// run: with the caches as the kernels before them leave them. First tiles, then blocks around the best tiles; at last all
// winners together are raced once more, and what does not win again is dropped. In: a model and its inputs. Out: choices
// by kernel key, with what was seen.

import { type AnyModel, load, type Model } from "../../../runtime-shim/index.js";
import { Bug } from "../../ir/errors.js";
import type { Builder, Graph } from "../../ir/graph.js";
import { compileStages, type Stages } from "../../pipeline.js";
import type { Tier } from "../../plan/plan.js";
import { blocksAround, candidatesOf, ownChoices, type TunedChoices } from "../../schedule/candidates.js";
import { kernelKey } from "../../schedule/kernel-key.js";
import type { Kernel } from "../../schedule/schedule.js";
import type { TuningEntry } from "../../schedule/tuning.js";
import { PRODUCER } from "../../version.js";
import { tensorOfView } from "../io/feed.js";
import { topSteps } from "../top-steps.js";
import { type Feeds, isWin, type Race, type Racer, race, type Verdict, warmUp } from "./race.js";

export interface SearchOptions {
  readonly source: { readonly graph: Graph; readonly builder: Builder };
  readonly tier: Tier;
  readonly machine: string;
  /** Inputs for a model that was loaded. */
  readonly feeds: (model: Model<AnyModel>, bundle: Uint8Array) => Promise<Feeds>;
  readonly seconds: number;
  /** Asked between runs: true ends the search with what was found so far. */
  readonly isStopped: () => boolean;
  readonly onProgress: (text: string) => void;
}

export interface Found {
  readonly entries: readonly TuningEntry[];
  /** Keys of the kernels that were tried. */
  readonly tried: readonly string[];
  readonly builds: number;
  /** The whole model, by the compiler's own choices and with all winners; null where nothing won or the search was stopped. */
  readonly whole: Verdict | null;
}

/** Of a kernel's share of the run, below which it is left alone: what could be won is lost in the noise. */
const LEAST_SHARE = 0.005;
const LEAST_MS = 0.005;
const ROUNDS = 15;
const CONFIRM_ROUNDS = 25;

interface Candidate {
  readonly kernel: Kernel;
  /** What won so far, in whole; null: the compiler's own. */
  best: { readonly choices: TunedChoices; readonly verdict: Verdict } | null;
}

interface Build extends Racer {
  readonly stages: Stages;
}

export async function search(options: SearchOptions): Promise<Found> {
  return new Search(options).run();
}

class Search {
  readonly #options: SearchOptions;
  readonly #started = performance.now();
  #builds = 0;
  /** Milliseconds that the slowest build took with its race. */
  #slowest = 0;

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  async run(): Promise<Found> {
    const own = await this.#build([]);
    const feeds = await this.#options.feeds(own.model, own.stages.compiled.bundle);
    try {
      await warmUp(own, feeds);
      const candidates = await this.#candidates(own, feeds);
      const tried = [...candidates.keys()];
      const tiles = (c: Candidate): readonly TunedChoices[] => candidatesOf(c.kernel);
      await this.#sweep("tile", own, feeds, candidates, tiles);
      const blocks = new Map(
        [...candidates.values()].map((c) => [c, blocksAround(c.kernel, c.best?.choices ?? ownChoices(c.kernel))]),
      );
      await this.#sweep("block", own, feeds, candidates, (c) => blocks.get(c) ?? []);
      const whole = await this.#confirm(own, feeds, candidates);
      const entries = [...candidates].flatMap(([key, { best }]) =>
        best === null ? [] : [this.#entry(key, best.choices, best.verdict)],
      );
      return { entries, tried, builds: this.#builds, whole };
    } finally {
      own.model.dispose();
    }
  }

  /** The kernels that can choose and take long enough, by key, those that take longest first. */
  async #candidates(own: Build, feeds: Feeds): Promise<Map<string, Candidate>> {
    const { all, of } = await race(own, own, feeds, 3, () => false);
    const kernels = new Map(kernelsByKey(own.stages));
    const worth = [...of]
      .filter(([, v]) => v.before >= LEAST_MS && v.before >= LEAST_SHARE * all.before)
      .sort((a, b) => b[1].before - a[1].before);
    const out = new Map<string, Candidate>();
    for (const [key] of worth) {
      const kernel = kernels.get(key);
      if (kernel !== undefined && candidatesOf(kernel).length > 0) out.set(key, { kernel, best: null });
    }
    return out;
  }

  /** Races one build for each candidate in turn; what wins over the best so far takes its place. */
  async #sweep(
    what: string,
    own: Build,
    feeds: Feeds,
    candidates: ReadonlyMap<string, Candidate>,
    of: (c: Candidate) => readonly TunedChoices[],
  ): Promise<void> {
    const most = Math.max(0, ...[...candidates.values()].map((c) => of(c).length));
    for (let i = 0; i < most && !this.#isOver(); i++) {
      this.#options.onProgress(`${what} ${i + 1} of ${most}`);
      const choices = new Map<string, TunedChoices>();
      for (const [key, c] of candidates) {
        const next = of(c)[i];
        if (next !== undefined) choices.set(key, next);
      }
      const result = await this.#against(own, feeds, choices, ROUNDS);
      for (const [key, next] of choices) {
        const c = candidates.get(key);
        const verdict = result?.of.get(key);
        if (c === undefined || verdict === undefined || !isWin(verdict)) continue;
        if (c.best === null || verdict.ratio < c.best.verdict.ratio) c.best = { choices: next, verdict };
      }
    }
  }

  /** Races all winners together against the compiler's own choices, and drops those that do not win again. */
  async #confirm(own: Build, feeds: Feeds, candidates: ReadonlyMap<string, Candidate>): Promise<Verdict | null> {
    const won = [...candidates].flatMap(([key, { best }]) => (best === null ? [] : [[key, best.choices] as const]));
    if (won.length === 0 || this.#options.isStopped()) return null;
    this.#options.onProgress("all winners together");
    const result = await this.#against(own, feeds, new Map(won), CONFIRM_ROUNDS);
    for (const [key, choices] of won) {
      const c = candidates.get(key);
      const verdict = result?.of.get(key);
      if (c !== undefined) c.best = verdict !== undefined && isWin(verdict) ? { choices, verdict } : null;
    }
    return result?.all ?? null;
  }

  /** Null where a relaxed build gives other bits, which its tier allows and a comparison does not. */
  async #against(
    own: Build,
    feeds: Feeds,
    choices: ReadonlyMap<string, TunedChoices>,
    rounds: number,
  ): Promise<Race | null> {
    const start = performance.now();
    const build = await this.#build([...choices].map(([key, c]) => this.#entry(key, c, null)));
    try {
      if (!(await sameOutputs(own.model, build.model, feeds))) {
        if (this.#options.tier === "relaxed") return null;
        throw new Bug("tune", "choices changed the bits of a result", build.stages.compiled.texts.schedule);
      }
      await warmUp(build, feeds);
      return await race(own, build, feeds, rounds, this.#options.isStopped);
    } finally {
      build.model.dispose();
      this.#slowest = Math.max(this.#slowest, performance.now() - start);
    }
  }

  async #build(entries: readonly TuningEntry[]): Promise<Build> {
    this.#builds++;
    const { source, tier } = this.#options;
    const stages = compileStages(source, { tier, tuning: { lock: { entries } } });
    const keys = topSteps(stages).map((s) => (s?.kind === "kernel" ? kernelKey(s.kernel) : null));
    return { stages, keys, model: await load(stages.compiled.bundle) };
  }

  #entry(kernel: string, choices: TunedChoices, verdict: Verdict | null): TuningEntry {
    const { before, after, rounds } = verdict ?? { before: 0, after: 0, rounds: 0 };
    const round = (ms: number): number => Number(ms.toPrecision(3));
    return {
      kernel,
      machine: this.#options.machine,
      tier: this.#options.tier,
      choices,
      measured: { before: round(before), after: round(after), rounds, compiler: PRODUCER },
    };
  }

  /** Time is up, the time that the last race needs taken off. One other build is tried however little there is. */
  #isOver(): boolean {
    const { seconds, isStopped } = this.#options;
    if (isStopped() || this.#builds === 1) return isStopped();
    return performance.now() - this.#started + 2 * this.#slowest > seconds * 1000;
  }
}

/** The kernels of top-level steps, each with its key. */
function* kernelsByKey(stages: Stages): Iterable<readonly [string, Kernel]> {
  for (const s of topSteps(stages)) if (s?.kind === "kernel") yield [kernelKey(s.kernel), s.kernel];
}

/** Whether both models, from their first states, give the same bytes. */
async function sameOutputs(a: Model<AnyModel>, b: Model<AnyModel>, feeds: Feeds): Promise<boolean> {
  a.reset();
  b.reset();
  const [x, y] = [await a.run(feeds), await b.run(feeds)];
  return Object.entries(x).every(([name, view]) => {
    const other = y[name];
    return other !== undefined && Buffer.compare(tensorOfView(view).bytes, tensorOfView(other).bytes) === 0;
  });
}

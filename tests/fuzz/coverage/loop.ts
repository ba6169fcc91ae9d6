// The fuzzer's loop. Inputs that make code run that had not run join the corpus; the next inputs are changes of these.
// Coverage is taken for a batch, because taking it costs more than most inputs; a batch that reached something is run
// again input by input to tell which did. Everything follows from the seed, except how far it gets in the time given.

import { resourceUsage } from "node:process";
import type { BlockCoverage } from "./block-coverage.js";
import { Random } from "./random.js";
import { Broken, keyOfError, type Target } from "./target.js";

const BATCH = 16;
const SHRINK_RUNS = 400;
const MOST_FINDINGS = 25;
/** An input that makes the process grow by more than this is a finding. */
const MOST_GROWTH_KIB = 500 * 1024;

export interface Finding {
  readonly key: string;
  readonly error: string;
  readonly input: Uint8Array;
}

export interface LoopOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Ends it too; none by default. */
  readonly mostRuns?: number;
  /** Ends it at the first finding. */
  readonly isForOne?: boolean;
  readonly corpus: readonly Uint8Array[];
  /** Before an input runs: for a watchdog. */
  onRun(input: Uint8Array): void;
  onNew(input: Uint8Array): void;
  onFinding(finding: Finding): void;
}

export interface LoopReport {
  readonly runs: number;
  /** Inputs in the corpus at the end. */
  readonly kept: number;
  readonly reached: number;
  readonly total: number;
  readonly slowestMs: number;
  readonly slowest: Uint8Array;
  /** How often each outcome was seen. */
  readonly outcomes: Readonly<Record<string, number>>;
}

export class Loop {
  readonly #target: Target;
  readonly #coverage: BlockCoverage;
  readonly #options: LoopOptions;
  readonly #random: Random;
  readonly #corpus: Uint8Array[] = [];
  readonly #outcomes: Record<string, number> = {};
  readonly #found = new Set<string>();
  #runs = 0;
  #slowestMs = 0;
  #slowest = new Uint8Array(0);

  constructor(target: Target, coverage: BlockCoverage, options: LoopOptions) {
    this.#target = target;
    this.#coverage = coverage;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<LoopReport> {
    const end = performance.now() + this.#options.seconds * 1000;
    this.#coverage.add(this.#coverage.take());
    for (const seed of this.#target.seeds) {
      await this.#attempt(seed);
      this.#coverage.add(this.#coverage.take());
      this.#corpus.push(seed);
    }
    const start = this.#options.corpus.toSorted((a, b) => a.length - b.length);
    for (const input of start) {
      if (performance.now() > end) break;
      if (await this.#isNewAlone(input)) this.#corpus.push(input);
    }
    const { mostRuns = Number.POSITIVE_INFINITY, isForOne = false } = this.#options;
    while (performance.now() < end && this.#runs < mostRuns) {
      if (isForOne && this.#found.size > 0) break;
      await this.#batch(end);
    }
    return {
      runs: this.#runs,
      kept: this.#corpus.length,
      reached: this.#coverage.reached,
      total: this.#coverage.total,
      slowestMs: this.#slowestMs,
      slowest: this.#slowest,
      outcomes: this.#outcomes,
    };
  }

  async #batch(end: number): Promise<void> {
    const batch: Uint8Array[] = [];
    while (batch.length < BATCH && performance.now() < end) {
      const input = this.#target.mutate(this.#pick(), this.#pick(), this.#random).subarray(0, this.#target.maxBytes);
      batch.push(input);
      await this.#attempt(input);
    }
    const reached = this.#coverage.take();
    if (!this.#coverage.isNew(reached)) return;
    for (const input of batch) {
      if (!(await this.#isNewAlone(input))) continue;
      this.#corpus.push(input);
      this.#options.onNew(input);
    }
    // What only ran the first time (tables made once) is never seen again.
    this.#coverage.add(reached);
  }

  /** The newest quarter of the corpus has half the turns. */
  #pick(): Uint8Array {
    const { length } = this.#corpus;
    const recent = Math.ceil(length / 4);
    const at = this.#random.once(2) ? length - 1 - this.#random.below(recent) : this.#random.below(length);
    return this.#corpus[at] ?? new Uint8Array(0);
  }

  async #isNewAlone(input: Uint8Array): Promise<boolean> {
    this.#coverage.take();
    await this.#attempt(input);
    return this.#coverage.add(this.#coverage.take()) > 0;
  }

  async #attempt(input: Uint8Array): Promise<void> {
    const failure = await this.#failure(input);
    if (failure === null) return;
    const key = keyOfError(failure);
    if (this.#found.has(key) || this.#found.size >= MOST_FINDINGS) return;
    this.#found.add(key);
    const small = await this.#shrink(input, key);
    const error = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
    this.#options.onFinding({ key, error, input: small });
  }

  async #failure(input: Uint8Array): Promise<unknown> {
    this.#options.onRun(input);
    this.#runs++;
    const memory = resourceUsage().maxRSS;
    const start = performance.now();
    let outcome = "finding";
    try {
      outcome = await this.#target.run(input);
      const growth = resourceUsage().maxRSS - memory;
      if (growth > MOST_GROWTH_KIB) throw new Broken(`the process grew by ${growth >> 10} MiB`);
      return null;
    } catch (e) {
      return e ?? new Broken("threw nothing");
    } finally {
      const took = performance.now() - start;
      if (took > this.#slowestMs) {
        this.#slowestMs = took;
        this.#slowest = input.slice();
      }
      this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
    }
  }

  /** Leaves out parts of the input for as long as the same error comes. */
  async #shrink(input: Uint8Array, key: string): Promise<Uint8Array> {
    let small = input;
    let left = SHRINK_RUNS;
    for (let size = input.length >> 1; size >= 1 && left > 0; size >>= 1) {
      for (let at = 0; at < small.length && left > 0; left--) {
        const shorter = Uint8Array.of(...small.subarray(0, at), ...small.subarray(at + size));
        const failure = await this.#failure(shorter);
        if (failure !== null && keyOfError(failure) === key) small = shorter;
        else at += size;
      }
    }
    return small;
  }
}

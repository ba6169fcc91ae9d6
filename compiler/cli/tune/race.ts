// Two builds of one model, timed against each other step by step. They take turns, in another order each round, so that
// what else the machine does meets both; a round gives a ratio for every kernel, and the rounds' ratios decide. No
// average of one is ever held against an average of the other.

import { setImmediate } from "node:timers/promises";
import type { AnyModel, Feed, Model } from "../../../runtime-shim/index.js";

export interface Racer {
  readonly model: Model<AnyModel>;
  /** For each top-level step, the key of its kernel; null for others. */
  readonly keys: readonly (string | null)[];
}

export type Feeds = Readonly<Record<string, Feed>>;

/** Milliseconds of one run: all of it, and by kernel key. */
interface Times {
  readonly all: number;
  readonly of: ReadonlyMap<string, number>;
}

export interface Verdict {
  /** Median, milliseconds of one run. */
  readonly before: number;
  /** `before` times `ratio`. */
  readonly after: number;
  /** Median of the rounds' own ratios, after to before. */
  readonly ratio: number;
  readonly rounds: number;
  /** Chance of at least as many quicker rounds, were both the same. */
  readonly chance: number;
}

export interface Race {
  readonly all: Verdict;
  readonly of: ReadonlyMap<string, Verdict>;
}

/** A sample is as many runs as take this long: clocks and calls cost a part of it that does not count. */
const SAMPLE_MS = 4;
const WARM_MS = 300;
const WARM_LIMIT_MS = 3000;
/** Runs that V8 needs before its optimizing compiler has seen a function often enough. */
const WARM_RUNS = 5;

/** What must be won by, and how sure. */
const WORTH = 0.97;
const SURE = 0.05;

export function isWin({ ratio, chance }: Verdict): boolean {
  return ratio <= WORTH && chance <= SURE;
}

function timeRun({ model, keys }: Racer, feeds: Feeds): Times {
  const of = new Map<string, number>();
  const start = performance.now();
  let last = start;
  model.runSteps(
    feeds,
    (step) => {
      const key = keys[step];
      const now = performance.now();
      if (key !== null && key !== undefined) of.set(key, (of.get(key) ?? 0) + now - last);
      last = performance.now();
    },
    { copy: false },
  );
  return { all: performance.now() - start, of };
}

function timeRuns(racer: Racer, feeds: Feeds, runs: number): Times {
  const of = new Map<string, number>();
  let all = 0;
  for (let i = 0; i < runs; i++) {
    const one = timeRun(racer, feeds);
    all += one.all;
    for (const [key, ms] of one.of) of.set(key, (of.get(key) ?? 0) + ms);
  }
  for (const [key, ms] of of) of.set(key, ms / runs);
  return { all: all / runs, of };
}

/** Runs until runs stop getting quicker: engines compile hot code in the background. Gives the quickest, milliseconds. */
export async function warmUp(racer: Racer, feeds: Feeds): Promise<number> {
  const start = performance.now();
  let best = Number.POSITIVE_INFINITY;
  let since = 0;
  for (let runs = 0; ; runs++) {
    const spent = performance.now() - start;
    if (runs >= WARM_RUNS && spent >= WARM_MS && (since >= WARM_MS / 2 || spent > WARM_LIMIT_MS)) return best;
    const { all } = timeRun(racer, feeds);
    since = all < best * WORTH ? 0 : since + all;
    best = Math.min(best, all);
    await setImmediate();
  }
}

/** Both are warm. `isOver` is asked between rounds; at least one is run. */
export async function race(
  before: Racer,
  after: Racer,
  feeds: Feeds,
  rounds: number,
  isOver: () => boolean,
): Promise<Race> {
  const runs = Math.max(1, Math.ceil(SAMPLE_MS / timeRun(before, feeds).all));
  const pairs: [Times, Times][] = [];
  for (let i = 0; i < rounds && (i === 0 || !isOver()); i++) {
    const first = timeRuns(i % 2 === 0 ? before : after, feeds, runs);
    const second = timeRuns(i % 2 === 0 ? after : before, feeds, runs);
    pairs.push(i % 2 === 0 ? [first, second] : [second, first]);
    // Signals arrive between rounds.
    await setImmediate();
  }
  const keys = new Set(pairs.flatMap(([b]) => [...b.of.keys()]));
  const of = new Map<string, Verdict>();
  for (const key of keys)
    of.set(key, verdict(pairs.map(([b, a]): [number, number] => [b.of.get(key) ?? 0, a.of.get(key) ?? 0])));
  return { all: verdict(pairs.map(([b, a]): [number, number] => [b.all, a.all])), of };
}

function verdict(pairs: readonly (readonly [before: number, after: number])[]): Verdict {
  const before = median(pairs.map(([b]) => b));
  const ratio = median(pairs.map(([b, a]) => a / b));
  return {
    before,
    after: before * ratio,
    ratio,
    rounds: pairs.length,
    chance: signTest(pairs.filter(([b, a]) => a < b).length, pairs.length),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

/** Chance of `wins` heads or more in `rounds` throws of a fair coin. */
export function signTest(wins: number, rounds: number): number {
  let sum = 0;
  let ways = 1;
  for (let k = 0; k <= rounds; k++) {
    if (k >= wins) sum += ways;
    ways = (ways * (rounds - k)) / (k + 1);
  }
  return sum / 2 ** rounds;
}

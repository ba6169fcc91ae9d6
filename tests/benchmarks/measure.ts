// Timing. The engines take turns, in another order each round, so that what else the machine does meets all of them; a
// ratio is the median of the rounds' own ratios. A sample is as many runs as take long enough for the clock.

import type { Prepared } from "./engine.js";

/** Milliseconds that a sample lasts at least, and the shortest time that the clock tells from nothing. */
export interface Clock {
  readonly sampleMs: number;
  readonly tickMs: number;
}

export interface Budget {
  /** Seconds that one row may take, warm-up apart. */
  readonly seconds: number;
  readonly minRounds: number;
  readonly maxRounds: number;
  /** Milliseconds before each turn, in which the threads of the engine before stop spinning; 0 without threads. */
  readonly pause: number;
  /** Of a coarse clock; by default that of Node. */
  readonly clock?: Clock;
}

export interface Timing {
  /** Median milliseconds of one run. */
  readonly ms: number;
  /** Quarter and three quarters of the samples, milliseconds. */
  readonly quartiles: readonly [number, number];
  readonly rounds: number;
  /** The first run after the engine was ready, milliseconds. */
  readonly coldMs: number;
  /** Milliseconds of each round. */
  readonly samples: readonly number[];
}

const FINE: Clock = { sampleMs: 2, tickMs: 1e-4 };
const WARM_MS = 300;
const WARM_RUNS = 3;
/** V8 compiles hot code in the background: warm-up lasts until runs stop getting quicker, at most this long. */
const WARM_LIMIT_MS = 2000;

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  return low + ((sorted[Math.ceil(at)] ?? low) - low) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

async function sample(p: Prepared, runs: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < runs; i++) {
    const pending = p.run();
    if (pending !== undefined) await pending;
  }
  return (performance.now() - start) / runs;
}

/** Runs until hot; returns the first run's and the quickest run's milliseconds. */
async function warmUp(p: Prepared): Promise<{ readonly cold: number; readonly best: number }> {
  const start = performance.now();
  const cold = await sample(p, 1);
  let best = cold;
  let since = 0;
  for (let runs = 1; ; runs++) {
    const spent = performance.now() - start;
    if (runs >= WARM_RUNS && spent >= WARM_MS && (since >= WARM_MS / 2 || spent > WARM_LIMIT_MS)) break;
    const ms = await sample(p, 1);
    if (ms < best * 0.97) since = 0;
    else since += ms;
    best = Math.min(best, ms);
  }
  return { cold, best };
}

/** A turn of an engine whose threads may have gone to sleep: it wakes them first. */
async function turn(p: Prepared, runs: number, pause: number): Promise<number> {
  if (pause > 0) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    await sample(p, runs);
  }
  return sample(p, runs);
}

/** Times the engines against each other. */
export async function measure(sides: readonly Prepared[], budget: Budget): Promise<Timing[]> {
  const { sampleMs, tickMs } = budget.clock ?? FINE;
  const states: { p: Prepared; cold: number; runs: number; samples: number[] }[] = [];
  for (const p of sides) {
    const { cold, best } = await warmUp(p);
    states.push({ p, cold, runs: Math.max(1, Math.ceil(sampleMs / Math.max(best, tickMs))), samples: [] });
  }
  const until = performance.now() + budget.seconds * 1000;
  for (let round = 0; round < budget.maxRounds; round++) {
    if (round >= budget.minRounds && performance.now() > until) break;
    for (let i = 0; i < states.length; i++) {
      const state = states[(i + round) % states.length];
      if (state !== undefined) state.samples.push(await turn(state.p, state.runs, budget.pause));
    }
  }
  return states.map(({ cold, samples }) => ({
    ms: median(samples),
    quartiles: [quantile(samples, 0.25), quantile(samples, 0.75)],
    rounds: samples.length,
    coldMs: cold,
    samples,
  }));
}

/** Median over the rounds of peer / ours: above 1, ours is quicker. */
export function pairedRatio(ours: Timing, peer: Timing): number {
  return median(ours.samples.map((ms, i) => (peer.samples[i] ?? Number.NaN) / ms));
}

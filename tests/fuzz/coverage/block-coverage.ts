// Which source characters of some scripts have run, from V8's precise block coverage of this thread. Start it before the
// scripts are imported. V8 merges a block into its parent where their counts agree, so blocks have no identity of their
// own: what has one is the character, and the innermost function that owns it.

import { type Profiler, Session } from "node:inspector";

interface Script {
  /** Id of the innermost function at each character; -1 where none is known. */
  readonly owner: Int32Array;
  readonly ran: Uint8Array;
  readonly functions: Map<string, FunctionState>;
}

interface FunctionState {
  readonly id: number;
  /** Coverage patterns that were painted already. */
  readonly patterns: Set<string>;
}

/** What ran between two takes. */
export type Reached = readonly Profiler.ScriptCoverage[];

export class BlockCoverage {
  readonly #session = new Session();
  readonly #wanted: RegExp;
  readonly #scripts = new Map<string, Script>();
  #ids = 0;
  #reached = 0;

  /** `wanted` tells the scripts by URL. */
  constructor(wanted: RegExp) {
    this.#wanted = wanted;
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Characters that have run. */
  get reached(): number {
    return this.#reached;
  }

  /** Characters of the scripts that have been imported. */
  get total(): number {
    return [...this.#scripts.values()].reduce((sum, s) => sum + s.ran.length, 0);
  }

  /** What ran since the last take. */
  take(): Reached {
    let found: Reached = [];
    this.#session.post("Profiler.takePreciseCoverage", (error, taken) => {
      if (error !== null) throw error;
      found = taken.result.filter((s) => this.#wanted.test(s.url));
    });
    return found;
  }

  /** Whether it holds anything that was not there before: cheap, and may be wrong in saying yes. */
  isNew(reached: Reached): boolean {
    return reached.some(({ url, functions }) => {
      const known = this.#scripts.get(url)?.functions;
      return functions.some((f) => ranAtAll(f) && known?.get(keyOf(f))?.patterns.has(patternOf(f)) !== true);
    });
  }

  /** Adds it to what has run. Returns how many characters are new. */
  add(reached: Reached): number {
    const before = this.#reached;
    for (const script of reached) this.#addScript(script);
    return this.#reached - before;
  }

  stop(): void {
    this.#session.disconnect();
  }

  #addScript({ url, functions }: Profiler.ScriptCoverage): void {
    const script = this.#scriptOf(url, functions);
    // Outer functions first, so that inner ones take their part from them.
    const ordered = functions.toSorted((a, b) => startOf(a) - startOf(b) || endOf(b) - endOf(a));
    for (const f of ordered) {
      if (script.functions.has(keyOf(f))) continue;
      const id = this.#ids++;
      script.functions.set(keyOf(f), { id, patterns: new Set() });
      script.owner.fill(id, startOf(f), endOf(f));
      // Until now these counted for the function around.
      for (let i = startOf(f); i < endOf(f); i++) this.#reached -= script.ran[i] ?? 0;
      script.ran.fill(0, startOf(f), endOf(f));
    }
    for (const f of ordered) {
      const state = script.functions.get(keyOf(f));
      const pattern = patternOf(f);
      if (state === undefined || !ranAtAll(f) || state.patterns.has(pattern)) continue;
      state.patterns.add(pattern);
      this.#paint(script, f, state.id);
    }
  }

  #scriptOf(url: string, functions: readonly Profiler.FunctionCoverage[]): Script {
    let script = this.#scripts.get(url);
    const length = functions.reduce((most, f) => Math.max(most, endOf(f)), 0);
    if (script === undefined || script.owner.length < length) {
      const owner = new Int32Array(length).fill(-1);
      const ran = new Uint8Array(length);
      owner.set(script?.owner ?? []);
      ran.set(script?.ran ?? []);
      script = { owner, ran, functions: script?.functions ?? new Map() };
      this.#scripts.set(url, script);
    }
    return script;
  }

  /** Ranges are nested and outer ones come first: the last range that has a character says whether it ran. */
  #paint(script: Script, f: Profiler.FunctionCoverage, id: number): void {
    const from = startOf(f);
    const isRun = new Uint8Array(endOf(f) - from);
    for (const { startOffset, endOffset, count } of f.ranges)
      isRun.fill(count > 0 ? 1 : 0, startOffset - from, endOffset - from);
    for (const [i, run] of isRun.entries()) {
      if (run === 0 || script.owner[from + i] !== id || script.ran[from + i] === 1) continue;
      script.ran[from + i] = 1;
      this.#reached++;
    }
  }
}

function startOf(f: Profiler.FunctionCoverage): number {
  return f.ranges[0]?.startOffset ?? 0;
}

function endOf(f: Profiler.FunctionCoverage): number {
  return f.ranges[0]?.endOffset ?? 0;
}

function ranAtAll(f: Profiler.FunctionCoverage): boolean {
  return (f.ranges[0]?.count ?? 0) > 0;
}

function keyOf(f: Profiler.FunctionCoverage): string {
  return `${startOf(f)}:${endOf(f)}`;
}

/** The function's blocks that did not run. */
function patternOf(f: Profiler.FunctionCoverage): string {
  return f.ranges.map((r) => (r.count === 0 ? `${r.startOffset}-${r.endOffset}` : r.startOffset)).join();
}

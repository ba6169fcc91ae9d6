// The benchmark: kernels and whole models, here and in the peers, side by side in one process. --help lists the options.
// A row whose result differs from the peers' does not count, and makes the exit code 1. The last lines, one per peer:
// `bench <target> vs <peer>: geometric mean R, worst R (name), N rows`, where R is the peer's time divided by ours.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import type { Tier } from "../../compiler/plan/plan.js";
import { count, patternOf, positive, readCommandLine, tierOf } from "../support/command-line.js";
import { largestError } from "./agree.js";
import { type Ceilings, ceilingsText, floorMs, higher, type TypedWork } from "./ceilings.js";
import type { Engine, Prepared } from "./engine.js";
import { fileRow } from "./file-row.js";
import { firstLine } from "./first-line.js";
import { type Budget, measure, pairedRatio } from "./measure.js";
import { openPeers } from "./peers.js";
import { type Platform, platformOf } from "./platform.js";
import { type PsionicEngine, type PsionicPrepared, psionic } from "./psionic.js";
import { comparison, header, type Results, type RowResult, rowLine, type SizeResult, summaries } from "./report.js";
import { arithmeticOf, type Row } from "./row.js";
import { ROWS } from "./rows.js";
import { startNames, startRows } from "./start-row.js";

const MIB = 2 ** 20;

interface Bench {
  readonly platform: Platform;
  readonly tier: Tier;
  readonly threads: number;
  readonly budget: Budget;
  readonly ours: PsionicEngine;
  /** Ours, on one thread. */
  readonly single: PsionicEngine;
  /** The main peer first. */
  readonly peers: readonly Engine[];
  /** The highest seen so far: the machine is not equally busy all the time. */
  ceilings: Ceilings;
  readonly probe: () => Ceilings;
}

function rowOf(bench: Bench, row: Row): Omit<RowResult, keyof typeof unmeasured | "invalid"> {
  const { name, dtype, shape } = row;
  return {
    name,
    kind: "warm",
    backend: bench.platform.name,
    tier: bench.tier,
    dtype,
    shape,
    threads: bench.threads,
    cache: "hot",
    rate: "",
    ofCeiling: null,
    error: null,
  };
}

const unmeasured = {
  ms: Number.NaN,
  quartiles: [0, 0],
  rounds: 0,
  coldMs: null,
  peers: [],
  gain: null,
  leftOut: [],
} as const;

async function warmRow(bench: Bench, row: Row): Promise<RowResult> {
  const base = rowOf(bench, row);
  const model = row.model();
  const opened: Prepared[] = [];
  try {
    let ours: PsionicPrepared;
    try {
      ours = await bench.ours.prepare(row, model);
      opened.push(ours);
      await ours.outputs();
    } catch (e) {
      return { ...base, ...unmeasured, invalid: firstLine(e) };
    }
    const { peers, right, leftOut } = await openPeers(bench.peers, row, model);
    opened.push(...peers.map((p) => p.prepared));
    bench.ceilings = higher(bench.ceilings, bench.probe());
    if (bench.threads > 1) opened.push(await bench.single.prepare(row, model));
    const [mine, ...others] = await measure(opened, bench.budget);
    const alone = others[peers.length];
    if (mine === undefined) throw new Error("nothing was measured");
    const error = right === null ? null : largestError(await ours.outputs(), right);
    const { flops, bytes } = { flops: row.flops ?? ours.work.flops, bytes: row.bytes ?? ours.work.bytes };
    const isWrong = error !== null && !(error <= row.tolerance);
    return {
      ...base,
      ms: mine.ms,
      quartiles: mine.quartiles,
      rounds: mine.rounds,
      coldMs: mine.coldMs,
      peers: peers.flatMap(({ name }, i) => {
        const their = others[i];
        return their === undefined
          ? []
          : [{ name, ms: their.ms, coldMs: their.coldMs, ratio: pairedRatio(mine, their) }];
      }),
      rate:
        row.words === undefined
          ? rateText({ flops, bytes, arithmetic: arithmeticOf(row) }, mine.ms)
          : wordsText(row.words, mine.ms),
      gain: alone === undefined ? null : pairedRatio(mine, alone),
      ofCeiling:
        floorMs(bench.ceilings, bench.tier, { flops, bytes, arithmetic: arithmeticOf(row) }) / bench.threads / mine.ms,
      error,
      invalid: isWrong ? "WRONG RESULT" : peers.length === 0 && row.alone !== true ? leftOut.join("; ") : "",
      leftOut,
    };
  } finally {
    for (const p of opened) await p.release();
  }
}

function wordsText(words: number, ms: number): string {
  return `${((1000 * words) / ms).toFixed(0)} words/s`;
}

/** GFLOP/s, or GOP/s of integers, where the work is arithmetic, else GB/s. */
function rateText({ flops, bytes, arithmetic }: TypedWork, ms: number): string {
  const unit = arithmetic === "integers" ? "GOP/s" : "GFLOP/s";
  return flops > bytes / 2 ? `${(flops / ms / 1e6).toFixed(1)} ${unit}` : `${(bytes / ms / 1e6).toFixed(1)} GB/s`;
}

function sizeLine(s: SizeResult): string {
  const mib = (n: number): string => `${(n / MIB).toFixed(n < MIB ? 3 : 1)} MiB`;
  const peers = s.peers.map((p) => `${p.name} ${mib(p.bytes)} (${(p.bytes / s.bytes).toFixed(1)}x)`);
  return `${s.name.padEnd(38)} ${mib(s.bytes).padStart(10)}   ${peers.join("   ")}`;
}

const USAGE = `Usage: node dist/tests/benchmarks/run.js [options]

Times kernels and whole models here and in the peers, side by side.

  --target wasm|native     what our side is compiled to (default: wasm)
  --cpu <level>            of native code (default: the best that this CPU has)
  --tier strict|relaxed    our side's (default: strict)
  --threads <n>            of every engine (default: 1)
  --only <pattern>         rows whose names match this regular expression, in any case
  --list                   print the rows' names, and end
  --model <file.onnx>      a model of your own, also from process start, instead of the rows
  --dim <name=size>        the size of a dynamic dimension of it; repeatable
  --tolerance <n>          greatest error of its outputs, relative to the largest magnitude (default: 1e-3)
  --seconds <n>            for each engine of a row (default: 1)
  --copy                   our outputs are copied, as the peers' are
  --json <file>            write the results
  --compare <file>         compare with results written before`;

function resultsOf(path: string): Results {
  const text = readFileSync(path, "utf8");
  try {
    return JSON.parse(text) as Results;
  } catch (error) {
    throw new Error(`--compare ${path}: want results that --json wrote`, { cause: error });
  }
}

function settings() {
  const { values } = parseArgs({
    options: {
      target: { type: "string", default: "wasm" },
      cpu: { type: "string" },
      tier: { type: "string", default: "strict" },
      threads: { type: "string", default: "1" },
      only: { type: "string", default: "" },
      model: { type: "string" },
      dim: { type: "string", multiple: true, default: [] },
      tolerance: { type: "string", default: "1e-3" },
      seconds: { type: "string", default: "1" },
      json: { type: "string" },
      compare: { type: "string" },
      copy: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  const platform = platformOf(values.target, values.cpu);
  const only = patternOf(values.only);
  const own =
    values.model === undefined
      ? null
      : [fileRow({ path: values.model, dims: values.dim, tolerance: positive("tolerance", values.tolerance) })];
  const warm = (own ?? ROWS).filter((r) => only.test(r.name));
  const started = (own ?? ROWS).filter((r) => r.whole === true);
  const starts = started.flatMap((r) => startNames(r, platform)).filter((name) => only.test(name));
  if (warm.length + starts.length === 0)
    throw new Error(`--only ${values.only}: no row has such a name; --list has all`);
  return {
    platform,
    tier: tierOf(values.tier),
    threads: count("threads", values.threads),
    seconds: positive("seconds", values.seconds),
    only,
    warm,
    started,
    starts,
    before: values.compare === undefined ? null : resultsOf(values.compare),
    copy: values.copy,
    json: values.json,
    isList: values.list,
  };
}

async function main(): Promise<number> {
  const { platform, tier, threads, seconds, only, warm, started, starts, before, copy, json, isList } = readCommandLine(
    USAGE,
    settings,
  );
  if (isList) {
    for (const name of [...warm.map((r) => r.name), ...starts]) console.log(name);
    return 0;
  }
  const probe = await platform.probe();
  const peers = await platform.peers(threads, warm);
  const bench: Bench = {
    platform,
    tier,
    threads,
    budget: { seconds, minRounds: 9, maxRounds: 300, pause: threads > 1 ? 20 : 0 },
    ours: psionic({ platform, tier, copy, threads }),
    single: psionic({ platform, tier, copy, threads: 1 }),
    peers,
    ceilings: higher(probe(), probe()),
    probe,
  };
  const cpu = cpus()[0]?.model ?? "unknown";
  console.log(`psionic ${platform.text} ${tier} on Node ${process.versions.node} (V8 ${process.versions.v8}), ${cpu}`);
  console.log(
    `${threads} thread${threads === 1 ? "" : "s"} each; ${copy ? "outputs copied" : "our outputs read in place"}; warm, inputs hot; ${peers.map((p) => `"${p.column}"`).join(" and ")}: peer's time / ours`,
  );
  console.log(ceilingsText(bench.ceilings));
  console.log(`\n${header(peers)}`);
  const rows: RowResult[] = [];
  const sizes: SizeResult[] = [];
  const show = (r: RowResult): void => {
    rows.push(r);
    console.log(rowLine(r, peers));
  };
  for (const row of warm) show(await warmRow(bench, row));
  for (const row of started)
    for (const found of await startRows(row, { platform, tier, engines: peers, only })) {
      show(found.result);
      sizes.push(...found.sizes);
    }
  console.log(`\n${ceilingsText(bench.ceilings)}`);
  if (sizes.length > 0) console.log(`\n${sizes.map(sizeLine).join("\n")}`);
  const { node, v8 } = process.versions;
  const results: Results = {
    target: platform.name,
    code: platform.text,
    tier,
    node,
    v8,
    cpu,
    ceilings: bench.ceilings,
    rows,
    sizes,
  };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 1)}\n`);
  if (before !== null) console.log(`\n${comparison(before, results).join("\n")}`);
  console.log(`\n${summaries(platform.name, rows, peers.map((p) => p.name).toReversed()).join("\n")}`);
  return rows.some((r) => r.invalid === "WRONG RESULT") ? 1 : 0;
}

process.exitCode = await main();

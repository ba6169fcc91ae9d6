// Where the time of a row goes: every step of the plan timed on its own, the best of many runs, against what its arithmetic and
// its bytes cost at the machine's ceilings.
// --help lists the options.

import { parseArgs } from "node:util";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { DTYPES } from "../../compiler/ir/dtype.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { runPasses } from "../../compiler/passes/run.js";
import { compile } from "../../compiler/pipeline.js";
import { kernelsOf } from "../../compiler/plan/make-plan.js";
import type { DimJson, EntryPlan, Plan, StepPlan, Tier } from "../../compiler/plan/plan.js";
import { schedule } from "../../compiler/schedule/build.js";
import { passOptionsOf } from "../../targets/targets.js";
import { count, patternOf, readCommandLine, tierOf } from "../support/command-line.js";
import { type Ceilings, ceilingsText, floorMs, higher } from "./ceilings.js";
import { fileRow } from "./file-row.js";
import { type Platform, platformOf } from "./platform.js";
import type { Arithmetic, Row } from "./row.js";
import { ROWS } from "./rows.js";
import { flopsOf } from "./work.js";

interface StepTime {
  readonly name: string;
  readonly template: string;
  readonly shapes: string;
  readonly ms: number;
  readonly floor: number;
  readonly flops: number;
  readonly bytes: number;
  readonly choices: string;
}

interface Product {
  readonly flops: number;
  readonly arithmetic: Arithmetic;
}

/** Of each kernel's product or convolution, by the kernel's name. */
function productsOf(
  graph: Graph,
  builder: Builder,
  tier: Tier,
  { target = "wasm", cpus }: Platform["options"],
): ReadonlyMap<string, Product> {
  // The same passes over the same interned nodes give the kernels that compile() made.
  const { steps } = schedule(runPasses(builder, graph, { tier, ...passOptionsOf(target, tier, cpus) }).graph);
  return new Map(
    kernelsOf(steps).map(({ name, anchor }) => {
      const { dtype } = anchor.inputs[0]?.type ?? { dtype: "f32" };
      const arithmetic = DTYPES[dtype].kind !== "float" ? "integers" : dtype === "bf16" ? "bf16" : "f32";
      return [name, { flops: flopsOf(anchor), arithmetic }];
    }),
  );
}

function sizeText(shape: readonly DimJson[]): string {
  return shape.map((d) => (typeof d === "number" ? d : "?")).join("x");
}

/** Bytes that a step reads and writes, and its shapes. */
function traffic(plan: Plan, entry: EntryPlan, step: StepPlan): { readonly bytes: number; readonly shapes: string } {
  if (step.kind !== "call") return { bytes: 0, shapes: step.kind };
  const sizes = new Map<string, { readonly bytes: number; readonly shape: readonly DimJson[] }>();
  for (const list of [plan.constants, plan.states, entry.buffers]) for (const b of list) sizes.set(b.name, b);
  const total = [...step.reads, ...step.writes].reduce((sum, name) => sum + (sizes.get(name)?.bytes ?? 0), 0);
  const text = (names: readonly string[]): string => names.map((n) => sizeText(sizes.get(n)?.shape ?? [])).join(" ");
  return { bytes: total, shapes: `${text(step.reads)} -> ${text(step.writes)}` };
}

interface ProfileOptions {
  readonly platform: Platform;
  readonly tier: Tier;
  readonly runs: number;
  readonly limits: Ceilings;
}

async function profile(row: Row, { platform, tier, runs, limits }: ProfileOptions): Promise<StepTime[]> {
  const builder = new Builder();
  const dims = row.dims === undefined ? {} : { dims: row.dims };
  const { graph } = importOnnx(row.model(), { builder, name: "bench", ...dims });
  const { bundle, plan } = compile({ graph, builder }, { ...platform.options, tier });
  const model = await platform.load(bundle, 1);
  const known = Object.entries(row.inputs()).filter(([name]) => model.inputs.some((p) => p.name === name));
  const feeds = Object.fromEntries(known.map(([name, { data, shape }]) => [name, { data, shape }]));
  const [entry] = plan.entries;
  if (entry === undefined) throw new Error("the plan has no entry");
  for (const start = performance.now(); performance.now() - start < 1000; ) model.runSync(feeds, { copy: false });
  const times: number[][] = entry.steps.map(() => []);
  for (let run = 0; run < runs; run++) {
    let last = performance.now();
    model.runSteps(
      feeds,
      (step) => {
        const now = performance.now();
        times[step]?.push(now - last);
        last = performance.now();
      },
      { copy: false },
    );
  }
  model.dispose();
  const products = productsOf(graph, builder, tier, platform.options);
  const templateOf = (s: StepPlan): string => (s.kind === "call" ? (plan.kernels[s.kernel]?.template ?? "") : s.kind);
  return entry.steps.map((step, i) => {
    const { bytes, shapes } = traffic(plan, entry, step);
    const choices = step.kind === "call" ? JSON.stringify(plan.kernels[step.kernel]?.choices ?? {}) : "";
    const name = step.kind === "call" ? step.name : step.kind;
    const { flops, arithmetic } = products.get(name) ?? { flops: 0, arithmetic: "f32" };
    const floor = floorMs(limits, tier, { flops, bytes, arithmetic });
    return {
      name,
      template: templateOf(step),
      shapes,
      ms: Math.min(...(times[i] ?? [])),
      floor,
      flops,
      bytes,
      choices,
    };
  });
}

function report(steps: readonly StepTime[], top: number): string[] {
  const total = steps.reduce((sum, s) => sum + s.ms, 0);
  const lines: string[] = [];
  const byTemplate = new Map<string, { count: number; ms: number; floor: number }>();
  for (const s of steps) {
    const t = byTemplate.get(s.template) ?? { count: 0, ms: 0, floor: 0 };
    byTemplate.set(s.template, { count: t.count + 1, ms: t.ms + s.ms, floor: t.floor + s.floor });
  }
  for (const [name, t] of [...byTemplate].toSorted((a, b) => b[1].ms - a[1].ms))
    lines.push(
      `  ${name.padEnd(20)} ${String(t.count).padStart(4)} steps ${t.ms.toFixed(3).padStart(9)} ms ${((100 * t.ms) / total).toFixed(1).padStart(5)}%   floor ${t.floor.toFixed(3)} ms (${((100 * t.floor) / t.ms).toFixed(0)}%)`,
    );
  lines.push("  by what they lose against the floor:");
  for (const s of steps.toSorted((a, b) => b.ms - b.floor - (a.ms - a.floor)).slice(0, top)) {
    const rate =
      s.flops > 0 ? `${(s.flops / s.ms / 1e6).toFixed(1)} GFLOP/s` : `${(s.bytes / s.ms / 1e6).toFixed(1)} GB/s`;
    lines.push(
      `  ${s.ms.toFixed(3).padStart(9)} ms ${((100 * s.ms) / total).toFixed(1).padStart(5)}%  floor ${((100 * s.floor) / s.ms).toFixed(0).padStart(3)}%  ${rate.padStart(13)}  ${s.name}  ${s.shapes}  ${s.choices}`,
    );
  }
  return lines;
}

const USAGE = `Usage: node dist/tests/benchmarks/profile.js [options]

Times every step of the benchmark's rows on its own.

  --only <pattern>         rows whose names match this regular expression, in any case (default: PP-OCR)
  --model <file.onnx>      a model of your own instead of the rows
  --dim <name=size>        the size of a dynamic dimension of it; repeatable
  --target wasm|native     what is timed (default: wasm)
  --cpu <level>            of native code (default: the best that this CPU has)
  --tier strict|relaxed    (default: strict)
  --top <n>                so many steps that lose the most (default: 12)
  --runs <n>               the best of so many runs (default: 15)`;

function settings() {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      model: { type: "string" },
      dim: { type: "string", multiple: true, default: [] },
      target: { type: "string", default: "wasm" },
      cpu: { type: "string" },
      tier: { type: "string", default: "strict" },
      top: { type: "string", default: "12" },
      runs: { type: "string", default: "15" },
    },
  });
  const only = patternOf(values.only ?? (values.model === undefined ? "PP-OCR" : ""));
  const rows = values.model === undefined ? ROWS : [fileRow({ path: values.model, dims: values.dim, tolerance: 0 })];
  const found = rows.filter((r) => only.test(r.name));
  if (found.length === 0) throw new Error(`--only ${only.source}: no row has such a name; run.js --list has all`);
  return {
    platform: platformOf(values.target, values.cpu),
    tier: tierOf(values.tier),
    top: count("top", values.top),
    runs: count("runs", values.runs),
    rows: found,
  };
}

async function main(): Promise<void> {
  const { platform, tier, top, runs, rows } = readCommandLine(USAGE, settings);
  const probe = await platform.probe();
  let limits = probe();
  for (const row of rows) {
    limits = higher(limits, probe());
    const steps = await profile(row, { platform, tier, runs, limits });
    const total = steps.reduce((sum, s) => sum + s.ms, 0);
    const floor = steps.reduce((sum, s) => sum + s.floor, 0);
    console.log(
      `${row.name}, ${platform.text} ${tier}: ${steps.length} steps, ${total.toFixed(3)} ms, the steps' floors ${floor.toFixed(3)} ms`,
    );
    console.log(report(steps, top).join("\n"));
  }
  console.log(ceilingsText(limits));
}

await main();

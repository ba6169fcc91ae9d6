// How far results are from exact ones, tier by tier: every model is run in f32 and, for reference, with f64 in place of
// f32, on the same inputs. --help lists the options.
// Prints the greatest difference of an output's element, relative to the output's largest magnitude, and fails where a
// tier's is above what targets/wasm/exactness.ts states. A tier that this engine or CPU has no instructions for is left out.

import { parseArgs } from "node:util";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import type { Tier } from "../../compiler/plan/plan.js";
import type { AnyModel, Model } from "../../runtime-shim/index.js";
import { MEASURED_ERROR } from "../../targets/wasm/exactness.js";
import { patternOf, readCommandLine } from "../support/command-line.js";
import { inF64 } from "../support/in-f64.js";
import { ARCHITECTURE_ROWS } from "./architectures.js";
import { MODELS } from "./models.js";
import { type Platform, platformOf } from "./platform.js";
import type { Row } from "./row.js";

type Arrays = Readonly<Record<string, Float64Array>>;

/** Outputs as f64; what is no float is left out. */
function run(model: Model<AnyModel>, row: Row): Arrays {
  const feeds = Object.entries(row.inputs()).flatMap(([name, { data, shape }]) => {
    const port = model.inputs.find((p) => p.name === name);
    if (port === undefined) return [];
    const given = port.dtype === "f64" && data instanceof Float32Array ? Float64Array.from(data) : data;
    return [[name, { data: given, shape }] as const];
  });
  const outputs = Object.entries(model.runSync(Object.fromEntries(feeds)));
  return Object.fromEntries(
    outputs.flatMap(([name, { dtype, data }]) =>
      dtype === "f32" || dtype === "f64" ? [[name, Float64Array.from(data as Float32Array)]] : [],
    ),
  );
}

function errorOf(have: Arrays, want: Arrays): number {
  return Math.max(
    ...Object.entries(want).map(([name, exact]) => {
      const values = have[name] ?? [];
      const largest = exact.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
      return exact.reduce((m, x, i) => Math.max(m, Math.abs(x - (values[i] ?? Number.NaN))), 0) / largest;
    }),
  );
}

/** The model's result: in f64, or in f32 in a tier. */
async function resultOf(row: Row, tier: Tier | "exact", platform: Platform): Promise<Arrays> {
  const builder = new Builder();
  const dims = row.dims === undefined ? {} : { dims: row.dims };
  const { graph } = importOnnx(row.model(), { builder, name: "exactness", ...dims });
  const compiled =
    tier === "exact"
      ? compile({ graph: inF64(builder, graph), builder }, platform.options)
      : compile({ graph, builder }, { ...platform.options, tier });
  const model = await platform.load(compiled.bundle, 1);
  try {
    return run(model, row);
  } finally {
    model.dispose();
  }
}

/**
 * Integer networks round on purpose, and YOLO ends in a choice of boxes: a result in f64 may round and choose otherwise.
 */
function isSmooth(row: Row): boolean {
  return row.dtype === "f32" && !row.name.startsWith("YOLO");
}

const USAGE = `Usage: node dist/tests/benchmarks/exactness.js [options]

Measures how far the networks' results are from exact ones.

  --target wasm|native     what is measured (default: wasm)
  --cpu <level>            of native code (default: the best that this CPU has)
  --only <pattern>         networks whose names match this regular expression, in any case`;

function settings() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      target: { type: "string", default: "wasm" },
      cpu: { type: "string" },
    },
  });
  const only = patternOf(values.only);
  const rows = [...MODELS, ...ARCHITECTURE_ROWS].filter((r) => isSmooth(r) && only.test(r.name));
  if (rows.length === 0) throw new Error(`--only ${values.only}: no network has such a name`);
  return { platform: platformOf(values.target, values.cpu), rows };
}

async function main(): Promise<number> {
  const { platform, rows } = readCommandLine(USAGE, settings);
  const tiers = (["strict", "relaxed"] as const).filter((t) => t === "strict" || platform.fuses);
  const worst = new Map<Tier, number>();
  for (const row of rows) {
    const exact = await resultOf(row, "exact", platform);
    const errors: string[] = [];
    for (const tier of tiers) {
      const error = errorOf(await resultOf(row, tier, platform), exact);
      worst.set(tier, Math.max(worst.get(tier) ?? 0, error));
      errors.push(`${tier} ${error.toExponential(1)}`);
    }
    console.log(`${row.name.padEnd(30)} ${errors.join("  ")}`);
  }
  let isWithin = true;
  for (const [tier, error] of worst) {
    const stated = MEASURED_ERROR[tier];
    console.log(`${tier}: at most ${error.toExponential(1)}, stated ${stated.toExponential(1)}`);
    isWithin &&= error <= stated;
  }
  return isWithin ? 0 : 1;
}

process.exitCode = await main();

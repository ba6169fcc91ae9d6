// `psionic bench`: how long a bundle takes to load and to run here, and what memory it takes. Inputs that are not given
// are made up from the signature.

import type { Command } from "commander";
import type { AnyModel, Feed, Model } from "../../../runtime-shim/index.js";
import type { Context } from "../context.js";
import { CliError, type ExitCode, usage } from "../failures.js";
import { declareVariant, parseVariant, type VariantOptions } from "../variant.js";
import { type Leaf, repeated } from "../verb.js";
import { INPUT_HELP } from "./run.js";

interface Options extends VariantOptions {
  readonly input?: readonly string[];
  readonly dim?: readonly string[];
  readonly entry?: string;
  readonly repeat?: string;
  readonly json?: boolean;
}

interface Measured {
  readonly digest: string;
  readonly tier: string;
  readonly target: string;
  /** What the module that ran needs of the engine or the CPU. */
  readonly features: readonly string[];
  readonly entry: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly threads: number;
  readonly milliseconds: {
    readonly load: number;
    readonly first: number;
    readonly fastest: number;
    readonly median: number;
    readonly p95: number;
  };
  readonly runs: number;
  readonly bytes: { readonly bundle: number; readonly memory: number; readonly peak: number };
}

/** Without --repeat: as many runs as fit, within bounds. */
const SECONDS = 2;
const LEAST_RUNS = 10;
const MOST_RUNS = 10_000;
/** V8 compiles hot code in the background; the runs before this much time has gone do not count. */
const WARM_MS = 300;
const LOADS = 5;

export const benchVerb: Leaf = {
  name: "bench",
  summary: "time a bundle: load, first run, warm runs, memory",
  examples: [
    ["psionic bench rec.psn", "on made-up inputs of the greatest sizes, for about two seconds"],
    ["psionic bench rec.psn --dim batch=1", "at another size"],
    ["psionic bench rec.psn --input x=@picture.npy --repeat 100", "on a given input, 100 warm runs"],
    ["psionic bench vad.psn --input sr=16000 --json", "the figures as JSON; inputs not given are made up"],
  ],
  declare(command: Command): void {
    declareVariant(command);
    command
      .argument("<model.psn>", "the bundle")
      .option("-i, --input <value>", `${INPUT_HELP}; others are made up: floats in [-1, 1), zeros elsewhere`, repeated)
      .option(
        "--dim <name=size>",
        "value of a symbol of the signature, for made-up inputs (default: its greatest); repeatable",
        repeated,
      )
      .option("--entry <name>", "the entry point (default: the first)")
      .option("--repeat <n>", "warm runs to time (default: as many as take two seconds)")
      .option("--json", "the figures as JSON on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const options = command.opts<Options>();
    const repeat = options.repeat === undefined ? null : parseRepeat(options.repeat);
    const [{ openerOf }, { chooseEntry }, { feedFrom }, { readBytes, statOf }, { openBundle }] = await Promise.all([
      import("../open-model.js"),
      import("../feeds.js"),
      import("../io/feed.js"),
      import("../io/files.js"),
      import("../../../codegen/bundle/read.js"),
    ]);
    const wanted = parseVariant(options);
    const open = await openerOf(path);
    const loads: number[] = [];
    let model: Model<AnyModel> | undefined;
    for (let i = 0; i < LOADS; i++) {
      model?.dispose();
      const start = performance.now();
      model = await open(wanted);
      loads.push(performance.now() - start);
    }
    if (model === undefined) throw usage("nothing was loaded");
    const entry = chooseEntry(model, options.entry);
    const { manifest } = openBundle(readBytes(path, "bundle"));
    const { completeInputs, parseSizes } = await import("../made-inputs.js");
    const sizes = parseSizes(options.dim ?? [], "--dim");
    const inputs = await completeInputs(options.input ?? [], entry, manifest, sizes);
    const feeds = Object.fromEntries([...inputs].map(([name, t]) => [name, feedFrom(t)]));
    const times = timeRuns(model, entry.name, feeds, repeat);
    const measured: Measured = {
      digest: model.digest,
      tier: model.variant.tier,
      target: model.target,
      features: model.variant.features,
      entry: entry.name,
      inputs: Object.fromEntries([...inputs].map(([name, t]) => [name, `${t.dtype}[${t.shape.join(", ")}]`])),
      threads: model.variant.threads,
      milliseconds: {
        load: at(loads, 0.5),
        first: times.first,
        fastest: at(times.warm, 0),
        median: at(times.warm, 0.5),
        p95: at(times.warm, 0.95),
      },
      runs: times.warm.length,
      bytes: {
        bundle: statOf(path)?.size ?? 0,
        memory: manifest.memory.bytes,
        peak: process.resourceUsage().maxRSS * 1024,
      },
    };
    await print(cx, measured);
    return 0;
  },
};

function parseRepeat(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < 1 || n > 1e9) throw usage(`--repeat ${text}: want a whole number from 1`);
  return n;
}

function firstOf(once: () => number): number {
  try {
    return once();
  } catch (error) {
    throw withHint(error);
  }
}

/** Zeros and floats in [-1, 1) are not what every model can run on. */
function withHint(error: unknown): unknown {
  if (!(error instanceof Error && error.name === "RunError" && "code" in error)) return error;
  const hint = "inputs that are not given are made up: give those that the model is particular about, --input sr=16000";
  return new CliError(String(error.code), 1, error.message, hint);
}

interface Times {
  readonly first: number;
  readonly warm: readonly number[];
}

/** States go on from run to run. */
function timeRuns(
  model: Model<AnyModel>,
  entry: string,
  feeds: Readonly<Record<string, Feed>>,
  repeat: number | null,
): Times {
  const once = (): number => {
    const start = performance.now();
    model.runSync(feeds, { entry, copy: false });
    return performance.now() - start;
  };
  const first = firstOf(once);
  const begin = performance.now();
  do once();
  while (performance.now() - begin < WARM_MS);
  const warm: number[] = [];
  const until = performance.now() + SECONDS * 1000;
  const isDone = (): boolean =>
    repeat !== null
      ? warm.length >= repeat
      : warm.length >= MOST_RUNS || (warm.length >= LEAST_RUNS && performance.now() > until);
  while (!isDone()) warm.push(once());
  return { first, warm };
}

function at(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? Number.NaN;
}

async function print(cx: Context, m: Measured): Promise<void> {
  const { bytesText, counted } = await import("../style.js");
  const ms = (n: number): string => `${n < 1 ? n.toFixed(4) : n.toFixed(2)} ms`;
  const { milliseconds: t, bytes } = m;
  cx.document(m);
  cx.print(
    `${cx.style.bold(m.entry)} on ${m.target}, ${m.tier}, ${counted(m.threads, "thread")}, plan ${m.digest.slice(0, 16)}`,
  );
  for (const [name, type] of Object.entries(m.inputs)) cx.print(`  input ${name}: ${type}`);
  cx.print(`module   ${m.features.join(", ") || "needs nothing"}`);
  cx.print(`load     ${ms(t.load)} (median of ${LOADS}; ${bytesText(bytes.bundle)}, every digest recomputed)`);
  cx.print(`first    ${ms(t.first)}`);
  cx.print(`warm     ${ms(t.median)} (median of ${m.runs}; fastest ${ms(t.fastest)}, 95% within ${ms(t.p95)})`);
  cx.print(`memory   ${bytesText(bytes.memory)} for the model; the process peaked at ${bytesText(bytes.peak)}`);
}

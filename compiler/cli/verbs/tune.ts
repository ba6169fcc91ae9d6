// `psionic tune`: searches schedules by measuring on this machine, and writes what won to a tuning file; --check says
// whether a file still fits its model, and measures nothing.

import { basename, dirname, extname, join } from "node:path";
import { type Command, Option } from "commander";
import type { AnyModel, Model } from "../../../runtime-shim/index.js";
import type { TuningEntry, TuningLock } from "../../schedule/tuning.js";
import type { Context } from "../context.js";
import { type ExitCode, usage } from "../failures.js";
import type { ImportOptions } from "../import-file.js";
import { checkWritable, readBytes, statOf, writeFiles } from "../io/files.js";
import { counted } from "../style.js";
import type { Feeds } from "../tune/race.js";
import type { Found } from "../tune/search.js";
import { readLock } from "../tuning-file.js";
import { type Leaf, repeated } from "../verb.js";
import { INPUT_HELP } from "./run.js";

interface Options extends ImportOptions {
  readonly target: "wasm";
  readonly tier: "strict" | "relaxed";
  readonly input?: readonly string[];
  readonly at?: readonly string[];
  readonly seconds: string;
  readonly output?: string;
  readonly check?: boolean;
  readonly json?: boolean;
}

export const tuneVerb: Leaf = {
  name: "tune",
  summary: "search schedules by measuring here, and store what won for compile --tuning",
  examples: [
    ["psionic tune rec.onnx --dim width=320", "writes tuning.lock beside the model"],
    ["psionic tune rec.onnx --dim width=32..960 --at width=320 --seconds 300", "measured at one size of a range"],
    ["psionic tune rec.onnx --dim width=320 --check", "whether tuning.lock fits the model as it is now"],
  ],
  declare(command: Command): void {
    command
      .argument("<model.onnx>", "the model")
      .addOption(new Option("--target <name>", "as for compile").choices(["wasm"]).default("wasm"))
      .addOption(new Option("--tier <name>", "as for compile").choices(["strict", "relaxed"]).default("strict"))
      .option("--dim <name=size>", "as for compile; repeatable", repeated)
      .option("--state <input=output>", "as for compile; repeatable", repeated)
      .option("--bound <n>", "as for compile")
      .option(
        "--at <name=size>",
        "size of a ranged dimension to measure at (default: its greatest); repeatable",
        repeated,
      )
      .option("-i, --input <value>", `${INPUT_HELP}; others are made up`, repeated)
      .option("--seconds <n>", "time that the search may take; Ctrl-C ends it early and keeps what was found", "120")
      .option("-o, --output <file>", "the tuning file (default: tuning.lock beside the model)")
      .option("--check", "measure nothing: list the file's entries that fit no kernel of the model")
      .option("--json", "what was found, as JSON on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const options = command.opts<Options>();
    const seconds = parseSeconds(options.seconds);
    const file = options.output ?? join(dirname(path), "tuning.lock");
    const { importer } = await import("../import-file.js");
    const { load } = await importer(options);
    const bytes = readBytes(path, "model");
    if (options.check !== true) checkWritable(file);
    const existing = options.check === true || statOf(file) !== undefined ? await readLock(file) : { entries: [] };
    const source = (await load())(path, bytes, basename(path, extname(path)));
    if (options.check === true) return check(source, existing, file, options, cx);
    const [{ search }, { machineClass }, { writeTuning }] = await Promise.all([
      import("../tune/search.js"),
      import("../tune/machine.js"),
      import("../tune/write.js"),
    ]);
    const machine = machineClass(options.target);
    const stop = stopOnInterrupt(cx);
    const found = await search({
      source,
      tier: options.tier,
      machine,
      feeds: (model, bundle) => feedsFor(model, bundle, options),
      seconds,
      isStopped: () => stop.isStopped,
      onProgress: (text) => cx.note(text),
    }).finally(stop.release);
    const written = writeTuning(existing, found, machine, options.tier);
    writeFiles([{ path: file, bytes: written }]);
    print(cx, found, file, machine, stop.isStopped);
    return 0;
  },
};

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds <= 0 || seconds > 1e6)
    throw usage(`--seconds ${text}: want a number of seconds`);
  return seconds;
}

async function feedsFor(model: Model<AnyModel>, bundle: Uint8Array, options: Options): Promise<Feeds> {
  const [{ completeInputs, parseSizes }, { feedFrom }, { viewOf }, { chooseEntry }] = await Promise.all([
    import("../made-inputs.js"),
    import("../io/feed.js"),
    import("../open-view.js"),
    import("../feeds.js"),
  ]);
  const { manifest } = viewOf("", bundle);
  const sizes = parseSizes(options.at ?? [], "--at");
  const inputs = await completeInputs(options.input ?? [], chooseEntry(model, undefined), manifest, sizes);
  return Object.fromEntries([...inputs].map(([name, t]) => [name, feedFrom(t)]));
}

/** The first Ctrl-C ends the search; the second, as ever, the program. */
function stopOnInterrupt(cx: Context): { readonly isStopped: boolean; readonly release: () => void } {
  const state = { isStopped: false, release: () => {} };
  const onInterrupt = (): void => {
    state.isStopped = true;
    cx.note("stopping; what won so far is kept");
  };
  process.once("SIGINT", onInterrupt);
  state.release = () => process.off("SIGINT", onInterrupt);
  return state;
}

async function check(
  source: Parameters<typeof import("../../pipeline.js").compileStages>[0],
  lock: TuningLock,
  file: string,
  options: Options,
  cx: Context,
): Promise<ExitCode> {
  const [{ compileStages }, { unknownEntries }] = await Promise.all([
    import("../../pipeline.js"),
    import("../tune/write.js"),
  ]);
  const stale = unknownEntries(compileStages(source, { tier: options.tier }), lock, options.tier);
  cx.document({ file, entries: lock.entries.length, stale });
  for (const e of stale) cx.print(`${e.machine} ${e.tier}: no such kernel: ${e.kernel}`);
  cx.print(`${file}: ${counted(lock.entries.length, "entry").replace("entrys", "entries")}, ${stale.length} stale`);
  return stale.length === 0 ? 0 : 1;
}

function print(cx: Context, found: Found, file: string, machine: string, isStopped: boolean): void {
  const { entries, tried, builds, whole } = found;
  cx.document({ file, machine, builds, tried: tried.length, entries, whole });
  const gain = (e: TuningEntry): number => e.measured.before - e.measured.after;
  for (const e of entries.toSorted((a, b) => gain(b) - gain(a))) {
    const choices = Object.entries(e.choices).map(([name, value]) => `${name}=${value}`);
    const { before, after } = e.measured;
    cx.print(`${before.toFixed(3)} -> ${after.toFixed(3)} ms  ${choices.join(" ")}  ${short(e.kernel)}`);
  }
  if (whole !== null)
    cx.print(
      `whole model: ${whole.before.toFixed(3)} -> ${whole.after.toFixed(3)} ms, ${(1 / whole.ratio).toFixed(3)} times as fast, median of ${whole.rounds} rounds`,
    );
  cx.print(
    `${file}  ${machine}: ${entries.length} of ${counted(tried.length, "kernel")} tuned, ${counted(builds, "build")}${isStopped ? ", stopped early" : ""}`,
  );
}

/** Template, operands and result of a key. */
function short(key: string): string {
  const [reads = ""] = key.split(";", 1);
  const [, result = ""] = / -> (.*)$/.exec(key) ?? [];
  return `${reads} -> ${result}`;
}

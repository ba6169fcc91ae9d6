// `psionic run`: one entry point on arrays from files or the command line.

import type { Command } from "commander";
import type { Tensor } from "../../ir/tensor.js";
import type { Context } from "../context.js";
import { type ExitCode, usage } from "../failures.js";
import { declareVariant, parseVariant, type VariantOptions } from "../variant.js";
import { type Leaf, repeated } from "../verb.js";

interface Options extends VariantOptions {
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly entry?: string;
  readonly repeat?: string;
  readonly json?: boolean;
}

export const INPUT_HELP =
  "name=3.5, name=[1,2], name=@file.npy|.npz|.json, name=@file.raw:1x3x48, or @all.npz; repeatable";

export const runVerb: Leaf = {
  name: "run",
  summary: "run an entry point of a bundle on arrays",
  examples: [
    ["psionic run rec.psn --input x=@picture.npy", "prints the outputs, the ends of long axes only"],
    ["psionic run rec.psn --input x=@picture.npy --output y=@out.npy", "writes one output"],
    ["psionic run rec.psn --input @inputs.npz -o outputs.npz", "all inputs from, and all outputs to, one file"],
    [
      "psionic run vad.psn --input audio=@frame.raw:1x512 --input sr=16000 --json",
      "raw bytes and a number in, JSON out",
    ],
    ["psionic run rec.psn --input x=@picture.npy --repeat 20", "runs 20 times and prints the times"],
  ],
  declare(command: Command): void {
    declareVariant(command);
    command
      .argument("<model.psn>", "the bundle")
      .option("-i, --input <value>", INPUT_HELP, repeated)
      .option(
        "-o, --output <target>",
        "name=@file, or outputs.npz, outputs.json or a folder for all; repeatable",
        repeated,
      )
      .option("--entry <name>", "the entry point (default: the first)")
      .option("--repeat <n>", "run n times and print the times; state goes on from run to run", "1")
      .option("--json", "the outputs as JSON on stdout (without their data where a file takes them)");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const options = command.opts<Options>();
    const repeat = parseRepeat(options.repeat ?? "1");
    const [{ openModel }, { chooseEntry, readInputs }, { feedFrom, tensorOfView }, targets] = await Promise.all([
      import("../open-model.js"),
      import("../feeds.js"),
      import("../io/feed.js"),
      import("../io/targets.js"),
    ]);
    const wanted = (options.output ?? []).map(targets.parseOutputArg);
    const model = await openModel(path, parseVariant(options));
    const entry = chooseEntry(model, options.entry);
    targets.checkOutputNames(
      wanted,
      entry.outputs.map((p) => p.name),
    );
    const inputs = await readInputs(options.input ?? [], entry);
    const feeds = Object.fromEntries([...inputs].map(([name, t]) => [name, feedFrom(t)]));
    const times: number[] = [];
    let outputs = new Map<string, Tensor>();
    for (let i = 0; i < repeat; i++) {
      const start = performance.now();
      const out = await model.run(feeds, { entry: entry.name, copy: i === repeat - 1 });
      times.push(performance.now() - start);
      if (i === repeat - 1) outputs = new Map(Object.entries(out).map(([name, v]) => [name, tensorOfView(v)]));
    }
    const files = await targets.writeOutputs(wanted, outputs);
    await print(cx, model.digest, entry.name, outputs, files, times);
    return 0;
  },
};

function parseRepeat(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < 1 || n > 1e9) throw usage(`--repeat ${text}: want a whole number from 1`);
  return n;
}

async function print(
  cx: Context,
  digest: string,
  entry: string,
  outputs: ReadonlyMap<string, Tensor>,
  files: ReadonlyMap<string, string>,
  times: readonly number[],
): Promise<void> {
  if (cx.json) {
    const [{ digestOfElements }, { tensorToJson }] = await Promise.all([
      import("../io/texts.js"),
      import("../io/json-tensor.js"),
    ]);
    const described = [...outputs].map(([name, t]) => {
      const file = files.get(name);
      const content = file === undefined ? { data: tensorToJson(t) } : { file };
      return [name, { dtype: t.dtype, shape: t.shape, sha256: digestOfElements(t), ...content }] as const;
    });
    cx.document({ digest, entry, outputs: Object.fromEntries(described), milliseconds: times });
    return;
  }
  const { preview } = await import("../io/preview.js");
  for (const [name, t] of outputs) {
    const file = files.get(name);
    const head = `${cx.style.bold(name)}: ${t.dtype}[${t.shape.join(", ")}]`;
    cx.print(file === undefined ? `${head}\n${preview(t)}` : `${head} -> ${file}`);
  }
  if (times.length > 1) cx.note(timesText(times));
}

function timesText(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (q: number): string => `${(sorted[Math.floor((sorted.length - 1) * q)] ?? 0).toFixed(2)} ms`;
  return `${times.length} runs: first ${(times[0] ?? 0).toFixed(2)} ms, fastest ${at(0)}, median ${at(0.5)}, slowest ${at(1)}`;
}

// `psionic debug bisect`: the first place at which a compiled model does not give what the reference, or onnxruntime,
// gives.

import { basename, dirname, extname, join } from "node:path";
import { type Command, Option } from "commander";
import type { Tensor } from "../../ir/tensor.js";
import type { Compared, Finding } from "../bisect/steps.js";
import type { Context } from "../context.js";
import { parseDims } from "../dims.js";
import { badInput, type ExitCode, usage } from "../failures.js";
import { makeFolder, readBytes, writeFiles } from "../io/files.js";
import { counted } from "../style.js";
import { declareTarget, parseTarget, type TargetOptions } from "../target.js";
import { type Group, type Leaf, parseBound, repeated } from "../verb.js";
import { INPUT_HELP } from "./run.js";

interface Options extends TargetOptions {
  readonly tier: "strict" | "relaxed";
  readonly against: "reference" | "onnxruntime";
  readonly dim?: readonly string[];
  readonly bound?: string;
  readonly input?: readonly string[];
  readonly tolerance: string;
  readonly output?: string;
}

const bisectVerb: Leaf = {
  name: "bisect",
  summary: "find the first node or kernel of a model whose values differ",
  examples: [
    ["psionic debug bisect rec.onnx --dim width=320 --input x=@picture.npy", "each kernel, against the reference"],
    ["psionic debug bisect rec.onnx --input x=@picture.npy --target x86-64 --cpu v3", "the kernels of native code"],
    [
      "psionic debug bisect rec.onnx --dim width=320 --input x=@picture.npy --against onnxruntime -o case",
      "each node against onnxruntime, then each kernel; what differs is cut out of the model into the folder",
    ],
  ],
  declare(command: Command): void {
    declareTarget(command);
    command
      .argument("<model.onnx>", "the model")
      .addOption(new Option("--tier <name>", "as for compile").choices(["strict", "relaxed"]).default("strict"))
      .addOption(
        new Option("--against <name>", "what is right; onnxruntime also judges the import")
          .choices(["reference", "onnxruntime"])
          .default("reference"),
      )
      .option("--dim <name=size>", "size of a dynamic dimension, as for compile; repeatable", repeated)
      .option("--bound <n>", "upper bound for sizes that depend on data and that nothing else bounds")
      .option("-i, --input <value>", INPUT_HELP, repeated)
      .option("--tolerance <x>", "of floats: relative to the element or to the root mean square", "1e-4")
      .option("-o, --output <folder>", "write what differs as a small model, with its inputs and expected outputs")
      .option("--json", "the finding as JSON on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const options = command.opts<Options>();
    const tolerance = parseTolerance(options.tolerance);
    const bound = options.bound === undefined ? {} : { bound: parseBound(options.bound) };
    const dims = parseDims(options.dim ?? []);
    const bytes = readBytes(path, "model");
    const [{ importModel }, { decodeMessage }, { externalReader }, { Builder }, steps, named, feeds] =
      await Promise.all([
        import("../../import/onnx/import.js"),
        import("../../import/onnx/wire.js"),
        import("../../import/onnx/external.js"),
        import("../../ir/graph.js"),
        import("../bisect/steps.js"),
        import("../bisect/named.js"),
        import("../feeds.js"),
      ]);
    const name = basename(path, extname(path));
    const readExternal = externalReader(dirname(path));
    const how = { dims, readExternal, name, ...bound };
    const model = decodeMessage("ModelProto", bytes, name);
    const builder = new Builder();
    const { graph } = importModel(model, { ...how, builder });
    if (graph.strings !== undefined) throw badInput("bisect compares numbers, and this model has strings");
    const prepared = await steps.prepare(graph, builder, { ...parseTarget(options), tier: options.tier });
    const inputs = await feeds.readInputs(options.input ?? [], feeds.chooseEntry(prepared.model, undefined));
    const arrays = Object.fromEntries(inputs);
    const whole = named.selfContained(model, readExternal);
    let truth: ReadonlyMap<string, Tensor> | null = null;
    let compared: Compared = { finding: null, values: 0 };
    if (options.against === "onnxruntime") {
      truth = await named.onnxruntimeValues(whole, arrays);
      compared = named.compareNamed(model, named.referenceValues(whole, arrays, how), truth, tolerance);
    }
    if (compared.finding === null) {
      const { finding, values } = steps.compareSteps(prepared, arrays, { tier: options.tier, tolerance });
      compared = { finding, values: values + compared.values };
    }
    const { finding } = compared;
    const files: string[] = [];
    if (finding !== null && options.output !== undefined) {
      const { cut, caseFiles } = await import("../bisect/cut.js");
      const values = truth ?? named.referenceValues(whole, arrays, how);
      const shown = [
        `--target ${options.target}`,
        ...(options.cpu === undefined ? [] : [`--cpu ${options.cpu}`]),
        `--tier ${options.tier}`,
        `--against ${options.against}`,
        `--tolerance ${options.tolerance}`,
      ];
      makeFolder(options.output);
      for (const [file, content] of caseFiles(cut(whole, finding.origins, inputs, values), shown, headline(finding))) {
        const to = join(options.output, file);
        writeFiles([{ path: to, bytes: content }]);
        files.push(to);
      }
    }
    cx.document({ model: path, against: options.against, tier: options.tier, tolerance, ...compared, files });
    print(cx, compared, options);
    if (files.length > 0) cx.print(`  written   ${files.join(", ")}`);
    return finding === null ? 0 : 1;
  },
};

export const debugVerb: Group = { name: "debug", summary: "find where a model goes wrong", verbs: [bisectVerb] };

function headline(f: Finding): string {
  switch (f.stage) {
    case "importer":
      return `"${f.name}" is not what onnxruntime gives`;
    case "pass":
      return `the pass ${f.name} changes what the model computes`;
    case "kernel":
      return `step ${f.step ?? ""}, ${f.name}, is not what the reference gives`;
    case "output":
      return `${f.name} is not what the reference gives`;
  }
}

function print(cx: Context, { finding, values }: Compared, options: Options): void {
  if (finding === null) {
    cx.print(`nothing differs: ${counted(values, "value")} within ${options.tolerance} of ${options.against}`);
    return;
  }
  const { difference: d } = finding;
  const line = (label: string, text: string): void => {
    if (text !== "") cx.print(`  ${label.padEnd(8)}  ${text}`);
  };
  cx.print(cx.style.bold(headline(finding)));
  line("nodes", finding.origins.join(", "));
  line("ops", finding.ops.join(", "));
  line("template", finding.template);
  line("form", d.form ?? "");
  if (d.form !== null) return;
  const number = (x: number | null): string => (x === null ? "not finite" : x.toPrecision(4));
  line("max abs", number(d.maxAbs));
  line("max rel", number(d.maxRelative));
  line("max ulp", d.maxUlp === null ? "" : String(d.maxUlp));
  line("snr", d.snr === null ? "" : `${d.snr.toFixed(1)} dB`);
  if (d.worst !== null) line("worst", `[${d.worst.index.join(", ")}]: have ${d.worst.have}, want ${d.worst.want}`);
}

function parseTolerance(text: string): number {
  const x = Number(text);
  if (text.trim() === "" || !(x >= 0 && x < Number.POSITIVE_INFINITY))
    throw usage(`--tolerance ${text}: want a number from 0`, "for example --tolerance 1e-4");
  return x;
}

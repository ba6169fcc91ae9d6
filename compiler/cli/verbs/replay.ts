// `psionic replay record` and `psionic replay check`: a receipt of a run, and whether a run gives the same again.

import type { Command } from "commander";
import type { Context } from "../context.js";
import { type ExitCode, usage } from "../failures.js";
import { counted } from "../style.js";
import { declareVariant, parseVariant, type VariantOptions } from "../variant.js";
import { type Group, type Leaf, repeated } from "../verb.js";
import { INPUT_HELP } from "./run.js";

interface RecordOptions extends VariantOptions {
  readonly input?: readonly string[];
  readonly entry?: string;
  readonly kernels?: boolean;
  readonly output?: string;
  readonly json?: boolean;
}

const recordVerb: Leaf = {
  name: "record",
  summary: "run a bundle and write a receipt: digests of the plan, the inputs and the outputs",
  examples: [
    ["psionic replay record rec.psn --input x=@picture.npy -o receipt.json", "digests of inputs and outputs"],
    [
      "psionic replay record rec.psn --input x=@picture.npy --kernels -o receipt.json",
      "also of what every kernel wrote",
    ],
  ],
  declare(command: Command): void {
    declareVariant(command);
    command
      .argument("<model.psn>", "the bundle")
      .option("-i, --input <value>", INPUT_HELP, repeated)
      .option("--entry <name>", "the entry point (default: the first)")
      .option("--kernels", "digest what every top-level step writes, so that a check can name the first that differs")
      .requiredOption("-o, --output <receipt.json>", "the receipt")
      .option("--json", "also print the receipt on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const options = command.opts<RecordOptions>();
    const output = options.output ?? "";
    const [
      { checkWritable, writeFiles },
      { openModel },
      { openView },
      { chooseEntry, readInputs },
      { record },
      { receiptText },
    ] = await Promise.all([
      import("../io/files.js"),
      import("../open-model.js"),
      import("../open-view.js"),
      import("../feeds.js"),
      import("../replay/record.js"),
      import("../replay/receipt.js"),
    ]);
    checkWritable(output);
    const model = await openModel(path, parseVariant(options));
    const entry = chooseEntry(model, options.entry);
    const inputs = await readInputs(options.input ?? [], entry);
    const plan = options.kernels === true ? openView(path).plan : null;
    const receipt = record(model, entry.name, inputs, plan);
    writeFiles([{ path: output, bytes: receiptText(receipt) }]);
    cx.document(receipt);
    cx.print(
      `${output}  plan ${receipt.plan.slice(0, 16)}, ${counted(receipt.outputs.length, "output")}${receipt.steps === null ? "" : `, ${counted(receipt.steps.length, "step")}`}`,
    );
    return 0;
  },
};

const checkVerb: Leaf = {
  name: "check",
  summary: "run a bundle again and compare with a receipt; names the first kernel that differs",
  examples: [
    [
      "psionic replay check receipt.json rec.psn --input x=@picture.npy",
      "exits 0 where everything is the same, else 1",
    ],
    ["psionic replay check receipt.json rec.psn --input x=@picture.npy --json", "the finding as JSON"],
  ],
  declare(command: Command): void {
    declareVariant(command);
    command
      .argument("<receipt.json>", 'what "replay record" wrote')
      .argument("<model.psn>", "the bundle")
      .option("-i, --input <value>", INPUT_HELP, repeated)
      .option("--json", "the finding as JSON on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [receiptPath = "", path = ""] = command.args;
    const options = command.opts<VariantOptions & { readonly input?: readonly string[] }>();
    const [
      { readBytes },
      { openBundle },
      { openModel },
      { openView },
      { chooseEntry, readInputs },
      { record },
      { parseReceipt },
      { firstDifference },
    ] = await Promise.all([
      import("../io/files.js"),
      import("../../../codegen/bundle/read.js"),
      import("../open-model.js"),
      import("../open-view.js"),
      import("../feeds.js"),
      import("../replay/record.js"),
      import("../replay/receipt.js"),
      import("../replay/compare.js"),
    ]);
    const old = parseReceipt(new TextDecoder().decode(readBytes(receiptPath, "receipt")), receiptPath);
    const wanted = parseVariant({ tier: old.tier, ...options });
    // Another plan may have other inputs and other tiers: say so before judging what was given.
    const { digest } = openBundle(readBytes(path, "bundle"));
    if (digest !== old.plan) return finish(cx, firstDifference(old, { ...old, plan: digest }), old.host, null);
    // A stripped bundle has no plan; only steps need it.
    const plan = old.steps === null ? null : openView(path).plan;
    const model = await openModel(path, wanted);
    if (!model.entries.some((e) => e.name === old.entry))
      throw usage(`the receipt is of entry "${old.entry}", which the bundle lacks`);
    const entry = chooseEntry(model, old.entry);
    const inputs = await readInputs(options.input ?? [], entry);
    const now = record(model, entry.name, inputs, plan);
    return finish(cx, firstDifference(old, now), old.host, now.host);
  },
};

function finish(cx: Context, finding: unknown, recorded: unknown, host: unknown): ExitCode {
  cx.document({ same: finding === null, difference: finding, recorded, host });
  if (finding === null) cx.print(cx.style.green("same: plan, inputs, outputs and everything the receipt holds"));
  else cx.print(`${cx.style.red("differs:")} ${messageIn(finding)}`);
  return finding === null ? 0 : 1;
}

function messageIn(finding: unknown): string {
  return typeof finding === "object" && finding !== null && "message" in finding ? String(finding.message) : "";
}

export const replayVerb: Group = {
  name: "replay",
  summary: "record what a run gave, and check that it gives the same again",
  verbs: [recordVerb, checkVerb],
};

// `psionic inspect`: what is in a bundle. Without a flag, a summary; each flag shows one thing whole.

import { type Command, Option } from "commander";
import type { BundleView } from "../bundle-view.js";
import type { Context } from "../context.js";
import { badInput, type ExitCode } from "../failures.js";
import { isNative } from "../load-model.js";
import type { Leaf } from "../verb.js";

interface Options {
  readonly json?: boolean;
  readonly kernels?: boolean;
  readonly memory?: boolean;
  readonly schedule?: boolean;
  readonly graph?: "source" | "functional";
  readonly wat?: string;
}

/** One thing to show: its key in JSON, its value there, and its text. */
interface Part {
  readonly key: string;
  readonly value: unknown;
  readonly text: string;
}

export const inspectVerb: Leaf = {
  name: "inspect",
  summary: "show a bundle: entry points, plan, memory, kernels, graphs, code",
  examples: [
    ["psionic inspect model.psn", "a summary"],
    ["psionic inspect model.psn --memory", "where every buffer lies and when it is live"],
    ["psionic inspect model.psn --graph functional", "the graph after the passes"],
    ["psionic inspect model.psn --kernels --json", "every kernel with its choices and calls"],
    ["psionic inspect model.psn --wat main", "one function of the module as WebAssembly text"],
  ],
  declare(command: Command): void {
    command
      .argument("<model.psn>", "the bundle")
      .option("--json", "as JSON on stdout")
      .option("--kernels", "every kernel: template, choices, digest, calls")
      .option("--memory", "the memory map: weights, states, buffers with their lifetimes")
      .addOption(new Option("--graph <level>", "the graph as text").choices(["source", "functional"]))
      .option("--schedule", "the schedule as text")
      .option("--wat <name>", 'a kernel or function as WebAssembly text; "all" for the module');
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const [{ openView }, { summaryDocument, summaryText }] = await Promise.all([
      import("../open-view.js"),
      import("../inspect/summary.js"),
    ]);
    const view = openView(path);
    const parts = await partsOf(view, command.opts<Options>(), cx);
    cx.document({ ...summaryDocument(view), ...Object.fromEntries(parts.map((p) => [p.key, p.value])) });
    cx.print(parts.length === 0 ? summaryText(view, cx.style) : parts.map((p) => p.text.trimEnd()).join("\n\n"));
    return 0;
  },
};

async function partsOf(view: BundleView, options: Options, cx: Context): Promise<Part[]> {
  const parts: Part[] = [];
  if (options.graph !== undefined) {
    const text = level(view[options.graph], `${options.graph} graph`, view.path);
    parts.push({ key: `${options.graph}Graph`, value: text, text });
  }
  if (options.schedule === true) {
    const text = level(view.schedule, "schedule", view.path);
    parts.push({ key: "schedule", value: text, text });
  }
  if (options.memory === true) {
    const { memoryDocument, memoryText } = await import("../inspect/memory-map.js");
    parts.push({ key: "memoryMap", value: memoryDocument(view.plan), text: memoryText(view, cx.style) });
  }
  if (options.kernels === true) {
    const { kernelsDocument, kernelsText } = await import("../inspect/kernels.js");
    parts.push({ key: "kernels", value: kernelsDocument(view.plan), text: kernelsText(view.plan, cx.style) });
  }
  if (options.wat !== undefined) {
    const { disassemble, functionText } = await import("../inspect/wat.js");
    const [first] = view.modules;
    if (isNative(view.manifest.target))
      throw badInput(
        `"${view.path}" holds shared libraries for ${view.manifest.target}, which have no text as WebAssembly`,
        "compile the model for wasm to read its kernels",
      );
    if (first === undefined) throw badInput(`"${view.path}" has no module`);
    const wat = await disassemble(first);
    const text = options.wat === "all" ? wat : functionText(wat, options.wat, view.plan);
    parts.push({ key: "wat", value: text, text });
  }
  return parts;
}

function level(text: string | null, what: string, path: string): string {
  if (text === null) throw badInput(`"${path}" was written without its ${what}`, "compile it again to have it");
  return text;
}

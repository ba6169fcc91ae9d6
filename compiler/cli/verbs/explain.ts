// `psionic explain`: what of a model a target would refuse, all of it and before compiling; else what runs as what.

import { basename, dirname, extname } from "node:path";
import { type Command, Option } from "commander";
import type { TargetName } from "../../../targets/targets.js";
import type { OnnxImport } from "../../import/onnx/import.js";
import type { Refusal } from "../../ir/errors.js";
import type { Context } from "../context.js";
import { parseDims } from "../dims.js";
import type { ExitCode } from "../failures.js";
import { readBytes } from "../io/files.js";
import { type Leaf, parseBound, repeated } from "../verb.js";

interface Options {
  readonly target: TargetName;
  readonly dim?: readonly string[];
  readonly bound?: string;
}

export const explainVerb: Leaf = {
  name: "explain",
  summary: "say what a target would refuse of a model, or how each of its ops runs",
  examples: [
    ["psionic explain model.onnx", "every refusal with its place and the nearest rewrite; exits 1 where there is one"],
    ["psionic explain rec.onnx --dim width=320", "with a dynamic dimension fixed, as for compile"],
  ],
  declare(command: Command): void {
    command
      .argument("<model.onnx>", "the model")
      .addOption(new Option("--target <name>", "the target").choices(["wasm", "x86-64", "aarch64"]).default("wasm"))
      .option("--dim <name=size>", "size of a dynamic dimension, as for compile; repeatable", repeated)
      .option("--bound <n>", "upper bound for sizes that depend on data and that nothing else bounds")
      .option("--json", "as JSON on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const options = command.opts<Options>();
    const dims = parseDims(options.dim ?? []);
    const bound = options.bound === undefined ? {} : { bound: parseBound(options.bound) };
    const bytes = readBytes(path, "model");
    const [{ importOnnx }, { externalReader }, { Builder }, { Refused }, { explain }] = await Promise.all([
      import("../../import/onnx/import.js"),
      import("../../import/onnx/external.js"),
      import("../../ir/graph.js"),
      import("../../ir/errors.js"),
      import("../matrix/explain.js"),
    ]);
    const builder = new Builder();
    const name = basename(path, extname(path));
    let imported: OnnxImport;
    try {
      imported = importOnnx(bytes, { builder, dims, readExternal: externalReader(dirname(path)), name, ...bound });
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      return refused(e.refusals, options.target, cx);
    }
    const found = explain(imported.graph, builder, options.target);
    if (found.refusals.length > 0) return refused(found.refusals, options.target, cx);
    const { counted, table } = await import("../style.js");
    cx.document({
      target: options.target,
      refusals: [],
      ops: found.ops,
      kernels: found.kernels,
      notes: imported.notes,
    });
    for (const note of imported.notes) cx.note(`note: ${note}`);
    cx.print(
      table(
        ["op", "runs as", "dtypes", "nodes"],
        found.ops.map((o) => [o.op, o.form, o.dtypes.join(", "), String(o.nodes)]),
        ["nodes"],
      ),
    );
    const total = Object.values(found.kernels).reduce((a, b) => a + b, 0);
    const kinds = Object.entries(found.kernels).map(([template, n]) => `${n} ${template}`);
    cx.print(`\n${counted(total, "kernel")}${kinds.length === 0 ? "" : `: ${kinds.join(", ")}`}; nothing is refused`);
    return 0;
  },
};

function refused(refusals: readonly Refusal[], target: string, cx: Context): ExitCode {
  cx.document({ target, refusals });
  for (const r of refusals) {
    cx.print(`${cx.style.red(r.code)}  ${r.at === "" ? r.subject : r.at}: ${r.detail}`);
    if (r.hint !== "") cx.print(`        ${r.hint}`);
  }
  cx.print(`${refusals.length} refused for ${target}`);
  return 1;
}

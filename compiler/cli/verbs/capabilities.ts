// `psionic capabilities`: which operators run on which dtypes, from the compiler's tables and its last conformance run.

import { type Command, Option } from "commander";
import type { Context } from "../context.js";
import type { ExitCode } from "../failures.js";
import type { Leaf } from "../verb.js";

interface Options {
  readonly target: "wasm";
  readonly markdown?: boolean;
}

export const capabilitiesVerb: Leaf = {
  name: "capabilities",
  summary: "list the operators and dtypes that a target runs, as tested",
  examples: [
    ["psionic capabilities", "every op by dtype, and the ONNX operators"],
    ["psionic capabilities --json", "the same with the number of cases per op and dtype"],
  ],
  declare(command: Command): void {
    command
      .addOption(new Option("--target <name>", "the target").choices(["wasm"]).default("wasm"))
      .option("--markdown", "as the page docs/operators.md")
      .option("--json", "as JSON on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const options = command.opts<Options>();
    const { accuracyText, dtypesText, matrix, opsetsText } = await import("../matrix/matrix.js");
    const m = matrix();
    cx.document(m);
    if (options.markdown === true) {
      const { matrixMarkdown } = await import("../matrix/markdown.js");
      cx.print(matrixMarkdown(m).trimEnd());
      return 0;
    }
    const { table } = await import("../style.js");
    const ops = m.ops.map((r) => {
      const count = Object.values(r.cases).reduce((a, b) => a + b, 0);
      return [
        r.op,
        r.form,
        dtypesText(m.dtypes.filter((d) => r.cases[d] !== undefined)),
        accuracyText(r),
        String(count),
      ];
    });
    cx.print(table(["op", "runs as", "dtypes", "accuracy", "cases"], ops, ["cases"]));
    const onnx = m.onnx.map((r) => [
      r.domain === "" ? r.op : `${r.domain}:${r.op}`,
      r.tier,
      opsetsText(r.opsets),
      String(r.passed),
      String(r.refused),
    ]);
    cx.print("");
    cx.print(table(["ONNX operator", "tier", "opsets", "passed", "refused"], onnx, ["passed", "refused"]));
    return 0;
  },
};

// `psionic diff`: two bundles, compared level by level. The comparison is in diff/; this file picks the form.

import type { Command } from "commander";
import type { Context } from "../context.js";
import { type ExitCode, usage } from "../failures.js";
import type { Leaf } from "../verb.js";

interface Options {
  readonly json?: boolean;
  readonly markdown?: boolean;
  readonly sarif?: boolean;
}

export const diffVerb: Leaf = {
  name: "diff",
  summary: "compare two bundles, level by level, and name the first difference that explains the others",
  examples: [
    ["psionic diff old.psn new.psn", "exits 0 where the plans are the same, else 1"],
    ["psionic diff old.psn new.psn --markdown", "for a review comment"],
    ["psionic diff old.psn new.psn --sarif > diff.sarif", "for a code-scanning service"],
  ],
  declare(command: Command): void {
    command
      .argument("<old.psn>", "the bundle before")
      .argument("<new.psn>", "the bundle after")
      .option("--json", "the whole comparison as JSON on stdout")
      .option("--markdown", "as Markdown on stdout")
      .option("--sarif", "as SARIF 2.1.0 on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [oldPath = "", newPath = ""] = command.args;
    const { json, markdown, sarif } = command.opts<Options>();
    if ([json, markdown, sarif].filter((on) => on === true).length > 1)
      throw usage("--json, --markdown and --sarif exclude each other", "choose one");
    const [{ openView }, { compareBundles }, { renderMarkdown, renderText }] = await Promise.all([
      import("../open-view.js"),
      import("../diff/compare.js"),
      import("../diff/render.js"),
    ]);
    const difference = compareBundles(openView(oldPath), openView(newPath));
    if (json === true) cx.document(difference);
    else if (markdown === true) cx.print(renderMarkdown(difference));
    else if (sarif === true) {
      const [{ toSarif }, { VERSION }] = await Promise.all([import("../diff/sarif.js"), import("../../version.js")]);
      cx.print(JSON.stringify(toSarif(difference, VERSION), null, 2));
    } else cx.print(renderText(difference, cx.style));
    return difference.same ? 0 : 1;
  },
};

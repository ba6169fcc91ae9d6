// `psionic types`: the TypeScript types of a bundle's signature, for load<...>() of psionic/runtime.

import { basename, extname } from "node:path";
import type { Command } from "commander";
import type { Context } from "../context.js";
import type { ExitCode } from "../failures.js";
import type { Leaf } from "../verb.js";

interface Options {
  readonly output?: string;
  readonly name?: string;
}

export const typesVerb: Leaf = {
  name: "types",
  summary: "write TypeScript types of a bundle's inputs and outputs, for load() of psionic/runtime",
  examples: [
    ["psionic types rec.psn -o rec.d.ts", 'then: import type { Rec } from "./rec.js"; load<Rec>(bytes)'],
    ["psionic types rec.psn --name OcrModel", "prints them, under another name"],
  ],
  declare(command: Command): void {
    command
      .argument("<model.psn>", "the bundle")
      .option("--name <Type>", "the type's name (default: from the file's)")
      .option("-o, --output <file.d.ts>", "where to (default: stdout)");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const options = command.opts<Options>();
    const [{ modelTypes }, { typeName }, { openView }] = await Promise.all([
      import("../../../codegen/bundle/types.js"),
      import("../type-name.js"),
      import("../open-view.js"),
    ]);
    const text = modelTypes(openView(path).plan, options.name ?? typeName(basename(path, extname(path))));
    if (options.output === undefined) cx.print(text.trimEnd());
    else {
      const { writeFiles } = await import("../io/files.js");
      writeFiles([{ path: options.output, bytes: text }]);
      cx.print(options.output);
    }
    return 0;
  },
};

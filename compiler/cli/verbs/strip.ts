// `psionic strip`: a bundle without the texts that only tools read, for download. Its plan digest stays.

import type { Command } from "commander";
import type { Context } from "../context.js";
import { type ExitCode, usage } from "../failures.js";
import { counted } from "../style.js";
import type { Leaf } from "../verb.js";

export const stripVerb: Leaf = {
  name: "strip",
  summary: "leave out of a bundle what only tools read: it runs as before, under the same plan digest",
  examples: [["psionic strip model.psn -o model.min.psn", "keep model.psn: inspect, diff and types need it"]],
  declare(command: Command): void {
    command
      .argument("<model.psn>", "the bundle")
      .option("-o, --output <file.psn>", "where to")
      .option("--json", "digest and sizes as JSON on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const { output } = command.opts<{ readonly output?: string }>();
    if (output === undefined) throw usage("-o is missing", "name the file to write: -o model.min.psn");
    const [{ readBytes, writeFiles }, { stripBundle }] = await Promise.all([
      import("../io/files.js"),
      import("../../../codegen/bundle/read.js"),
    ]);
    const whole = readBytes(path, "bundle");
    const { bytes, digest } = stripBundle(whole);
    writeFiles([{ path: output, bytes }]);
    cx.document({ path, output, digest, bytes: bytes.byteLength, before: whole.byteLength });
    cx.print(`${output}: ${counted(bytes.byteLength, "byte")} of ${whole.byteLength}, plan digest ${digest}`);
    return 0;
  },
};

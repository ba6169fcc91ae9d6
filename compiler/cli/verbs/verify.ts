// `psionic verify`: recomputes every digest of a bundle and judges every rule of its structure.

import type { Command } from "commander";
import type { Context } from "../context.js";
import type { ExitCode } from "../failures.js";
import type { Leaf } from "../verb.js";

export const verifyVerb: Leaf = {
  name: "verify",
  summary: "recompute every digest of a bundle and check its plan, modules and manifest",
  examples: [
    ["psionic verify model.psn", "exits 0 where everything holds, else 1"],
    ["psionic verify model.psn --digest 3f1c...", "also that it is the plan with this digest"],
  ],
  declare(command: Command): void {
    command
      .argument("<model.psn>", "the bundle")
      .option("--digest <hex>", "the plan digest that it must have")
      .option("--json", "every check as JSON on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const pin = command.opts<{ readonly digest?: string }>().digest?.toLowerCase();
    const [{ readBytes }, { verify }] = await Promise.all([import("../io/files.js"), import("../verify/checks.js")]);
    const found = await verify(path, readBytes(path, "bundle"));
    const pinned = pin === undefined || found.digest === null ? [] : [pinCheck(found.digest, pin)];
    const checks = [...found.checks, ...pinned];
    const ok = checks.every((c) => c.ok);
    cx.document({ path, ok, digest: found.digest, checks });
    for (const c of checks) {
      cx.print(
        `${c.ok ? cx.style.green("ok") : cx.style.red("FAILED")}  ${c.name}${c.ok ? `: ${c.details.join("; ")}` : ""}`,
      );
      if (!c.ok) for (const detail of c.details) cx.print(`        ${detail}`);
    }
    if (found.digest !== null) cx.print(`plan digest ${found.digest}`);
    return ok ? 0 : 1;
  },
};

function pinCheck(have: string, want: string): { name: string; ok: boolean; details: string[] } {
  const ok = have === want;
  return { name: "plan digest", ok, details: [ok ? "the one asked for" : `have ${have}, want ${want}`] };
}

// The options by which a command line says which tiers and threads it wants: of a compilation, and of a run.

import type { Command } from "commander";
import type { ThreadCount } from "../../runtime-shim/index.js";
import type { Tier } from "../plan/plan.js";
import { usage } from "./failures.js";

export interface VariantOptions {
  readonly tier?: string;
  readonly threads?: string;
}

/** --tier and --threads of a verb that runs a bundle. */
export function declareVariant(command: Command): void {
  command
    .option("--tier <name>", "strict, relaxed or any: the module that runs, where the bundle holds several")
    .option("--threads <n>", 'threads that run it, or "all" of the machine; the bundle needs --threads too', "1");
}

export interface Wanted {
  readonly tier?: Tier | "any";
  readonly threads: ThreadCount;
}

export function parseVariant({ tier, threads = "1" }: VariantOptions): Wanted {
  const count = threads === "all" ? threads : Number(threads);
  if (count !== "all" && !/^[1-9]\d?$/.test(threads)) throw usage(`--threads ${threads}: want a number from 1, or all`);
  if (tier === undefined) return { threads: count };
  if (tier !== "strict" && tier !== "relaxed" && tier !== "any")
    throw usage(`--tier ${tier}: want strict, relaxed or any`);
  return { tier, threads: count };
}

/** The tiers of `--tier strict,relaxed`, best first. */
export function parseTiers(text: string): Tier[] {
  const tiers = text.split(",").map((name) => {
    if (name !== "strict" && name !== "relaxed")
      throw usage(`--tier ${text}: want strict, relaxed, or both with a comma`);
    return name;
  });
  if (new Set(tiers).size !== tiers.length) throw usage(`--tier ${text}: a tier is there twice`);
  return tiers;
}

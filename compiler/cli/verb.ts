// The shape of a verb: how it is declared (cheap: runs for every --help) and how it runs (imports what it needs only
// then, so that `psionic run` never loads the code generator).

import type { Command } from "commander";
import type { Context } from "./context.js";
import { type ExitCode, usage } from "./failures.js";

export interface Leaf {
  readonly name: string;
  readonly summary: string;
  /** Command lines, each with what it does. */
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** Adds arguments and options. */
  declare(command: Command): void;
  run(command: Command, cx: Context): Promise<ExitCode>;
}

/** A verb with verbs of its own: `replay record`. */
export interface Group {
  readonly name: string;
  readonly summary: string;
  readonly verbs: readonly Leaf[];
}

export type Verb = Leaf | Group;

/** For an option that may be given more than once. */
export function repeated(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** The number of `--bound <n>`. Throws a usage error that shows the argument. */
export function parseBound(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < 1 || n > 2 ** 31 - 1) throw usage(`--bound ${text}: want a whole number from 1`);
  return n;
}

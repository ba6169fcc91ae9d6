#!/usr/bin/env node
// The `psionic` command. Declares every verb, parses the command line, runs one verb and turns whatever happens into an
// exit code (see docs/cli.md): 0 done or same, 1 differs or refused, 2 the command line or a file.

import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { VERSION } from "../version.js";
import { type Context, contextFor } from "./context.js";
import { type ExitCode, usage } from "./failures.js";
import { report } from "./report.js";
import type { Leaf, Verb } from "./verb.js";
import { benchVerb } from "./verbs/bench.js";
import { capabilitiesVerb } from "./verbs/capabilities.js";
import { compileVerb } from "./verbs/compile.js";
import { debugVerb } from "./verbs/debug.js";
import { diffVerb } from "./verbs/diff.js";
import { explainVerb } from "./verbs/explain.js";
import { inspectVerb } from "./verbs/inspect.js";
import { replayVerb } from "./verbs/replay.js";
import { runVerb } from "./verbs/run.js";
import { stripVerb } from "./verbs/strip.js";
import { tuneVerb } from "./verbs/tune.js";
import { typesVerb } from "./verbs/types.js";
import { verifyVerb } from "./verbs/verify.js";

const VERBS: readonly Verb[] = [
  compileVerb,
  runVerb,
  inspectVerb,
  verifyVerb,
  diffVerb,
  replayVerb,
  stripVerb,
  typesVerb,
  benchVerb,
  tuneVerb,
  explainVerb,
  capabilitiesVerb,
  debugVerb,
];

const EXIT_CODES = `
Exit codes:
  0  done; the same
  1  differs; or refused: the model, the bundle or an input is not what it must be
  2  the command line is wrong, or a file cannot be read or written`;

/** Runs one command line (without `node` and the script) and gives its exit code. Writes to stdout and stderr. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const cx = contextFor(argv.includes("--json"));
  let code: ExitCode = 0;
  const program = new Command("psionic")
    .description("Compiles machine-learning models, ahead of time, to verifiable bundles; runs and compares them.")
    .version(VERSION, "-V, --version", "print the version")
    .addHelpText("after", `${EXIT_CODES}\n\n"psionic <verb> --help" has options and examples.`);
  const finish = (leaf: Leaf) => async (command: Command) => {
    code = await leaf.run(command, cx);
  };
  for (const verb of VERBS) addVerb(program, verb, finish);
  quiet(program);
  try {
    if (argv.length === 0)
      throw usage("no verb", `psionic takes one of ${VERBS.map((v) => v.name).join(", ")}; try psionic --help`);
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (e) {
    return e instanceof CommanderError ? commandLineError(e, cx) : report(e, cx);
  }
}

function addVerb(parent: Command, verb: Verb, finish: (leaf: Leaf) => (command: Command) => Promise<void>): void {
  const command = parent.command(verb.name).description(verb.summary);
  if ("verbs" in verb) {
    for (const inner of verb.verbs) addVerb(command, inner, finish);
    return;
  }
  verb.declare(command);
  const examples = verb.examples.map(([line, meaning]) => `  ${line}\n      ${meaning}`);
  command.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
  const run = finish(verb);
  command.action(() => run(command));
}

/** Commander throws instead of exiting, and leaves its error text to `commandLineError`. */
function quiet(command: Command): void {
  command
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError(true);
  for (const inner of command.commands) quiet(inner);
}

function commandLineError(e: CommanderError, cx: Context): ExitCode {
  if (e.exitCode === 0) return 0;
  // A group without its verb: commander's message is "(outputHelp)".
  if (e.code === "commander.help") return report(usage("a verb is missing", "add one; see --help"), cx);
  const [message = "", ...rest] = e.message.replace(/^error: /, "").split("\n");
  const near = rest
    .join(" ")
    .replace(/^\(|\)$/g, "")
    .replace(/^Did you mean (.*)\?$/, 'did you mean "$1"?');
  return report(usage(message, near === "" ? "see psionic --help, or psionic <verb> --help" : near), cx);
}

/** True where this file is the program, also through the link that npm makes. */
function isProgram(): boolean {
  const script = process.argv[1];
  try {
    return script !== undefined && realpathSync(script) === realpathSync(fileURLToPath(import.meta.url));
  } catch {
    return false;
  }
}

if (isProgram()) {
  // A reader that stops early (`| head`) is no error.
  process.stdout.on("error", (e: NodeJS.ErrnoException) => {
    if (e.code === "EPIPE") process.exit(0);
  });
  process.exitCode = await main(process.argv.slice(2));
}

// Runs the ONNX backend suites against a target; --help lists the options.
// Every case runs in one of a few child processes, with a time limit, so that a hang or a crash is one failed case.
// Refusals are counted by code and op, failures are listed. The last line is
// `conformance <target>: P passed, R refused, F failed`; the exit code is 1 where any failed.

import { type ChildProcess, fork } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { count, patternOf, readCommandLine } from "../support/command-line.js";
import { judgeCase, type Verdict } from "../support/onnx-judge.js";
import { suiteFolder } from "../support/suites.js";
import { TARGETS } from "./targets.js";

const CASE_LIMIT_MS = 900_000;

export interface Task {
  readonly id: string;
  readonly folder: string;
  /** Whole networks are compared with a wider absolute tolerance. */
  readonly network: boolean;
}

/** All cases below a folder: those directly in it are networks, those in groups are the backend suite's. */
export function casesIn(root: string): Task[] {
  const tasks: Task[] = [];
  const walk = (folder: string, depth: number): void => {
    if (existsSync(join(folder, "model.onnx"))) {
      tasks.push({ id: relative(root, folder) || ".", folder, network: depth <= 1 });
      return;
    }
    if (depth > 3) return;
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) walk(join(folder, entry.name), depth + 1);
  };
  walk(root, 0);
  return tasks.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

interface Answer {
  readonly verdict: Verdict;
}

function failed(detail: string): Verdict {
  return { status: "failed", fixed: false, code: "", op: "", detail };
}

/** One child at a time, replaced after a crash or a hang; takes tasks until there are none. */
async function work(target: string, queue: Task[], done: (task: Task, verdict: Verdict) => void): Promise<void> {
  let child: ChildProcess | null = null;
  for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
    child ??= fork(fileURLToPath(import.meta.url), ["--child", target]);
    const verdict = await ask(child, task);
    if (verdict === null || !child.connected) {
      child.kill("SIGKILL");
      child = null;
    }
    done(task, verdict ?? failed(`gave no answer within ${CASE_LIMIT_MS / 1000} seconds, or crashed`));
  }
  child?.disconnect();
}

function ask(child: ChildProcess, task: Task): Promise<Verdict | null> {
  return new Promise((resolve) => {
    const finish = (v: Verdict | null): void => {
      clearTimeout(timer);
      child.off("message", answer);
      child.off("exit", gone);
      resolve(v);
    };
    const answer = (message: unknown): void => finish((message as Answer).verdict);
    const gone = (): void => finish(null);
    const timer = setTimeout(gone, CASE_LIMIT_MS);
    child.on("message", answer);
    child.on("exit", gone);
    child.send(task);
  });
}

function serve(targetName: string): void {
  const target = TARGETS[targetName];
  process.on("message", (message) => {
    const task = message as Task;
    const verdict =
      target === undefined ? Promise.resolve(failed("no such target")) : judgeCase(task.folder, target, task.network);
    verdict
      .catch((e: unknown) => failed(e instanceof Error ? (e.stack ?? e.message) : String(e)))
      .then((v) => process.send?.({ verdict: v } satisfies Answer));
  });
}

/** Runs tasks on a target in `jobs` processes. */
export async function runTasks(target: string, tasks: readonly Task[], jobs: number): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  const queue = [...tasks];
  const one = (): Promise<void> => work(target, queue, (task, verdict) => void verdicts.set(task.id, verdict));
  await Promise.all(Array.from({ length: jobs }, one));
  return new Map([...verdicts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export function summary(target: string, verdicts: ReadonlyMap<string, Verdict>): string {
  const count = (s: Verdict["status"]): number => [...verdicts.values()].filter((v) => v.status === s).length;
  return `conformance ${target}: ${count("passed")} passed, ${count("refused")} refused, ${count("failed")} failed`;
}

function report(verdicts: ReadonlyMap<string, Verdict>): void {
  const refused = new Map<string, number>();
  for (const [id, v] of verdicts) {
    if (v.status === "failed") console.log(`FAILED ${id}: ${v.detail.split("\n").slice(0, 4).join("\n  ")}`);
    if (v.status === "refused") refused.set(`${v.code} ${v.op}`, (refused.get(`${v.code} ${v.op}`) ?? 0) + 1);
  }
  for (const [key, n] of [...refused].toSorted(([a], [b]) => (a < b ? -1 : 1))) console.log(`refused ${n} x ${key}`);
  const fixed = [...verdicts.values()].filter((v) => v.status === "passed" && v.fixed).length;
  if (fixed > 0) console.log(`${fixed} of the passed cases have inputs that shapes depend on fixed at compile time`);
}

const USAGE = `Usage: node dist/tests/conformance/run.js [options]

Runs the ONNX backend suites against targets.

  --suite <folder>         the cases (default: the suite that this machine has)
  --target <name>          ${Object.keys(TARGETS).join(", ")} (default: reference, then wasm)
  --only <pattern>         cases whose names match this regular expression
  --json <file>            write the verdicts
  --jobs <n>               processes at a time (default: 2)`;

function settings() {
  const { values } = parseArgs({
    options: {
      suite: { type: "string" },
      target: { type: "string" },
      only: { type: "string", default: "" },
      json: { type: "string" },
      jobs: { type: "string", default: "2" },
    },
  });
  const root = values.suite ?? suiteFolder("onnx");
  if (root === null || !existsSync(root)) throw new Error(`no suite folder${root === null ? "" : ` at ${root}`}`);
  const targets = values.target === undefined ? ["reference", "wasm"] : [values.target];
  const unknown = targets.find((t) => TARGETS[t] === undefined);
  if (unknown !== undefined)
    throw new Error(`--target ${unknown}: there is none of this name; there are ${Object.keys(TARGETS).join(", ")}`);
  const only = patternOf(values.only, "u");
  const tasks = casesIn(root).filter((t) => only.test(t.id));
  if (tasks.length === 0) throw new Error(`--only ${values.only}: no case has such a name`);
  return { targets, tasks, json: values.json, jobs: count("jobs", values.jobs) };
}

async function main(): Promise<void> {
  const { targets, tasks, json, jobs } = readCommandLine(USAGE, settings);
  const lines: string[] = [];
  for (const target of targets) {
    const verdicts = await runTasks(target, tasks, jobs);
    // The last target's verdicts are the ones kept.
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(Object.fromEntries(verdicts), null, 2)}\n`);
    report(verdicts);
    lines.push(summary(target, verdicts));
    if ([...verdicts.values()].some((v) => v.status === "failed")) process.exitCode = 1;
  }
  for (const line of lines) console.log(line);
}

if (process.argv[2] === "--child") serve(process.argv[3] ?? "");
else if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) await main();

// Tuning files: what a search measured once, stored and replayed. An entry says which choices a kernel gets, by its key,
// on a class of machines, in a tier. Text in, entries out, and back: sorted, one field per line, so that a change reads
// well in a review. Whatever is not as it must be is refused, with the place in the file.

import { type Refusal, refuse } from "../ir/errors.js";
import { choiceIssue, kernelIssue, TUNABLE } from "./choices.js";
import { kernelKey } from "./kernel-key.js";
import type { Choices, Kernel, Template } from "./schedule.js";

export const TUNING_VERSION = 1;

/** What was seen when the entry was made. Nothing reads it but people. */
export interface TuningEvidence {
  /** Milliseconds of a run of all the model's kernels with this key: by the compiler's own choices, and by these. */
  readonly before: number;
  readonly after: number;
  readonly rounds: number;
  readonly compiler: string;
}

export interface TuningEntry {
  readonly kernel: string;
  /** `wasm/x86-64/v8-11.3`: target, instruction set, engine. */
  readonly machine: string;
  readonly tier: "strict" | "relaxed";
  readonly choices: Readonly<Record<string, number>>;
  readonly measured: TuningEvidence;
}

export interface TuningLock {
  readonly entries: readonly TuningEntry[];
}

/** Which choices kernels get from a tuning file, and which of its entries no kernel asked for. */
export interface Replay {
  choices(kernel: Kernel): Choices;
  unused(): readonly TuningEntry[];
}

export interface ReplayOptions {
  readonly lock: TuningLock;
  readonly tier: "strict" | "relaxed";
  /** Needed where the file has entries of several classes. */
  readonly machine?: string;
}

const MACHINE = /^[a-z0-9]+\/[a-z0-9_-]+\/[a-z0-9.-]+$/;
const TIERS = ["strict", "relaxed"] as const;

function wrong(at: string, detail: string, rest: Partial<Refusal> = {}): never {
  return refuse({
    code: "malformed_input",
    scope: "tuning",
    subject: "tuning file",
    detail,
    at: at === "" ? "tuning file" : `tuning file, ${at}`,
    hint: "run psionic tune again",
    ...rest,
  });
}

// ---- text

type Fields = Readonly<Record<string, unknown>>;

/** An object with exactly these fields. */
function fieldsOf(value: unknown, at: string, names: readonly string[]): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return wrong(at, `want an object with ${names.join(", ")}`);
  const have = Object.keys(value);
  const odd = have.find((name) => !names.includes(name)) ?? names.find((name) => !have.includes(name));
  if (odd === undefined) return { ...value };
  return wrong(at, `${have.includes(odd) ? "has the field" : "lacks the field"} ${JSON.stringify(odd)}`);
}

function textOf(value: unknown, at: string): string {
  return typeof value === "string" && value !== "" ? value : wrong(at, "want a text");
}

function numberOf(value: unknown, at: string): number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : wrong(at, "want a number from 0");
}

function isTunable(name: string): name is Template {
  return Object.hasOwn(TUNABLE, name);
}

function entryOf(value: unknown, at: string): TuningEntry {
  const entry = fieldsOf(value, at, ["kernel", "machine", "tier", "choices", "measured"]);
  const kernel = textOf(entry["kernel"], `${at}.kernel`);
  const template = kernel.split(" ", 1)[0] ?? "";
  if (!isTunable(template)) return wrong(`${at}.kernel`, `${JSON.stringify(template)} is no template that can choose`);
  const machine = textOf(entry["machine"], `${at}.machine`);
  if (!MACHINE.test(machine)) return wrong(`${at}.machine`, `${JSON.stringify(machine)}: want target/isa/engine`);
  const tier = TIERS.find((t) => t === entry["tier"]) ?? wrong(`${at}.tier`, "want strict or relaxed");
  const given = entry["choices"];
  if (typeof given !== "object" || given === null || Array.isArray(given))
    return wrong(`${at}.choices`, "want an object");
  const choices = Object.entries(given).map(([name, choice]): [string, number] => {
    const n = numberOf(choice, `${at}.choices.${name}`);
    const issue = choiceIssue(template, name, n);
    return issue === null ? [name, n] : wrong(`${at}.choices.${name}`, issue);
  });
  const measured = fieldsOf(entry["measured"], `${at}.measured`, ["before", "after", "rounds", "compiler"]);
  return {
    kernel,
    machine,
    tier,
    choices: Object.fromEntries(choices),
    measured: {
      before: numberOf(measured["before"], `${at}.measured.before`),
      after: numberOf(measured["after"], `${at}.measured.after`),
      rounds: numberOf(measured["rounds"], `${at}.measured.rounds`),
      compiler: textOf(measured["compiler"], `${at}.measured.compiler`),
    },
  };
}

function identity({ machine, tier, kernel }: Pick<TuningEntry, "machine" | "tier" | "kernel">): string {
  return `${machine}\n${tier}\n${kernel}`;
}

/** The entries of a tuning file's text. Throws Refused, with the place, where it is not one. */
export function parseTuning(text: string): TuningLock {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (e) {
    return wrong("", `it is no JSON: ${e instanceof Error ? e.message : String(e)}`);
  }
  const version = typeof json === "object" && json !== null && "version" in json ? json.version : undefined;
  if (typeof version === "number" && version !== TUNING_VERSION)
    return wrong("version", `have version ${version}, want ${TUNING_VERSION}`, {
      code: "serialization_incompatibility",
      hint: "use the psionic that wrote it, or tune again",
    });
  const fields = fieldsOf(json, "", ["version", "kernels"]);
  if (version !== TUNING_VERSION) return wrong("version", `want ${TUNING_VERSION}`);
  const list: unknown = fields["kernels"];
  if (!Array.isArray(list)) return wrong("kernels", "want a list");
  const seen = new Map<string, number>();
  const entries = list.map((item: unknown, i) => {
    const entry = entryOf(item, `kernels[${i}]`);
    const first = seen.get(identity(entry));
    if (first !== undefined) return wrong(`kernels[${i}]`, `the same kernel, machine and tier as kernels[${first}]`);
    seen.set(identity(entry), i);
    return entry;
  });
  return { entries };
}

/** The text of a tuning file: entries sorted by kernel, machine and tier. */
export function formatTuning({ entries }: TuningLock): string {
  const order = (e: TuningEntry): string => `${e.kernel}\n${e.machine}\n${e.tier}`;
  const kernels = entries
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
    .map((e) => ({
      kernel: e.kernel,
      machine: e.machine,
      tier: e.tier,
      choices: e.choices,
      measured: e.measured,
    }));
  return `${JSON.stringify({ version: TUNING_VERSION, kernels }, null, 2)}\n`;
}

/** Entries of `over`, and those of `base` for other kernels, machines and tiers. */
export function mergeTuning(base: TuningLock, over: TuningLock): TuningLock {
  const replaced = new Set(over.entries.map(identity));
  return { entries: [...base.entries.filter((e) => !replaced.has(identity(e))), ...over.entries] };
}

// ---- replay

/** The classes of machines that a tuning file has entries of, sorted. */
export function machinesOf(lock: TuningLock): readonly string[] {
  return [...new Set(lock.entries.map((e) => e.machine))].sort();
}

/** Throws Refused where the class is not in the file, or several are and none is named. */
export function replayTuning({ lock, tier, machine }: ReplayOptions): Replay {
  const machines = machinesOf(lock);
  const [only] = machines;
  if (machine === undefined && machines.length > 1)
    return wrong("", `it has entries of ${machines.join(", ")}`, { hint: "name one: --machine" });
  if (machine !== undefined && !machines.includes(machine))
    return wrong("", `it has no entry of ${machine}, only of ${machines.join(", ") || "none"}`, {
      subject: machine,
      hint: "tune on such a machine",
    });
  const chosen = machine ?? only;
  const known = new Map(
    lock.entries.filter((e) => e.machine === chosen && e.tier === tier).map((e) => [e.kernel, e] as const),
  );
  const used = new Set<TuningEntry>();
  return {
    choices: (kernel) => {
      const entry = TUNABLE[kernel.template] === undefined ? undefined : known.get(kernelKey(kernel));
      if (entry === undefined) return {};
      used.add(entry);
      const issue = kernelIssue(kernel, entry.choices);
      if (issue !== null) wrong(`kernels[${lock.entries.indexOf(entry)}].choices`, issue);
      return entry.choices;
    },
    unused: () => [...known.values()].filter((e) => !used.has(e)),
  };
}

// Two receipts compared: the one that was recorded and the one just made. The first thing that differs is the finding,
// in causal order: plan, inputs, then the first step, and outputs only where no step tells more.

import type { ArrayDigest, Receipt, StepDigest } from "./receipt.js";

export interface Finding {
  readonly what: "plan" | "entry" | "inputs" | "step" | "outputs" | "states";
  /** One sentence. */
  readonly message: string;
  /** With "step": its index and the kernel's name. */
  readonly step?: number;
  readonly kernel?: string;
}

/** Null where everything that both receipts say is the same. */
export function firstDifference(old: Receipt, now: Receipt): Finding | null {
  if (old.plan !== now.plan)
    return {
      what: "plan",
      message: `the bundle has plan ${now.plan}, the receipt is of plan ${old.plan}: compare them with psionic diff`,
    };
  if (old.entry !== now.entry)
    return { what: "entry", message: `entry "${now.entry}" was run, the receipt is of "${old.entry}"` };
  const input = firstArray(old.inputs, now.inputs);
  if (input !== null) return { what: "inputs", message: `the inputs are not those of the receipt: ${input}` };
  const step = old.steps === null || now.steps === null ? null : firstStep(old.steps, now.steps);
  if (step !== null) return step;
  const hint = old.steps === null ? " (record with --kernels to name the first kernel)" : "";
  const output = firstArray(old.outputs, now.outputs);
  if (output !== null) return { what: "outputs", message: `the outputs differ: ${output}${hint}` };
  const state = firstArray(old.states, now.states);
  return state === null ? null : { what: "states", message: `the states after the run differ: ${state}${hint}` };
}

function firstStep(old: readonly StepDigest[], now: readonly StepDigest[]): Finding | null {
  for (let i = 0; i < Math.max(old.length, now.length); i++) {
    const before = old[i];
    const after = now[i];
    const array = firstArray(before?.writes ?? [], after?.writes ?? []);
    if (array === null && before !== undefined && after !== undefined) continue;
    const { name = "", origin = "", kind = "step" } = after ?? before ?? {};
    const where = `step ${i}, ${kind} "${name}"${origin === "" ? "" : `, which computes ${origin}`}`;
    return {
      what: "step",
      step: i,
      kernel: name,
      message: `the first kernel that differs is ${where}: ${array ?? "one receipt lacks it"}`,
    };
  }
  return null;
}

function firstArray(old: readonly ArrayDigest[], now: readonly ArrayDigest[]): string | null {
  const after = new Map(now.map((a) => [a.name, a]));
  for (const a of old) {
    const b = after.get(a.name);
    if (b === undefined) return `"${a.name}" is missing`;
    const [have, want] = [typeOf(b), typeOf(a)];
    if (have !== want) return `"${a.name}" is ${have}, was ${want}`;
    if (a.sha256 !== b.sha256) return `"${a.name}" (${want}) has sha256 ${b.sha256}, had ${a.sha256}`;
  }
  const extra = now.find((b) => !old.some((a) => a.name === b.name));
  return extra === undefined ? null : `"${extra.name}" is new`;
}

function typeOf(a: ArrayDigest): string {
  return `${a.dtype}[${a.shape.join(", ")}]`;
}

// A plan's kernels: template, schedule choices, the digest of their code, and where they are called.

import type { Plan, StepPlan } from "../../plan/plan.js";
import type { Style } from "../style.js";

interface Use {
  readonly step: string;
  readonly origin: string;
}

/** The JSON form: each kernel with its calls. */
export function kernelsDocument(plan: Plan): unknown[] {
  const uses = usesOf(plan);
  return plan.kernels.map((k, i) => ({ ...k, calls: uses.get(i) ?? [] }));
}

export function kernelsText(plan: Plan, style: Style): string {
  const uses = usesOf(plan);
  const blocks = plan.kernels.map((k, i) => {
    const choices = Object.entries(k.choices).map(([name, value]) => `${name}=${value}`);
    const calls = (uses.get(i) ?? []).map((u) => `  at ${u.step}${u.origin === "" ? "" : `: ${u.origin}`}`);
    const head = `${style.bold(k.name)}  ${k.template}${choices.length === 0 ? "" : `  ${choices.join(" ")}`}`;
    return [head, `  code ${k.digest}`, ...calls].join("\n");
  });
  return blocks.join("\n\n");
}

function usesOf(plan: Plan): Map<number, Use[]> {
  const uses = new Map<number, Use[]>();
  const walk = (steps: readonly StepPlan[], path: string): void => {
    for (const [i, s] of steps.entries()) {
      const step = `${path}${i}`;
      if (s.kind === "call") {
        const list = uses.get(s.kernel) ?? [];
        uses.set(s.kernel, list);
        list.push({ step, origin: s.origin });
      } else if (s.kind === "if") {
        walk(s.yes, `${step}.then.`);
        walk(s.no, `${step}.else.`);
      } else if (s.kind === "loop") walk(s.body, `${step}.body.`);
    }
  };
  for (const e of plan.entries) walk(e.steps, `${e.name} step `);
  return uses;
}

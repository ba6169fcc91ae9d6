// A module, or one function of it, as WebAssembly text, by way of wabt.

import loadWabt from "wabt";
import type { Plan, StepPlan } from "../../plan/plan.js";
import { badInput, messageOf } from "../failures.js";
import { suggest } from "../nearest.js";

/** The module as text, folded, with the names that its name section gives. */
export async function disassemble(wasm: Uint8Array): Promise<string> {
  const wabt = await loadWabt();
  const features = {
    simd: true,
    threads: true,
    bulk_memory: true,
    sat_float_to_int: true,
    sign_extension: true,
    relaxed_simd: true,
  };
  try {
    // A copy: wabt reads the whole buffer under a view.
    const module = wabt.readWasm(wasm.slice(), { readDebugNames: true, ...features });
    module.generateNames();
    module.applyNames();
    const text = module.toText({ foldExprs: true, inlineExport: true });
    module.destroy();
    return text;
  } catch (e) {
    throw badInput(`the module cannot be disassembled: ${messageOf(e)}`);
  }
}

/**
 * The text of one function: an entry point's export, or the function of a kernel or step by its name in the plan. The
 * module has no names of its own; its kernels stand in the plan's order, right before the entry points.
 */
export function functionText(wat: string, name: string, plan: Plan): string {
  const functions = functionsOf(wat);
  const exact = functions.get(`$${name}`) ?? functions.get(name);
  if (exact !== undefined) return exact;
  const steps = plan.entries.flatMap((e) => callsOf(e.steps));
  const kernel = steps.find((s) => s.name === name)?.kernel ?? plan.kernels.findIndex((k) => k.name === name);
  const all = [...functions.values()];
  const found = kernel < 0 ? undefined : all[all.length - plan.entries.length - plan.kernels.length + kernel];
  if (found !== undefined) return found;
  const names = [...plan.entries.map((e) => e.export), ...steps.map((s) => s.name)];
  throw badInput(`the module has no function "${name}"`, suggest(name, names, "functions"));
}

function callsOf(steps: readonly StepPlan[]): (StepPlan & { kind: "call" })[] {
  return steps.flatMap((s) => {
    if (s.kind === "call") return [s];
    if (s.kind === "if") return [...callsOf(s.yes), ...callsOf(s.no)];
    return s.kind === "loop" ? callsOf(s.body) : [];
  });
}

/** Every `(func $name ...)` of a module's text, by name. */
function functionsOf(wat: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const found of wat.matchAll(/^ {2}\(func (\$[^\s()]+)/gm)) {
    const name = found[1];
    if (name !== undefined) out.set(name, wat.slice(found.index + 2, endOf(wat, found.index + 2)));
  }
  return out;
}

/** Just after the parenthesis that closes the one at `start`; strings and comments do not count. */
function endOf(wat: string, start: number): number {
  let depth = 0;
  const token = /\(;|;;[^\n]*|"(?:[^"\\]|\\.)*"|[()]/g;
  token.lastIndex = start;
  for (let found = token.exec(wat); found !== null; found = token.exec(wat)) {
    if (found[0] === "(;") token.lastIndex = wat.indexOf(";)", token.lastIndex) + 2;
    else if (found[0] === "(") depth++;
    else if (found[0] === ")" && --depth === 0) return token.lastIndex;
  }
  return wat.length;
}

// How a model of a test file is judged: its results against onnxruntime's, its module's size, and a line in the table
// that the file prints at its end.

import type { ExecutionContext } from "ava";
import { type CompiledModel, type LoadedModel, loadModel, type Recipe } from "../support/models.js";
import { type Oracle, openOracle, type Values, worstError } from "../support/oracle.js";

/** max |a - b| / max |b| that strict may differ by from onnxruntime, which sums in another order. */
export const TOLERANCE = 1e-4;
/** What a model's code may take: its kernels, in the one module that runs it. */
export const MODULE_LIMIT_BYTES = 150_000;

/**
 * For networks that end in a sigmoid, where nothing that they look for is there: onnxruntime's sigmoid is 0 from about
 * -18 on and has an error of some ulps of 1 before. What is below 0.01 is compared to 1e-6.
 */
export const SIGMOID_FLOOR = 1e-2;

interface Row {
  readonly model: string;
  error: number;
  readonly moduleBytes: number;
  readonly kernels: number;
  readonly compileMs: number;
}

const rows = new Map<string, Row>();

/** Checks the module's size and starts the model's line in the table. */
export function judgeSize(t: ExecutionContext, name: string, compiled: CompiledModel): void {
  const { moduleBytes, plan, compileMs } = compiled;
  rows.set(name, { model: name, error: 0, moduleBytes, kernels: plan.kernels.length, compileMs });
  t.true(moduleBytes <= MODULE_LIMIT_BYTES, `${name}: the module has ${moduleBytes} bytes`);
}

/** Puts an error into the model's line, where it is the greatest so far. */
export function noteError(name: string, error: number): void {
  const row = rows.get(name);
  if (row !== undefined) row.error = Math.max(row.error, error);
}

/** Checks results against those wanted, and notes the error. */
export function judgeValues(
  t: ExecutionContext,
  name: string,
  have: Values,
  want: Values,
  what: string,
  floor = 0,
): void {
  const error = worstError(have, want, floor);
  noteError(name, error);
  t.true(error <= TOLERANCE, `${name}, ${what}: error ${error.toExponential(2)}`);
}

/** Compiles a model, runs it and onnxruntime on the same inputs and compares. Gives both, for further tests. */
export async function judgeModel(
  t: ExecutionContext,
  name: string,
  file: string,
  recipe: Recipe,
  inputs: readonly Values[],
  floor = 0,
): Promise<{ readonly model: LoadedModel; readonly oracle: Oracle }> {
  const [model, oracle] = [await loadModel(file, recipe), await openOracle(file)];
  judgeSize(t, name, model);
  for (const [i, values] of inputs.entries()) {
    const shapes = Object.values(values).map((v) => v.shape.join("x"));
    judgeValues(t, name, model.run(values), await oracle(values), `run ${i} (${shapes.join(", ")})`, floor);
  }
  return { model, oracle };
}

/** The lines of all models so far, as text. */
export function table(): string {
  const head = ["model", "error", "module bytes", "kernels", "compile ms"];
  const lines = [...rows.values()].map((r) => [
    r.model,
    r.error.toExponential(1),
    String(r.moduleBytes),
    String(r.kernels),
    r.compileMs.toFixed(0),
  ]);
  const widths = head.map((h, i) => Math.max(h.length, ...lines.map((l) => l[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells.map((c, i) => (i === 0 ? c.padEnd(widths[i] ?? 0) : c.padStart(widths[i] ?? 0))).join("  ");
  return [head, ...lines].map(line).join("\n");
}

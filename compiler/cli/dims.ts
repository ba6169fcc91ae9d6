// --dim: what a dynamic dimension may be. `width=320` fixes it, `batch=1..8` gives a range, `h=32..960:32` a range of
// multiples (32, 64, ..., 960). Whether the model has such a dimension is the importer's to say.

import type { DimSpec } from "../import/onnx/import.js";
import { usage } from "./failures.js";

const FORMS = "the forms are name=320, name=1..8 and name=32..960:32";
const MAX_SIZE = 2 ** 31 - 1;

/** Dimensions by name, in the order given. Throws a usage error that shows the argument. */
export function parseDims(args: readonly string[]): Record<string, DimSpec> {
  const dims = new Map<string, DimSpec>();
  for (const arg of args) {
    const [, name, from, to, step] = /^([^=]+)=(\d+)(?:\.\.(\d+)(?::(\d+))?)?$/.exec(arg) ?? [];
    if (name === undefined || from === undefined) throw usage(`--dim ${arg}: this is no dimension`, FORMS);
    if (dims.has(name)) throw usage(`--dim ${arg}: "${name}" is given twice`);
    dims.set(name, specOf(arg, from, to, step));
  }
  return Object.fromEntries(dims);
}

function specOf(arg: string, from: string, to: string | undefined, step: string | undefined): DimSpec {
  const lo = size(arg, from);
  if (to === undefined) return lo;
  const hi = size(arg, to);
  if (lo > hi) throw usage(`--dim ${arg}: the range ends before it begins`, FORMS);
  if (step === undefined) return { lo, hi };
  const multiples = size(arg, step);
  if (multiples === 0) throw usage(`--dim ${arg}: the step is 0, want 1 or more`, FORMS);
  return { lo, hi, step: multiples };
}

function size(arg: string, digits: string): number {
  const n = Number(digits);
  if (n > MAX_SIZE) throw usage(`--dim ${arg}: ${digits} is too large for a size (at most ${MAX_SIZE})`);
  return n;
}

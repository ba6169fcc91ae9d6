// Kernels whose code differs only in integer constants (sizes, strides, offsets) share one function, with those constants as
// parameters: a network of fifty convolutions has a handful of convolution functions. Constants that are the same in all of
// a group stay constants.

import { get, type Instruction, isInstruction, type Operand, type WasmFunction } from "./tree.js";

export interface Outlined {
  /** In every variant. */
  readonly functions: readonly (readonly WasmFunction[])[];
  /** For each kernel given: its function and the values of the parameters after its buffers. */
  readonly uses: readonly { readonly fn: number; readonly constants: readonly number[] }[];
}

const MAX_PARAMETERS = 200;

/** `kernels`: each kernel's code in every variant. Kernels share a function where they can in all variants. */
export function outline(kernels: readonly (readonly WasmFunction[])[]): Outlined {
  const groups = new Map<string, number[]>();
  const constants = kernels.map((variants, i) => {
    const found: number[] = [];
    const key = variants.map((k) => `${k.params}|${k.locals.join()}|${k.body.map((x) => skeleton(x, found)).join()}`);
    const group = groups.get(key.join("||"));
    if (group === undefined) groups.set(key.join("||"), [i]);
    else group.push(i);
    return found;
  });
  const functions: (readonly WasmFunction[])[] = [];
  const uses = new Array<{ fn: number; constants: readonly number[] }>(kernels.length);
  for (const members of groups.values()) {
    const first = members[0];
    const model = first === undefined ? undefined : kernels[first];
    if (first === undefined || model === undefined) continue;
    const columns = (constants[first] ?? []).map((_, p) => members.map((m) => constants[m]?.[p] ?? 0));
    // Positions that always agree with each other share a parameter.
    const parameters = new Map<string, { index: number; values: number[] }>();
    const plan = columns.map((values) => {
      if (values.every((v) => v === values[0])) return null;
      const key = values.join();
      const known = parameters.get(key);
      if (known !== undefined) return known.index;
      parameters.set(key, { index: parameters.size, values });
      return parameters.size - 1;
    });
    if (parameters.size > MAX_PARAMETERS) {
      for (const m of members) {
        uses[m] = { fn: functions.length, constants: [] };
        const own = kernels[m];
        if (own !== undefined) functions.push(own);
      }
      continue;
    }
    for (const [at, m] of members.entries())
      uses[m] = { fn: functions.length, constants: [...parameters.values()].map((p) => p.values[at] ?? 0) };
    functions.push(parameters.size === 0 ? model : parametrize(model, plan, parameters.size));
  }
  return { functions, uses };
}

function skeleton(x: Operand, found: number[]): string {
  if (!isInstruction(x)) return typeof x === "bigint" ? `${x}n` : Object.is(x, -0) ? "-0" : String(x);
  if (x[0] === "i32.const") {
    found.push(Number(x[1]));
    return "#";
  }
  return `(${x.map((o) => skeleton(o, found)).join(" ")})`;
}

/** Replaces the constants that vary by parameters after the buffers; locals move up behind them. */
function parametrize(
  variants: readonly WasmFunction[],
  plan: readonly (number | null)[],
  count: number,
): readonly WasmFunction[] {
  let at = 0;
  return variants.map((model) => withParameters(model, count, () => plan[at++] ?? null));
}

/** `next` gives the parameter of each constant in order, or null. */
function withParameters(model: WasmFunction, count: number, next: () => number | null): WasmFunction {
  const rewrite = (x: Operand): Operand => {
    if (!isInstruction(x)) return x;
    const [op, ...operands] = x;
    if (op === "i32.const") {
      const parameter = next();
      return parameter === null ? x : get(model.params + parameter, "i32");
    }
    if (op === "local.get" || op === "local.set") {
      const local = Number(operands[0]);
      const moved = local < model.params ? local : local + count;
      return [op, moved, ...operands.slice(1).map(rewrite)];
    }
    return [op, ...operands.map(rewrite)];
  };
  const body: Instruction[] = [];
  for (const x of model.body) {
    const y = rewrite(x);
    if (isInstruction(y)) body.push(y);
  }
  return { ...model, params: model.params + count, body };
}

// Values of symbolic dimensions from the shapes of what the caller passes in. Every dimension that is linear in one
// unknown symbol gives its value (32 * h with size 224: h = 7); all others are checked once their symbols are known.

import { type Dim, dependsOn, evaluate, formatDim, linearIn, type Sym, symsOf } from "../ir/dim.js";
import type { Tensor } from "../ir/tensor.js";
import type { TensorType } from "../ir/types.js";
import { formatType } from "../ir/types.js";
import { InputIssue } from "./input-issue.js";

export interface Argument {
  /** `input "x"` or `state "cache"`: for messages. */
  readonly what: string;
  readonly name: string;
  readonly type: TensorType;
  readonly tensor: Tensor;
}

interface Equation {
  readonly argument: Argument;
  readonly axis: number;
  readonly dim: Dim;
  readonly size: number;
}

/** Symbols by name, from the arguments' sizes. Throws InputIssue where an argument does not fit its type. */
export function bindSymbols(args: readonly Argument[]): Map<string, number> {
  const env = new Map<string, number>();
  let open: Equation[] = [];
  for (const argument of args) {
    const { tensor, type, what, name } = argument;
    if (tensor.dtype !== type.dtype)
      throw new InputIssue("dtype_mismatch", name, `${what} has dtype ${tensor.dtype}, wants ${formatType(type)}`);
    if (tensor.shape.length !== type.shape.length)
      throw new InputIssue(
        "rank_mismatch",
        name,
        `${what} has shape [${tensor.shape.join(", ")}], wants ${formatType(type)}`,
      );
    for (const [axis, dim] of type.shape.entries()) open.push({ argument, axis, dim, size: tensor.shape[axis] ?? 0 });
  }
  for (let progress = true; progress; ) {
    progress = false;
    const rest: Equation[] = [];
    for (const equation of open) {
      if (settle(equation, env)) progress = true;
      else rest.push(equation);
    }
    open = rest;
  }
  const [stuck] = open;
  if (stuck !== undefined) {
    const unknown = unknownsOf(stuck.dim, env).map((s) => s.name);
    throw new InputIssue(
      "symbol_unbound",
      stuck.argument.name,
      `${stuck.argument.what}: size ${stuck.size} of axis ${stuck.axis} = ${formatDim(stuck.dim)} does not tell ${unknown.join(", ")}`,
    );
  }
  return env;
}

function unknownsOf(dim: Dim, env: ReadonlyMap<string, number>): Sym[] {
  return [...symsOf(dim)].filter((s) => !env.has(s.name));
}

function lookup(env: ReadonlyMap<string, number>): (name: string) => number {
  return (name) => env.get(name) ?? Number.NaN;
}

/** Uses up an equation: checks it where all is known, solves it where one symbol is not; false where it must wait. */
function settle({ argument, axis, dim, size }: Equation, env: Map<string, number>): boolean {
  const { what, name, type, tensor } = argument;
  const have = `${what} has shape [${tensor.shape.join(", ")}], wants ${formatType(type)}`;
  const unknown = unknownsOf(dim, env);
  const [s] = unknown;
  if (s === undefined) {
    const want = evaluate(dim, lookup(env));
    if (want !== size) throw new InputIssue("size_mismatch", name, `${have}: axis ${axis} is ${size}, not ${want}`);
    return true;
  }
  if (unknown.length > 1) return false;
  const line = linearIn(dim, s);
  if (line === null || dependsOn(line.coeff, s)) return false;
  const coeff = evaluate(line.coeff, lookup(env));
  const rest = evaluate(line.rest, lookup(env));
  if (coeff === 0) return false;
  const value = (size - rest) / coeff;
  if (!Number.isInteger(value))
    throw new InputIssue("size_mismatch", name, `${have}: axis ${axis} is ${size}, and no whole ${s.name} gives that`);
  if (value < s.lo || value > s.hi)
    throw new InputIssue(
      "symbol_out_of_range",
      name,
      `${have}: axis ${axis} is ${size}, so ${s.name} is ${value}, wants ${s.lo} to ${s.hi}`,
    );
  env.set(s.name, value);
  return true;
}

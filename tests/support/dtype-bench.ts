// One graph of many small cases over one dtype, run compiled and on the reference, and compared: bit for bit, except for
// functions with a stated bound.

import { input } from "../../compiler/ir/build.js";
import { DTYPES, type DType } from "../../compiler/ir/dtype.js";
import { type Binding, Builder, type Value } from "../../compiler/ir/graph.js";
import type { ScalarName } from "../../compiler/ir/ops/scalar.js";
import { scalarRow } from "../../compiler/ir/ops/scalar.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load } from "../../runtime-shim/index.js";
import { graphOf } from "./reference.js";
import { fromValue, toValue } from "./values.js";

export interface MathCase {
  readonly op: ScalarName;
  readonly args: readonly Tensor[];
  /** Units in the last place of the register that computes it. */
  readonly ulps: number;
}

export interface Case {
  readonly op: string;
  readonly dtype: DType;
  readonly label: string;
  readonly name: string;
  readonly math?: MathCase;
  /** |a - b| <= tolerance * max(1, |b|). */
  readonly tolerance?: number;
}

export class Bench {
  readonly b = new Builder();
  readonly cases: Case[] = [];
  readonly #inputs: Value[] = [];
  readonly #bindings: Binding[] = [];
  readonly #feeds: Record<string, Tensor> = {};
  readonly #outputs: Record<string, Value> = {};

  /** A graph input with its value in this run. */
  input(name: string, t: Tensor): Value {
    const v = input(this.b, name, t.dtype, t.shape);
    this.#inputs.push(v);
    this.#feeds[name] = t;
    return v;
  }

  bind(binding: Binding): void {
    this.#bindings.push(binding);
  }

  /** A value to compare, as a case of `op` on `dtype`. */
  expect(op: string, dtype: DType, label: string, value: Value, rule: Pick<Case, "math" | "tolerance"> = {}): void {
    const name = `o${this.cases.length}`;
    this.#outputs[name] = value;
    this.cases.push({ op, dtype, label, name, ...rule });
  }

  /** What differs, in words; empty where nothing does. */
  async run(): Promise<string[]> {
    const graph = graphOf(this.b, this.#inputs, this.#outputs, this.#bindings);
    const { bundle } = compile({ graph, builder: this.b });
    const model = await load(bundle);
    const feeds = Object.fromEntries(Object.entries(this.#feeds).map(([name, t]) => [name, toValue(t)]));
    const have = model.runSync(feeds);
    const want = interpret(graph, this.#feeds).outputs;
    const issues: string[] = [];
    for (const c of this.cases) {
      const [h, w] = [have[c.name], want[c.name]];
      if (h === undefined || w === undefined) throw new Error(`no output ${c.name}`);
      const issue = compare(fromValue(h), w, c);
      if (issue !== null) issues.push(`${c.op} ${c.dtype} (${c.label}): ${issue}`);
    }
    return issues;
  }
}

function compare(have: Tensor, want: Tensor, c: Case): string | null {
  if (have.dtype !== want.dtype || have.shape.join() !== want.shape.join())
    return `is ${have.dtype}[${have.shape.join()}], want ${want.dtype}[${want.shape.join()}]`;
  const wrong: string[] = [];
  for (let i = 0; i < want.size; i++) {
    const [h, w] = [have.elements[i], want.elements[i]];
    if (Object.is(h, w)) continue;
    if (c.math !== undefined && isNear(Number(h), have.dtype, c.math, i)) continue;
    if (c.tolerance !== undefined && Math.abs(Number(h) - Number(w)) <= c.tolerance * Math.max(1, Math.abs(Number(w))))
      continue;
    const of = c.math === undefined ? "" : ` of ${c.math.args.map((t) => String(t.elements[i])).join(", ")}`;
    wrong.push(`[${i}]${of} is ${String(h)}, want ${String(w)}`);
  }
  return wrong.length === 0 ? null : `${wrong.length} of ${want.size} differ: ${wrong.slice(0, 3).join("; ")}`;
}

/** Whether a value is what some number within the bound of the exact result rounds to. */
function isNear(have: number, dtype: DType, { op, args, ulps }: MathCase, i: number): boolean {
  const row = scalarRow(op);
  const [x, y] = args.map((t) => t.at(i));
  if (row.float === undefined || x === undefined) return false;
  const wide = dtype === "f64";
  const exact = Number(row.float(x, y ?? 0));
  if (Number.isNaN(exact) || exact === 0) return false;
  const step = ulps * ulpOf(exact, wide ? 52 : 23, wide ? -1022 : -126);
  const [low, high] = [exact - step, exact + step].map((v) => tensorFrom(dtype, [], [v]).at(0));
  return low !== undefined && high !== undefined && low <= have && have <= high;
}

function ulpOf(x: number, mantissa: number, least: number): number {
  const exponent = Math.max(least, Math.floor(Math.log2(Math.abs(x))));
  return 2 ** Math.max(-1074, Math.min(exponent, DTYPES.f64.bits * 15) - mantissa);
}

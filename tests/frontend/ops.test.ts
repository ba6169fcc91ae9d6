// Every method of the tensor API that PyTorch's golden calls reach, traced, run on the reference and compared with what
// PyTorch gave: floats with its results in float64, integers and booleans exactly.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Tensor as Traced } from "../../compiler/frontend/tensor.js";
import { trace } from "../../compiler/frontend/trace.js";
import { type DType, isDType, isFloat } from "../../compiler/ir/dtype.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { readSafetensors } from "../support/safetensors.js";
import { suiteFolder } from "../support/suites.js";
import { wantSound } from "./run.js";
import { type Adapter, type Arg, Call, OtherForm } from "./torch-call.js";
import { elementwise } from "./torch-elementwise.js";
import { layers } from "./torch-layers.js";
import { structural } from "./torch-structural.js";

interface TensorRef {
  readonly tensor: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [k: string]: Json };

interface Case {
  readonly id: string;
  readonly input: Json;
  readonly args: readonly Json[];
  readonly kwargs: Readonly<Record<string, Json>>;
  readonly out: readonly TensorRef[];
  readonly out64?: readonly TensorRef[];
}

const RTOL = 2e-5;
const ATOL = 2e-6;

function dtypeOf(name: string): DType {
  const short = name.replace("float", "f").replace("uint", "u").replace("int", "i");
  if (!isDType(short)) throw new RangeError(name);
  return short;
}

/** Runs one case: null where the results agree, else what is wrong. */
function runCase(c: Case, file: ReadonlyMap<string, Tensor>, adapter: Adapter): string | null {
  const given: Record<string, Tensor> = {};
  const collect = (j: Json): void => {
    if (typeof j !== "object" || j === null) return;
    if (isList(j)) j.forEach(collect);
    else if (typeof j["tensor"] === "string") {
      const data = file.get(j["tensor"]);
      if (data !== undefined) given[j["tensor"]] = data;
    } else Object.values(j).forEach(collect);
  };
  collect([c.input, c.args, c.kwargs]);
  const specs = Object.fromEntries(Object.entries(given).map(([k, t]) => [k, { dtype: t.dtype, sizes: t.shape }]));
  const { graph } = trace(specs, (tensors) => {
    const arg = (j: Json): Arg => {
      if (typeof j !== "object" || j === null) return j;
      if (isList(j)) return j.map(arg);
      if (typeof j["tensor"] === "string") return tensors[j["tensor"]] ?? null;
      if (typeof j["float"] === "string")
        return j["float"] === "inf" ? Infinity : j["float"] === "-inf" ? -Infinity : NaN;
      return typeof j["dtype"] === "string" ? { dtype: dtypeOf(j["dtype"]) } : null;
    };
    const call = new Call(
      arg(c.input),
      c.args.map(arg),
      Object.fromEntries(Object.entries(c.kwargs).map(([k, v]) => [k, arg(v)])),
    );
    const out = adapter(call);
    call.finish();
    return out instanceof Traced ? [out] : out;
  });
  wantSound(graph);
  const { outputs } = interpret(graph, given);
  for (const [i, have] of Object.values(outputs).entries()) {
    const want32 = c.out[i];
    const want = file.get((c.out64?.[i] ?? want32)?.tensor ?? "");
    if (want === undefined || want32 === undefined) return `output ${i} is not PyTorch's`;
    if (have.dtype !== dtypeOf(want32.dtype)) return `output ${i} is ${have.dtype}, PyTorch's is ${want32.dtype}`;
    if (have.shape.join() !== want.shape.join())
      return `output ${i} has shape [${have.shape}], PyTorch's [${want.shape}]`;
    const at = firstDifference(have, want);
    if (at >= 0) return `output ${i}[${at}] is ${have.elements[at]}, PyTorch's ${want.elements[at]}`;
  }
  return null;
}

function isList(j: Json): j is readonly Json[] {
  return Array.isArray(j);
}

function firstDifference(have: Tensor, want: Tensor): number {
  if (!isFloat(have.dtype)) return [...have.elements].findIndex((v, i) => v !== want.elements[i]);
  return have.numbers().findIndex((v, i) => {
    const w = want.at(i);
    return !(Object.is(v, w) || v === w || Math.abs(v - w) <= ATOL + RTOL * Math.abs(w));
  });
}

function runTable(t: ExecutionContext, table: Readonly<Record<string, Adapter>>): void {
  const root = suiteFolder("torch");
  if (root === null) {
    t.log("skipped: the PyTorch suite is absent");
    t.pass();
    return;
  }
  const folder = join(root, "ops");
  const known = new Set(readdirSync(folder));
  const failures: string[] = [];
  const others: string[] = [];
  const absent: string[] = [];
  let agreed = 0;
  let covered = 0;
  for (const [name, adapter] of Object.entries(table)) {
    if (!known.has(`${name}.json`)) {
      absent.push(name);
      continue;
    }
    const cases = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as readonly Case[];
    const file = readSafetensors(join(folder, `${name}.safetensors`));
    const before = agreed;
    for (const c of cases)
      try {
        const wrong = runCase(c, file, adapter);
        if (wrong === null) agreed++;
        else failures.push(`${c.id}: ${wrong}`);
      } catch (e) {
        if (e instanceof OtherForm) others.push(`${c.id} (${e.message})`);
        else failures.push(`${c.id}: ${String(e)}`);
      }
    if (agreed > before) covered++;
  }
  t.log(`${agreed} calls of ${covered} operators agree with PyTorch; ${others.length} are in a form the API has not`);
  if (others.length > 0) t.log(others.join(", "));
  if (absent.length > 0) t.log(`not in the suite: ${absent.join(", ")}`);
  t.deepEqual(failures, []);
}

test("elementwise methods agree with PyTorch", (t) => runTable(t, elementwise));
test("reductions, shapes and indexing agree with PyTorch", (t) => runTable(t, structural));
test("layers agree with PyTorch", (t) => runTable(t, layers));

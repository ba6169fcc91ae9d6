// Every scalar op on every dtype, compiled to WebAssembly, against the reference: on all pairs of a table of values that
// holds zeros of both signs, NaN, infinities, denormals and the dtype's limits. Integers, bools, NaN, infinities and the
// sign of zeros exactly, other floats within a few units in the last place. Casts between all dtypes likewise.

import test, { type ExecutionContext } from "ava";
import * as ir from "../../compiler/ir/build.js";
import { DTYPES, type DType, isFloat } from "../../compiler/ir/dtype.js";
import { Refused } from "../../compiler/ir/errors.js";
import { Builder, type Graph, type GraphOutput } from "../../compiler/ir/graph.js";
import { SCALAR, type ScalarName } from "../../compiler/ir/ops/scalar.js";
import { inDomain } from "../../compiler/ir/ops/scalar-rows.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load } from "../../runtime-shim/index.js";
import { fromValue, toValue } from "../support/values.js";

const NUMERIC = (Object.keys(DTYPES) as DType[]).filter((d) => !["complex", "string"].includes(DTYPES[d].kind));
const FLOATS = [
  0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, -7.25, 10, 88.5, -104, 1e-3, -1e-3, 1e-40, 1e30, -3e38, 12345.678,
];
const SPECIAL = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

function valuesOf(dtype: DType): readonly (number | bigint)[] {
  if (dtype === "bool") return [0, 1];
  if (isFloat(dtype)) return [...FLOATS, ...SPECIAL];
  const { bits, kind } = DTYPES[dtype];
  const signed = kind === "int";
  const [lo, hi] = signed ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n] : [0n, 2n ** BigInt(bits) - 1n];
  const list = [0n, 1n, 2n, 3n, 5n, 7n, 31n, 32n, 63n, 64n, 100n, hi, hi - 1n, lo, lo + 1n, hi / 2n];
  const all = signed ? [...list, -1n, -2n, -3n, -5n, -31n, -100n] : list;
  const fits = [...new Set(all)].filter((v) => v >= lo && v <= hi);
  return bits === 64 ? fits : fits.map(Number);
}

/** All pairs of the table, in two tensors. */
function pairs(dtype: DType): readonly [Tensor, Tensor] {
  const table = valuesOf(dtype);
  const n = table.length ** 2;
  const at = (i: number): number | bigint => table[i] ?? 0;
  const first = Array.from({ length: n }, (_, i) => at(Math.floor(i / table.length)));
  const second = Array.from({ length: n }, (_, i) => at(i % table.length));
  return [tensorFrom(dtype, [n], first), tensorFrom(dtype, [n], second)];
}

/** Units in the last place of the results of functions that are not exact: of f32, and of f64. */
const ULPS = 6;
const EXACT_FLOAT = /^(add|sub|mul|div|max|min|neg|abs|sign|sqrt|floor|ceil|trunc|round|nearest)$/u;

function epsilonOf(dtype: DType): number {
  switch (dtype) {
    case "f64":
      return 2 ** -52;
    case "f32":
      return 2 ** -23;
    case "f16":
      return 2 ** -10;
    case "bf16":
      return 2 ** -7;
    default:
      return 2 ** -2;
  }
}

/** Narrow floats are computed in f32 and rounded, which may be one unit off. */
function isClose(op: string, dtype: DType, x: number, y: number): boolean {
  if (Object.is(x, y)) return true;
  if (!Number.isFinite(x) || !Number.isFinite(y) || (x === 0 && y === 0)) return false;
  const wide = dtype === "f32" || dtype === "f64";
  const ulps = wide ? (EXACT_FLOAT.test(op) ? 0 : ULPS) : 1;
  const least = dtype === "f64" ? 5e-324 : dtype === "f32" ? 2 ** -149 : 0;
  return Math.abs(x - y) <= ulps * Math.max(epsilonOf(dtype) * Math.abs(y), least);
}

function problem(op: string, have: Tensor | undefined, want: Tensor, inputs: readonly Tensor[]): string | null {
  if (have === undefined || have.dtype !== want.dtype) return `${op} is missing or of another dtype`;
  const wrong: string[] = [];
  for (let i = 0; i < want.size; i++) {
    const a = have.elements[i];
    const b = want.elements[i];
    if (Object.is(a, b) || (isFloat(want.dtype) && isClose(op, want.dtype, Number(a), Number(b)))) continue;
    wrong.push(`${op}(${inputs.map((x) => show(x.elements[i])).join(", ")}) is ${show(a)}, want ${show(b)}`);
  }
  return wrong.length === 0 ? null : `${wrong.length} wrong: ${wrong.slice(0, 4).join("; ")}`;
}

const show = (v: unknown): string => (Object.is(v, -0) ? "-0" : String(v));

async function compareAll(
  t: ExecutionContext,
  name: string,
  dtype: DType,
  make: (b: Builder) => Graph,
): Promise<boolean> {
  const builder = new Builder();
  const graph = make(builder);
  const [x, y] = pairs(dtype);
  const inputs: Record<string, Tensor> = graph.inputs.length > 1 ? { x, y } : { x };
  const want = interpret(graph, inputs).outputs;
  let bundle: Uint8Array<ArrayBuffer>;
  try {
    ({ bundle } = compile({ graph, builder }));
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
    t.log(`${name} is refused: ${e.refusals[0]?.detail ?? ""}`);
    return false;
  }
  const model = await load(bundle);
  const outputs = model.runSync(Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, toValue(v)])));
  const problems = Object.entries(want).flatMap(([op, w]) => {
    const h = outputs[op];
    return problem(op, h === undefined ? undefined : fromValue(h), w, [x, y]) ?? [];
  });
  t.deepEqual(problems, [], name);
  return true;
}

function graphOf(b: Builder, inputs: Graph["inputs"], outputs: readonly GraphOutput[]): Graph {
  return { name: "scalars", inputs, outputs, states: [], bindings: [], constraints: b.constraints };
}

for (const dtype of NUMERIC) {
  const size = valuesOf(dtype).length ** 2;
  test.serial(`scalar ops on ${dtype}`, async (t) => {
    const ops = (Object.keys(SCALAR) as ScalarName[]).filter((op) => inDomain(dtype, SCALAR[op].domain));
    await compareAll(t, dtype, dtype, (b) => {
      const [x, y] = [ir.input(b, "x", dtype, [size]), ir.input(b, "y", dtype, [size])];
      const outputs = ops.map((op) => ({
        name: op,
        value: SCALAR[op].arity === 1 ? ir.scalarOp(b, op, x) : ir.scalarOp(b, op, x, y),
      }));
      return graphOf(b, [x, y], outputs);
    });
    t.pass();
  });
}

for (const dtype of NUMERIC) {
  const size = valuesOf(dtype).length ** 2;
  test.serial(`casts from ${dtype}`, async (t) => {
    await compareAll(t, `casts from ${dtype}`, dtype, (b) => {
      const x = ir.input(b, "x", dtype, [size]);
      const outputs = NUMERIC.flatMap((to) =>
        [false, true].map((saturate) => ({
          name: `${to}${saturate ? " saturating" : ""}`,
          value: ir.cast(b, x, to, saturate),
        })),
      );
      return graphOf(b, [x], outputs);
    });
    t.pass();
  });
}

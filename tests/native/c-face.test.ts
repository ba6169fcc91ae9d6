// What a library tells and does through its C face, seen from another language: descriptions, sizes that depend on data,
// strings, states, arenas, threads, levels of CPUs, weights inside, and the command that makes it.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { f32, state, tensor, trace } from "../../compiler/index.js";
import * as ir from "../../compiler/ir/build.js";
import { constant } from "../../compiler/ir/build-scalar.js";
import { sym } from "../../compiler/ir/dim.js";
import { Builder } from "../../compiler/ir/graph.js";
import { StringTable } from "../../compiler/ir/strings.js";
import { type CompileOptions, compile } from "../../compiler/pipeline.js";
import { NATIVE } from "../../targets/native-targets.js";
import { fails, folder, json, works } from "../cli/command.js";
import { chain } from "../cli/tiny-onnx.js";
import { CLibrary, CModel, type CStatus, isStatus } from "../support/c-model.js";
import { nativeHost } from "../support/native.js";
import type { Value } from "../support/oracle.js";
import { graphOf } from "../support/reference.js";

const host = nativeHost();
const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("libraries for C", (t) => t.pass(`skipped: ${host}`));
const { target, levels } = typeof host === "string" ? ({ target: "x86-64", levels: [] } as const) : host;

interface Written {
  readonly library: CLibrary;
  readonly bundle: string;
  readonly bytes: Uint8Array;
}

type Source = Parameters<typeof compile>[0];

function written(t: ExecutionContext, source: Source, options: CompileOptions = {}): Written {
  const at = mkdtempSync(join(tmpdir(), "psionic-c-"));
  t.teardown(() => rmSync(at, { recursive: true }));
  const made = compile(source, { target, library: { name: "m" }, ...options });
  const [path, bundle] = [join(at, "libm.so"), join(at, "m.psn")];
  writeFileSync(path, made.library?.library ?? "");
  writeFileSync(bundle, made.bundle);
  return { library: new CLibrary(path, options.library?.prefix), bundle, bytes: made.bundle };
}

function loaded(x: CModel | CStatus): CModel {
  if (x instanceof CModel) return x;
  throw new Error(`status ${x.status}: ${x.text}`);
}

const values = (data: readonly number[], shape: readonly number[] = [data.length]): Value => ({
  dtype: "f32",
  shape,
  data: Float32Array.from(data),
});

/** The numbers of an output, or the text of the error. */
function numbers(model: CModel, inputs: Readonly<Record<string, Value>>, output = "y"): readonly unknown[] | string {
  const outputs = model.run(inputs);
  return isStatus(outputs) ? outputs.text : [...(outputs[output]?.data ?? [])];
}

native("ports and symbols are told as the model has them", (t) => {
  const b = new Builder();
  const n = sym("n", 1, 7);
  const x = ir.input(b, "tall \u00e4", "f16", [n, 3]);
  const y = ir.concat(b, [x, x], 0);
  const { library } = written(t, { graph: graphOf(b, [x], { y }), builder: b });
  t.is(library.call("uint32_t", "abi_version", "void"), 1);
  t.deepEqual(library.ports("input"), [
    { name: "tall \u00e4", shape: "f16[n, 3]", dtype: "f16", dims: [-1, 3], bytes: 42 },
  ]);
  t.deepEqual(library.ports("output"), [{ name: "y", shape: "f16[n*2, 3]", dtype: "f16", dims: [-1, 3], bytes: 84 }]);
  t.deepEqual(library.ports("state"), []);
  const range = Buffer.alloc(24);
  t.is(library.call("int", "symbol", "size_t index, void *range", 0, range), 0);
  t.deepEqual([range.readBigInt64LE(8), range.readBigInt64LE(16)], [1n, 7n]);
});

native("a size that depends on data is told by the run, and one out of its range is a status", (t) => {
  const b = new Builder();
  const [n, c] = [sym("n", 1, 6), sym("c", 0, 3)];
  const x = ir.input(b, "x", "f32", [n]);
  const y = ir.nonzero(b, x, c);
  const graph = graphOf(b, [x], { y }, [{ symbol: c, from: "axis", value: y, index: 1 }]);
  const { library, bundle } = written(t, { graph, builder: b });
  const model = loaded(library.load(bundle));
  t.deepEqual(model.shapes({ x: values([0, 1, 0, 2]) }), [[1, -1]]);
  t.deepEqual(numbers(model, { x: values([0, 1, 0, 2]) }), [1n, 3n]);
  t.deepEqual(numbers(model, { x: values([0, 0]) }), []);
  t.regex(String(numbers(model, { x: values([1, 1, 1, 1]) })), /a size that depends on data left its range/);
  t.deepEqual(numbers(model, { x: values([5]) }), [0n], "usable after an error");
  model.free();
});

native("an index outside its data is a status", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "i32", [2]);
  const data = ir.input(b, "data", "f32", [3]);
  const { library, bundle } = written(t, { graph: graphOf(b, [x, data], { y: ir.gather(b, data, x) }), builder: b });
  const model = loaded(library.load(bundle));
  const run = (at: readonly number[]) =>
    model.run({ data: values([7, 8, 9]), x: { dtype: "i32", shape: [2], data: Int32Array.from(at) } });
  const wrong = run([0, 3]);
  t.true(isStatus(wrong) && wrong.status === 13 && /an index is outside its data/.test(wrong.text));
  t.false(isStatus(run([0, 2])));
  model.free();
});

native("strings are places in the model's list", (t) => {
  const b = new Builder();
  const table = new StringTable();
  const labels = constant(b, table.tensor([3], ["cat", "dog", "\u00e4pfel"]));
  const x = ir.input(b, "x", "i32", [2]);
  const graph = { ...graphOf(b, [x], { y: ir.gather(b, labels, x) }), strings: table.strings };
  const { library, bundle } = written(t, { graph, builder: b });
  const model = loaded(library.load(bundle));
  const at = numbers(model, { x: { dtype: "i32", shape: [2], data: Int32Array.of(2, 0) } });
  const text = (place: unknown): unknown => library.call("const char *", "string", "size_t place", place);
  t.is(library.ports("output")[0]?.dtype, "str");
  t.deepEqual(typeof at === "string" ? at : at.map(text), ["\u00e4pfel", "cat"]);
  t.is(text(library.count("string")), null);
  model.free();
});

/** A running sum, times 2. */
const running = () =>
  trace({ x: f32(2) }, ({ x }) => {
    const sum = state("sum", f32(2));
    sum.add_(x);
    return { y: sum.mul(tensor(Float32Array.of(2, 2), [2])) };
  });

native(
  "states stay, can be set, and are zeros after reset; two models of a library know nothing of each other",
  (t) => {
    const { library, bundle, bytes } = written(t, running());
    const [one, two] = [loaded(library.load(bundle)), loaded(library.load(bytes))];
    const x = values([1, 2]);
    t.deepEqual(numbers(one, { x }), [2, 4]);
    t.deepEqual(numbers(one, { x }), [4, 8]);
    t.deepEqual(numbers(two, { x }), [2, 4]);
    t.is(one.reset(), 0);
    t.deepEqual(numbers(one, { x }), [2, 4]);
    two.state(0).set(new Uint8Array(Float32Array.of(10, 20).buffer));
    t.deepEqual(numbers(two, { x }), [22, 44]);
    for (const model of [one, two]) model.free();
  },
);

native("an arena of the caller's own, of exactly the bytes that are asked for", (t) => {
  const { library, bundle } = written(t, running());
  const bytes = Number(library.call("uint64_t", "arena_bytes", "void"));
  const model = loaded(library.load(bundle, { arena: { bytes, off: 0 } }));
  t.deepEqual(numbers(model, { x: values([1, 2]) }), [2, 4]);
  model.free();
  const small = library.load(bundle, { arena: { bytes: bytes - 1, off: 0 } });
  t.true(isStatus(small) && small.status === 5);
});

native("a library with threads takes up to 64, one without takes one", (t) => {
  const alone = written(t, running());
  const refused = alone.library.load(alone.bundle, { threads: 2 });
  t.true(isStatus(refused) && refused.status === 11 && /--threads/.test(refused.text));
  const shared = written(t, running(), { threads: true, cpus: levels });
  for (const threads of [0, 1, 2, 64]) {
    const model = loaded(shared.library.load(shared.bundle, { threads }));
    t.deepEqual(numbers(model, { x: values([1, 2]) }), [2, 4]);
    model.free();
  }
  const many = shared.library.load(shared.bundle, { threads: 65 });
  t.true(isStatus(many) && many.status === 11);
});

native("weights inside the library need no bundle", (t) => {
  const { library, bundle } = written(t, running(), { library: { name: "m", prefix: "own", embedWeights: true } });
  for (const source of [null, bundle]) {
    const model = loaded(library.load(source));
    t.deepEqual(numbers(model, { x: values([1, 2]) }), [2, 4]);
    model.free();
  }
});

native("a library loads where the CPU has its level, and only there", (t) => {
  for (const level of Object.keys(NATIVE[target].levels)) {
    const { library, bundle } = written(t, running(), { cpus: [level] });
    const model = library.load(bundle);
    t.is(isStatus(model), !levels.includes(level), level);
    if (isStatus(model)) t.regex(model.text, /the CPU lacks/);
    else model.free();
  }
  const all = written(t, running(), { cpus: Object.keys(NATIVE[target].levels) });
  const model = loaded(all.library.load(all.bundle));
  t.deepEqual(numbers(model, { x: values([1, 2]) }), [2, 4]);
  model.free();
});

native("the command writes library, header and bundle together, and nothing where it fails", (t) => {
  const f = folder(t);
  f.write("tiny net.v1.onnx", chain());
  const compiling = ["compile", "tiny net.v1.onnx", "--dim", "n=1..3"];
  const ran = json(t, f.run([...compiling, "--target", target, "--c-library", "out", "--json"]));
  t.like(ran, { output: "out/tiny_net_v1.psn", library: "out/libtiny_net_v1.so", header: "out/tiny_net_v1.h" });
  t.deepEqual(
    f.list().filter((p) => p.startsWith("out/")),
    ["out/libtiny_net_v1.so", "out/tiny_net_v1.h", "out/tiny_net_v1.psn"],
  );
  const library = new CLibrary(join(f.path, "out/libtiny_net_v1.so"));
  const model = loaded(library.load(join(f.path, "out/tiny_net_v1.psn")));
  t.deepEqual(numbers(model, { x: values([1, -1, 1], [1, 3]) }), [2, 2, 6]);
  model.free();

  works(t, f.run([...compiling, "--target", target, "--c-library", "in", "--embed-weights", "--c-prefix", "tiny"]));
  t.regex(f.text("in/tiny_net_v1.h"), /tiny_load\(/);
  fails(t, f.run([...compiling, "--target", "wasm", "--c-library", "none"]), 1, /a C library is native code/);
  fails(
    t,
    f.run([...compiling, "--target", target, "--c-library", "none", "--c-prefix", "a-b"]),
    1,
    /no identifier of C/,
  );
  fails(t, f.run([...compiling, "--embed-weights"]), 2, /add --c-library/);
  t.deepEqual(
    f.list().filter((p) => p.startsWith("none/")),
    [],
  );
});

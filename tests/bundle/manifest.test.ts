// A manifest that was edited and whose digest was made right again: every field, with many values. Either the shim
// refuses with LoadError, or what it loads stays safe and typed: calls give tensors, InputError or RunError.

import test, { type ExecutionContext } from "ava";
import canonicalize from "canonicalize";
import { InputError, LoadError, load, type Model, RunError, TensorView } from "../../runtime-shim/index.js";
import { fakeBundle, manifestText, narrowBundle, withManifest } from "../support/fake-bundle.js";

const bundle = fakeBundle();
const narrow = narrowBundle();
const original: unknown = JSON.parse(manifestText(bundle));

type Path = readonly (string | number)[];

function* pathsOf(value: unknown, path: Path = []): Generator<readonly [Path, unknown]> {
  if (path.length > 0) yield [path, value];
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value))
    yield* pathsOf(item, [...path, Array.isArray(value) ? Number(key) : key]);
}

const REMOVE = Symbol("remove");

function edited(value: unknown, path: Path, to: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return to;
  if (Array.isArray(value)) {
    const items: unknown[] = [...value];
    if (rest.length === 0 && to === REMOVE) items.splice(Number(key), 1);
    else items[Number(key)] = edited(items[Number(key)], rest, to);
    return items;
  }
  const fields: Record<string, unknown> = { ...(value as Record<string, unknown>) };
  if (rest.length === 0 && to === REMOVE) delete fields[key];
  else fields[key] = edited(fields[key], rest, to);
  return fields;
}

function replacements(value: unknown): readonly unknown[] {
  const common = [null, true, -1, 0, 1, "", "n", [], {}, REMOVE];
  if (typeof value === "number") {
    const near = [value + 1, value - 1, value + 4, value + 64, value * 2, 0.5];
    return [...common, ...near, 65535, 65536, 2 ** 31, 2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER, 2 ** 53, 1e300];
  }
  if (typeof value === "string") {
    return [
      ...common,
      `${value}x`,
      value.slice(1),
      value.toUpperCase(),
      "__proto__",
      "constructor",
      "k",
      "main",
      "f64",
    ];
  }
  if (Array.isArray(value))
    return [...common, [...value, ...value], [...value, null], value.slice(1), ["div", "n", 0], ["mul", "n", 1e9]];
  return [...common, { ...(value as object), extra: 1 }];
}

const calls: readonly (readonly [entry: string, inputs: Parameters<Model["runSync"]>[0]])[] = [
  ["main", { x: [1, -2, 3], flag: [1, 0] }],
  ["main", { x: { data: new Float32Array(64), shape: [64] }, flag: [1, 0] }],
  ["pick", { at: [3n, 63n] }],
  ["fail", { kind: 0 }],
  ["fail", { kind: 2 }],
  ["say", { words: ["yes", "maybe"] }],
  ["pair", { a: { data: new Float32Array(4), shape: [2, 2] }, b: new Uint8Array(5) }],
];

/** Runs all that the calls can reach; returns what is wrong, or null. */
function misbehaves(model: Model): string | null {
  for (const [entry, inputs] of calls) {
    try {
      for (const [name, tensor] of Object.entries(model.runSync(inputs, { entry }))) {
        const elems = tensor.shape.reduce((a, b) => a * b, 1);
        if (!(tensor instanceof TensorView) || tensor.data.length !== elems) return `output ${name} of ${entry}`;
      }
    } catch (error) {
      if (!(error instanceof InputError) && !(error instanceof RunError)) return `${entry}: ${error}`;
    }
  }
  model.reset();
  for (const s of model.states) model.state(s.name).get();
  return null;
}

/** `paths` of the bundle's manifest, each with every replacement; how many edits there were, and how many loaded. */
async function editAll(
  t: ExecutionContext,
  from: Uint8Array,
  paths: readonly (readonly [Path, unknown])[],
): Promise<{ readonly edits: number; readonly loaded: number }> {
  const before: unknown = JSON.parse(manifestText(from));
  let edits = 0;
  let loaded = 0;
  for (const [path, value] of paths) {
    for (const to of replacements(value)) {
      const text = canonicalize(edited(before, path, to));
      if (text === undefined || text === manifestText(from)) continue;
      edits++;
      const where = `${path.join(".")} = ${String(canonicalize(to))}`;
      try {
        const wrong = misbehaves(await load(withManifest(from, text)));
        loaded++;
        if (wrong !== null) t.fail(`${where}: ${wrong}`);
      } catch (error) {
        if (!(error instanceof LoadError)) t.fail(`${where}: ${error}`);
      }
    }
  }
  t.log(`${edits} edits, ${edits - loaded} refused, ${loaded} loaded`);
  return { edits, loaded };
}

test("every field, edited in many ways, is refused or stays safe", async (t) => {
  const paths = [...pathsOf(original)].filter(([path]) => path[0] !== "levels" || path.length <= 2);
  const { edits, loaded } = await editAll(t, bundle, paths);
  t.true(edits > 3000 && loaded < edits / 4);
});

test("so is every field about weights that are widened", async (t) => {
  const about = ["widened", "memory", "blobs"];
  const paths = [...pathsOf(JSON.parse(manifestText(narrow)))].filter(([path]) => about.includes(String(path[0])));
  const { edits, loaded } = await editAll(t, narrow, paths);
  t.true(edits > 500 && loaded < edits / 4);
});

async function refusal(text: string, from = bundle): Promise<string> {
  try {
    await load(withManifest(from, text));
    return "it loaded";
  } catch (error) {
    if (error instanceof LoadError) return `${error.code} ${error.where}: ${error.have}`;
    throw error;
  }
}

async function refusalOf(path: Path, to: unknown): Promise<string> {
  return refusal(canonicalize(edited(original, path, to)) ?? "");
}

test("the manifest is canonical JSON", async (t) => {
  const text = manifestText(bundle);
  const other = "malformed_input manifest: JSON in another form";
  t.is(await refusal(text), "it loaded");
  t.is(await refusal(` ${text}`), other);
  t.is(await refusal(`${text}\n`), other);
  t.is(await refusal(JSON.stringify(JSON.parse(text), null, 1)), other);
  t.is(await refusal(text.replace(`"format":2`, `"format":2.0`)), other);
  t.is(await refusal(text.replace(`"format":2`, `"format":2e0`)), other);
  t.is(await refusal(text.replace(`"format":2`, `"format":2,"format":2`)), other);
  t.is(await refusal(text.replace(`"strict"`, `"\\u0073trict"`)), other);
  t.is(
    await refusal(text.replace(`"psionic 0.0.0"`, `"\\ud800"`)),
    "malformed_input manifest: a string that is not Unicode",
  );
  t.is(await refusal(`\ufeff${text}`), "malformed_input manifest: text that is not JSON in UTF-8");
  for (const bad of ["", "{", "nul", `${text}x`, "[".repeat(100_000)]) {
    t.is(await refusal(bad), "malformed_input manifest: text that is not JSON in UTF-8");
  }
  t.is(await refusal(`${"[".repeat(100_000)}${"]".repeat(100_000)}`), "resource_limit manifest: deeper nesting");
  for (const bad of ["null", "[]", "1", `"x"`]) t.regex(await refusal(bad), /^malformed_input manifest: /);
});

const findings: readonly (readonly [path: Path, to: unknown, message: string])[] = [
  [["memory", "bytes"], 65537, "malformed_input manifest.memory.bytes: 65537"],
  [["memory", "bytes"], 2 ** 33, "resource_limit manifest.memory.bytes: 8589934592"],
  [
    ["memory", "states", "offset"],
    1100,
    "malformed_input manifest.memory.states: bytes 1100..1164, which overlap manifest.memory.weights",
  ],
  [["memory", "arena", "bytes"], 65536, "malformed_input manifest.memory.arena: bytes 4096..69632"],
  [
    ["entries", 0, "inputs", 0, "offset"],
    1024,
    "malformed_input manifest.entries[0].inputs[0]: bytes 1024..1280, which overlap manifest.memory.weights",
  ],
  [
    ["entries", 0, "inputs", 0, "offset"],
    4480,
    "malformed_input manifest.entries[0].inputs[1]: bytes 4480..4482, which overlap manifest.entries[0].inputs[0]",
  ],
  [["entries", 0, "inputs", 0, "offset"], 4162, "malformed_input manifest.entries[0].inputs[0].offset: 4162"],
  [["entries", 0, "outputs", 0, "offset"], 65532, "malformed_input manifest.entries[0].outputs[0]: bytes 65532..65788"],
  [["entries", 0, "outputs", 0, "dtype"], "c64", `unsupported_dtype manifest.entries[0].outputs[0].dtype: "c64"`],
  [
    ["entries", 0, "inputs", 0, "shape"],
    ["k"],
    `malformed_input manifest.entries[0].inputs[0].shape[0]: the symbol "k"`,
  ],
  [
    ["entries", 0, "inputs", 0, "shape"],
    ["zz"],
    `malformed_input manifest.entries[0].inputs[0].shape[0]: the symbol "zz"`,
  ],
  [["entries", 0, "sources"], [], `malformed_input manifest.entries[0].sources: none for "n"`],
  [["entries", 0, "sources", 0, "axis"], 1, "malformed_input manifest.entries[0].sources[0].axis: 1"],
  [["entries", 0, "symbols"], ["k"], `malformed_input manifest.entries[0].symbols[0]: "k"`],
  [["entries", 1, "outputs", 0, "shape"], [3], "malformed_input manifest.entries[1].outputs[0].bytes: 8"],
  [
    ["entries", 1, "outputs", 0, "shape"],
    [["div", 1, 0]],
    "malformed_input manifest.entries[1].outputs[0].shape[0]: NaN",
  ],
  [["entries", 1, "name"], "main", `malformed_input manifest.entries: two named "main"`],
  [["entries", 0, "inputs", 1, "name"], "x", `malformed_input manifest.entries[0].inputs: two named "x"`],
  [["entries", 0, "export"], "nothing", `malformed_input module export "nothing": none`],
  [["entries", 0, "export"], "pick", `malformed_input module export "pick": 2 parameters`],
  [["symbols", 1, "offset"], 4097, "malformed_input manifest.symbols[1].offset: 4097"],
  [["symbols", 0, "hi"], 0, "malformed_input manifest.symbols[0].hi: 0"],
  [["states", 0, "offset"], 4096, "malformed_input manifest.states[0]: bytes 4096..4100"],
  [["blobs", 0, "offset"], 64, "malformed_input manifest.blobs[0].offset: 64"],
  [["blobs", 1, "kind"], "plan", "malformed_input manifest.blobs[2].kind: plan"],
  [["modules", 0, "blob"], 1, "malformed_input manifest.modules[0].blob: 1"],
  [["modules"], [], "malformed_input manifest.modules: 0 for 1 module blobs"],
];
for (const [path, to, message] of findings) {
  test(`${path.join(".")} = ${JSON.stringify(to)}`, async (t) => {
    t.is(await refusalOf(path, to), message);
  });
}

const part = { offset: 1024, bytes: 256, dtype: "f32", stored: "bf16", add: 0 };
const wideWeights: readonly (readonly [what: string, edits: Readonly<Record<string, unknown>>, message: string])[] = [
  ["before the weights", { widened: [{ ...part, offset: 960 }] }, "manifest.widened[0]: bytes 960..1216"],
  ["behind the weights", { widened: [{ ...part, offset: 1088 }] }, "manifest.widened[0]: bytes 1088..1344"],
  ["between blocks", { widened: [{ ...part, bytes: 100 }] }, "manifest.widened[0].bytes: 100"],
  ["empty", { widened: [{ ...part, bytes: 0 }] }, "manifest.widened[0].bytes: 0"],
  ["twice", { widened: [part, part] }, "manifest.widened[1].offset: 1024"],
  [
    "in another order",
    {
      widened: [
        { ...part, offset: 1152, bytes: 64 },
        { ...part, bytes: 64 },
      ],
    },
    "manifest.widened[1].offset: 1024",
  ],
  ["of other sizes", { widened: [{ ...part, bytes: 128 }] }, "manifest.blobs[1].bytes: 128"],
  ["of none", { widened: [] }, "manifest.blobs[1].bytes: 128"],
  ["with floats to add to", { widened: [{ ...part, add: 1 }] }, "manifest.widened[0].add: 1"],
  [
    "with more to add than there is",
    { widened: [{ ...part, dtype: "i32", stored: "u16", add: 2 ** 33 }] },
    "manifest.widened[0].add: 8589934592",
  ],
  ["too many", { widened: Array(65537).fill(part) }, "manifest.widened: 65537 items"],
];
for (const [what, edits, message] of wideWeights)
  test(`widened weights ${what}`, async (t) => {
    const manifest = { ...JSON.parse(manifestText(narrow)), ...edits };
    const code = what === "too many" ? "resource_limit" : "malformed_input";
    t.is(await refusal(canonicalize(manifest) ?? "", narrow), `${code} ${message}`);
  });

test("weights whose region has no whole blocks are not widened", async (t) => {
  const { memory, ...others } = JSON.parse(manifestText(narrow));
  const weights = { offset: memory.weights.offset + 32, bytes: memory.weights.bytes };
  const text = canonicalize({ ...others, memory: { ...memory, weights } }) ?? "";
  t.is(await refusal(text, narrow), "malformed_input manifest.memory.weights.offset: 1056");
});

test("a way to store weights that this runtime does not know is told as such", async (t) => {
  for (const [dtype, stored] of [
    ["f32", "f8e5m2"],
    ["f64", "f32"],
    ["f32", "f32"],
    ["bf16", "f32"],
    ["u8", "i8"],
  ]) {
    const text = canonicalize({ ...JSON.parse(manifestText(narrow)), widened: [{ ...part, dtype, stored }] }) ?? "";
    t.is(await refusal(text, narrow), `unsupported_dtype manifest.widened[0].stored: "${stored}"`);
  }
});

test("expressions of dimensions are bounded in depth and length", async (t) => {
  const shape = ["entries", 0, "outputs", 0, "shape"];
  let deep: unknown = "n";
  for (let i = 0; i < 65; i++) deep = ["min", deep, "n"];
  t.regex(await refusalOf(shape, [deep]), /^resource_limit .*: a deeper expression/);
  let wide: unknown = "n";
  for (let i = 0; i < 12; i++) wide = ["min", wide, wide];
  t.regex(await refusalOf(shape, [wide]), /^resource_limit .*: a longer expression/);
  t.regex(await refusalOf(shape, Array(33).fill(1)), /^resource_limit .*: 33 items/);
});

test("sizes that only a run shows to be wrong are run errors", async (t) => {
  const shape = ["entries", 0, "outputs", 0, "shape"];
  for (const dim of [
    ["mul", "n", 1e9],
    ["div", "n", ["add", "n", -3]],
    ["add", "n", -100],
    ["mod", 7, ["add", "n", -3]],
  ]) {
    const model = await load(withManifest(bundle, canonicalize(edited(original, shape, [dim])) ?? ""));
    const error = t.throws(() => model.runSync({ x: [1, 2, 3], flag: [0, 0] }), { instanceOf: RunError });
    t.is(error?.code, "bound");
  }
});

// A library's C face gives the bits that the bundle gives in Node: random graphs with sizes that vary, states, branches and
// loops, with the weights mapped and inside, on one thread and on several. What fails in one fails in the other, with a status of the same meaning.
// PSIONIC_RUNS multiplies the number of graphs, PSIONIC_SEED adds to the seeds.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import fc from "fast-check";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Refused } from "../../compiler/ir/errors.js";
import { Builder } from "../../compiler/ir/graph.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { print } from "../../compiler/ir/text.js";
import { type Compiled, compile } from "../../compiler/pipeline.js";
import { loadNative, type Model } from "../../runtime-shim/native.js";
import { bitDifference } from "../support/bits.js";
import { CLibrary, type CModel, type CStatus, isStatus } from "../support/c-model.js";
import { MODEL_FILES, noiseValue } from "../support/models.js";
import { nativeHost } from "../support/native.js";
import type { Values } from "../support/oracle.js";
import { arbitraryGraph, type RandomGraph, type RandomGraphOptions } from "../support/random-graph.js";
import { sampleInputs } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";
import { FINEST } from "../threads/finest.js";

const times = Number(process.env["PSIONIC_RUNS"] ?? "1");
const shift = Number(process.env["PSIONIC_SEED"] ?? "0");
const host = nativeHost();

/** The runtime's codes of a run that fails, by the status that means the same. */
const CODES: Readonly<Record<number, string>> = { 13: "index_out_of_range", 14: "constraint", 15: "bound" };

const tensors = (values: Values): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(values).map(([name, v]) => [name, fromValue(v)]));

function runInNode(model: Model, inputs: Values): Values | string {
  try {
    return model.runSync(inputs);
  } catch (e) {
    if (e instanceof Error && e.name === "RunError" && "code" in e) return String(e.code);
    throw e;
  }
}

/** The first way in which the two differ, null where there is none. */
function compare(library: CLibrary, mine: CModel, model: Model, inputs: Values): string | null {
  const want = runInNode(model, inputs);
  const shapes = mine.shapes(inputs);
  const have = mine.run(inputs);
  if (typeof want === "string" || isStatus(have)) {
    const code = isStatus(have) ? (CODES[have.status] ?? `${have.status} ${have.text}`) : "values";
    return code === want ? null : `the library gives ${code}, Node gives ${typeof want === "string" ? want : "values"}`;
  }
  const found = bitDifference(tensors(have), tensors(want));
  if (found !== null) return found;
  if (isStatus(shapes)) return `no shapes: ${shapes.text}`;
  for (const [i, { name }] of library.ports("output").entries()) {
    const told = shapes[i] ?? [];
    const is = have[name]?.shape ?? [];
    if (told.length !== is.length || told.some((d, axis) => d !== -1 && d !== is[axis]))
      return `output ${name} was told to be [${told.join(", ")}] and is [${is.join(", ")}]`;
  }
  for (const [i, { name }] of library.ports("state").entries()) {
    const { data } = model.state(name).get();
    const bytes = data as Float32Array;
    const kept = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!kept.equals(mine.state(i).subarray(0, kept.length))) return `state ${name} differs`;
  }
  return null;
}

/** Which kinds of library a graph is made into, by its seed. */
interface Kind {
  readonly embedWeights: boolean;
  readonly threads: boolean;
  readonly cpus: readonly string[];
}

function kindOf(seed: number): Kind {
  const cpus = typeof host === "string" ? [] : host.levels.slice(0, 1 + (seed % host.levels.length));
  return { embedWeights: seed % 2 === 0, threads: seed % 3 === 0, cpus };
}

function compiled({ graph, builder }: RandomGraph, { embedWeights, threads, cpus }: Kind): Compiled | null {
  if (typeof host === "string") return null;
  const library = { name: "m", embedWeights };
  try {
    return compile({ graph, builder }, { target: host.target, cpus, threads, threading: FINEST, library });
  } catch (e) {
    if (e instanceof Refused) return null;
    throw e;
  }
}

/** Whether the graph was compared; throws at the first difference. */
async function judge(made: RandomGraph, seed: number): Promise<boolean> {
  const kind = kindOf(seed);
  const { embedWeights, threads } = kind;
  const result = compiled(made, kind);
  if (result?.library === undefined) return false;
  const folder = mkdtempSync(join(tmpdir(), "psionic-c-"));
  try {
    const [path, bundle] = [join(folder, "libm.so"), join(folder, "m.psn")];
    writeFileSync(path, result.library.library);
    if (!embedWeights) writeFileSync(bundle, result.bundle);
    const library = new CLibrary(path);
    const mine = library.load(embedWeights ? null : bundle, threads ? { threads: 3 } : null);
    if (isStatus(mine)) throw new Error(`status ${mine.status}: ${(mine satisfies CStatus).text}`);
    const model = await loadNative(result.bundle);
    for (const round of [seed, seed + 1, seed + 2]) {
      const inputs = Object.entries(sampleInputs(made.graph, round, { special: true }));
      const problem = compare(library, mine, model, Object.fromEntries(inputs.map(([n, v]) => [n, toValue(v)])));
      if (problem !== null) throw new Error(`${problem}\n${print(made.graph).text}`);
    }
    mine.free();
  } finally {
    rmSync(folder, { recursive: true });
  }
  return true;
}

interface Case {
  readonly name: string;
  readonly runs: number;
  readonly graphs: RandomGraphOptions;
}

const CASES: readonly Case[] = [
  { name: "floats and integers, any op", runs: 18, graphs: { steps: 10 } },
  {
    name: "many dtypes",
    runs: 12,
    graphs: { dtypes: ["f32", "f16", "bf16", "f64", "i32", "i64", "u8", "bool"], steps: 8 },
  },
  { name: "branches and loops", runs: 12, graphs: { smooth: true, steps: 8, only: ["if", "loop", "trade", "scalar"] } },
];

for (const [i, { name, runs, graphs }] of CASES.entries())
  (typeof host === "string" ? test.skip : test.serial)(`${name}: the C face has the bits of Node`, async (t) => {
    let compared = 0;
    const property = fc.asyncProperty(arbitraryGraph(graphs), fc.nat(1e6), async (made, seed) => {
      if (await judge(made, seed)) compared += 1;
    });
    const result = await fc.check(property, { numRuns: runs * times, seed: 71 + i + shift });
    const cause = result.errorInstance instanceof Error ? result.errorInstance.message : "";
    t.false(result.failed, `seed ${result.seed}, path ${result.counterexamplePath ?? ""}:\n${cause}`);
    t.true(compared >= (runs * times) / 2, `${compared} of ${runs * times} graphs were compared`);
    t.log(`${compared} graphs`);
  });

(typeof host === "string" ? test.skip : test.serial)("a published model, at every width and on threads", async (t) => {
  if (typeof host === "string") return;
  const builder = new Builder();
  const dims = { height: 48, width: { lo: 32, hi: 320, step: 32 } };
  const { graph } = importOnnx(readFileSync(MODEL_FILES["ocr-cls"]), { builder, dims });
  const { bundle, library: made } = compile(
    { graph, builder },
    { target: host.target, threads: true, library: { name: "m" } },
  );
  const folder = mkdtempSync(join(tmpdir(), "psionic-c-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [path, file] = [join(folder, "libm.so"), join(folder, "m.psn")];
  writeFileSync(path, made?.library ?? "");
  writeFileSync(file, bundle);
  const library = new CLibrary(path);
  const model = await loadNative(bundle);
  for (const threads of [1, 3]) {
    const mine = library.load(file, { threads });
    if (isStatus(mine)) throw new Error(mine.text);
    for (const width of [32, 320, 192])
      t.is(compare(library, mine, model, { x: noiseValue([1, 3, 48, width], 5) }), null);
    const wrong = mine.run({ x: noiseValue([1, 3, 48, 40], 5) });
    t.true(isStatus(wrong) && /want f32\[1, 3, 48, .*\] with a whole .* in 1\.\.10/.test(wrong.text));
    mine.free();
  }
});

if (typeof host === "string") test("libraries for C", (t) => t.pass(`skipped: ${host}`));

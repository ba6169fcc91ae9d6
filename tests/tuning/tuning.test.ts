// Tuning files: what they say is checked, what they choose changes the schedule and never a result, and any other text is
// refused with the place. PSIONIC_FUZZ multiplies the rounds of mutations.

import { env } from "node:process";
import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { constant } from "../../compiler/ir/build-scalar.js";
import { Refused } from "../../compiler/ir/errors.js";
import { Builder } from "../../compiler/ir/graph.js";
import { type Compiled, compile, compileStages } from "../../compiler/pipeline.js";
import { kernelsOf } from "../../compiler/plan/make-plan.js";
import { candidatesOf } from "../../compiler/schedule/candidates.js";
import { kernelIssue, TUNABLE } from "../../compiler/schedule/choices.js";
import { kernelKey } from "../../compiler/schedule/kernel-key.js";
import type { Kernel } from "../../compiler/schedule/schedule.js";
import { formatTuning, mergeTuning, parseTuning, type TuningEntry } from "../../compiler/schedule/tuning.js";
import { load } from "../../runtime-shim/index.js";
import { graphOf, noiseTensor } from "../support/reference.js";
import { fromValue } from "../support/values.js";
import { FEEDS, tunedModel } from "./model.js";

const MACHINE = "wasm/x86-64/v8-1.2";

function entry(kernel: Kernel | string, choices: Readonly<Record<string, number>>, rest = {}): TuningEntry {
  return {
    kernel: typeof kernel === "string" ? kernel : kernelKey(kernel),
    machine: MACHINE,
    tier: "strict",
    choices,
    measured: { before: 1, after: 0.5, rounds: 9, compiler: "psionic 0.0.0" },
    ...rest,
  };
}

const tunable = (): Kernel[] =>
  kernelsOf(compileStages(tunedModel()).schedule.steps).filter((k) => TUNABLE[k.template] !== undefined);

async function outputs({ bundle }: Compiled): Promise<Uint8Array> {
  const model = await load(bundle);
  const out = await model.run(FEEDS);
  return Buffer.concat(Object.values(out).map((v) => fromValue(v).bytes));
}

/** The refusal's code and text. */
function refusal(f: () => unknown): { code: string; text: string } {
  try {
    f();
  } catch (e) {
    if (e instanceof Refused) return { code: e.refusals[0]?.code ?? "", text: e.message };
    throw e;
  }
  return { code: "", text: "" };
}

test("the model has a kernel of each template that can choose", (t) => {
  t.deepEqual([...new Set(tunable().map((k) => k.template))].sort(), Object.keys(TUNABLE).sort());
});

test("choices change the schedule and the plan, and no bit of a result", async (t) => {
  const kernels = tunable();
  const plain = compile(tunedModel());
  const want = await outputs(plain);
  const most = Math.max(...kernels.map((k) => candidatesOf(k).length));
  t.true(most >= 4, "there is something to choose");
  for (let i = 0; i < most; i++) {
    const entries = kernels.map((k) => entry(k, candidatesOf(k)[i % candidatesOf(k).length] ?? {}));
    const tuned = compile(tunedModel(), { tuning: { lock: { entries } } });
    t.deepEqual(tuned.unusedTuning, []);
    t.not(tuned.texts.schedule, plain.texts.schedule);
    t.is(tuned.texts.functional, plain.texts.functional);
    t.notDeepEqual(tuned.levels.schedule, plain.levels.schedule);
    t.is(Buffer.compare(await outputs(tuned), want), 0, JSON.stringify(entries.map((e) => e.choices)));
  }
});

test("no bit of a product of few columns either, whatever columns a tile has behind the last", async (t) => {
  for (const columns of [5, 9, 13]) {
    const b = new Builder();
    const x = ir.input(b, "x", "f32", [2, 20]);
    const y = ir.matmul(b, x, constant(b, noiseTensor("f32", [20, columns], 3)));
    const source = { graph: graphOf(b, [x], { y }), builder: b };
    const [kernel] = kernelsOf(compileStages(source).schedule.steps);
    if (kernel === undefined) return t.fail();
    const resultOf = async (entries: readonly TuningEntry[]): Promise<ArrayLike<unknown>> => {
      const model = await load(compile(source, { tuning: { lock: { entries } } }).bundle);
      const { y: result } = await model.run({ x: Float32Array.from({ length: 40 }, (_, i) => i / 7) });
      return result?.data ?? [];
    };
    const want = await resultOf([]);
    const widths = [4, 8, 16].filter((nr) => kernelIssue(kernel, { mr: 2, nr }) === null);
    t.true(widths.some((nr) => nr > columns));
    for (const nr of widths) t.deepEqual(await resultOf([entry(kernel, { mr: 2, nr })]), want, `${columns} by ${nr}`);
  }
});

test("a file with no entries, or with others' entries, changes no byte", (t) => {
  const plain = compile(tunedModel());
  const [first] = tunable();
  if (first === undefined) return t.fail();
  const other = entry("matmul of another model", { mr: 4, nr: 8 });
  const relaxed = entry(first, { mr: 2, nr: 8 }, { tier: "relaxed" });
  t.deepEqual(compile(tunedModel(), { tuning: { lock: { entries: [] } } }).bundle, plain.bundle);
  const tuned = compile(tunedModel(), { tuning: { lock: { entries: [other, relaxed] } } });
  t.deepEqual(tuned.bundle, plain.bundle);
  t.deepEqual(tuned.unusedTuning, [other]);
});

test("the class of machines", (t) => {
  const [first] = tunable();
  if (first === undefined) return t.fail();
  const far = entry(first, { mr: 2, nr: 4 }, { machine: "wasm/aarch64/v8-1.2" });
  const lock = { entries: [entry(first, { mr: 3, nr: 8 }), far] };
  const schedule = (machine?: string): string =>
    compile(tunedModel(), { tuning: { lock, ...(machine === undefined ? {} : { machine }) } }).texts.schedule;
  t.regex(schedule(MACHINE), /mr=3 nr=8/);
  t.regex(schedule("wasm/aarch64/v8-1.2"), /mr=2 nr=4/);
  t.like(
    refusal(() => schedule()),
    { code: "malformed_input" },
  );
  t.regex(refusal(() => schedule()).text, /wasm\/aarch64\/v8-1\.2, wasm\/x86-64\/v8-1\.2/);
  t.regex(refusal(() => schedule("wasm/riscv/v8-1")).text, /no entry of wasm\/riscv\/v8-1/);
});

test("what a kernel cannot choose is refused, with the entry", (t) => {
  const kernel = tunable().find((k) => k.template === "conv");
  if (kernel === undefined) return t.fail();
  const wide: Record<string, number> = { mr: 8, nr: 16 };
  t.regex(kernelIssue(kernel, wide) ?? "", /8 by 16/);
  t.is(kernelIssue(kernel, { nr: 32, mr: 2 }), null);
  const lock = { entries: [entry("matmul x", {}), entry(kernel, wide)] };
  t.regex(refusal(() => compile(tunedModel(), { tuning: { lock } })).text, /kernels\[1\]\.choices: a tile of 8 by 16/);
});

const SAMPLE = { entries: [entry("matmul a", { mr: 4, nr: 8 }), entry("conv b", { block: 64 })] };

test("text and back", (t) => {
  const text = formatTuning(SAMPLE);
  t.deepEqual(parseTuning(text).entries, SAMPLE.entries.toReversed());
  t.is(formatTuning(parseTuning(text)), text);
  t.is(formatTuning({ entries: SAMPLE.entries.toReversed() }), text, "the order of entries does not matter");
  const again = entry("matmul a", { mr: 2, nr: 8 });
  t.deepEqual(mergeTuning(SAMPLE, { entries: [again] }).entries, [SAMPLE.entries[1], again]);
});

test("a file that is none is refused, with the place", (t) => {
  const text = formatTuning(SAMPLE);
  const cases: readonly (readonly [string | RegExp, string, RegExp])[] = [
    [/^/, "x", /no JSON/],
    ['"version": 1', '"version": "1"', /version: want 1/],
    ['"version": 1', '"vision": 1', /has the field "vision"/],
    ['"kernels": [', '"kernels": 3, "rest": [', /the field "rest"/],
    ['"kernel": "conv b"', '"kernel": 7', /kernels\[0\]\.kernel: want a text/],
    ["conv b", "softmax b", /kernels\[0\]\.kernel: "softmax" is no template that can choose/],
    [MACHINE, "here", /kernels\[0\]\.machine: "here"/],
    ['"strict"', '"exact"', /kernels\[0\]\.tier/],
    ['"block": 64', '"ways": 64', /kernels\[0\]\.choices\.ways: conv has no choice "ways"; it has mr, nr, block/],
    ['"block": 64', '"block": 65', /kernels\[0\]\.choices\.block: block=65: want 32, 64/],
    ['"block": 64', '"block": "64"', /kernels\[0\]\.choices\.block: want a number/],
    ['"mr": 4', '"__proto__": 4', /kernels\[1\]\.choices\.__proto__/],
    ['"rounds": 9', '"rounds": -9', /kernels\[0\]\.measured\.rounds/],
    ['"compiler"', '"by"', /measured: has the field "by"/],
    ["matmul a", "conv b", /kernels\[1\]\.choices\.|kernels\[1\]: the same kernel/],
  ];
  for (const [from, to, message] of cases) {
    const changed = text.replace(from, to);
    t.not(changed, text);
    const { code, text: said } = refusal(() => parseTuning(changed));
    t.is(code, "malformed_input", `${to}: ${said}`);
    t.regex(said, message);
    t.regex(said, /tuning file/);
  }
  t.is(refusal(() => parseTuning(text.replace('"version": 1', '"version": 2'))).code, "serialization_incompatibility");
  for (const odd of ["", "null", "[]", "3", '{"version":1,"kernels":{}}', '{"version":1,"kernels":[null]}'])
    t.is(refusal(() => parseTuning(odd)).code, "malformed_input", odd);
});

test("mutated files are refused or read, and nothing else happens", (t) => {
  const text = formatTuning(SAMPLE);
  const pieces = [
    "",
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "0",
    "-1",
    "1e999",
    "null",
    "\u0000",
    '"mr"',
    '"__proto__": {}',
  ];
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let refused = 0;
  for (let round = 0; round < 2000 * Math.max(1, Number(env["PSIONIC_FUZZ"] ?? 1)); round++) {
    const at = random(text.length);
    const changed = text.slice(0, at) + (pieces[random(pieces.length)] ?? "") + text.slice(at + random(8));
    if (refusal(() => parseTuning(changed)).code !== "") refused++;
  }
  t.true(refused > 1000);
});

// `psionic replay`: a receipt is the same each time; a check passes on the same run and names what differs on another.
import test from "ava";
import { firstDifference } from "../../compiler/cli/replay/compare.js";
import { parseReceipt, type Receipt } from "../../compiler/cli/replay/receipt.js";
import type { BufferPlan, Plan, StepPlan } from "../../compiler/plan/plan.js";
import { fakeBundle, fakePlan } from "../support/fake-bundle.js";
import { fails, folder, json, works } from "./command.js";

const BOTH = ["--input", "x=[1,-2,3]", "--input", "flag=[true,false]"];

/** The fake plan with what its steps write, so that they can be digested. */
function tracedPlan(): Plan {
  const [main, ...rest] = fakePlan.entries;
  if (main === undefined) throw new Error("the fake plan has entry main");
  const buffers: BufferPlan[] = main.outputs.slice(0, 3).map((p) => ({ ...p, live: [0, 3] }));
  const writes: readonly (readonly string[])[] = [["y", "doubled"], ["positive"], []];
  const steps = main.steps.map((s, i): StepPlan => (s.kind === "call" ? { ...s, writes: writes[i] ?? [] } : s));
  return { ...fakePlan, entries: [{ ...main, steps, buffers }, ...rest] };
}

const bundle = fakeBundle({ plan: tracedPlan() });

test("the same run gives the same receipt, byte for byte, and checks", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  for (const name of ["a.json", "b.json"])
    works(t, f.run(["replay", "record", "m.psn", ...BOTH, "--kernels", "-o", name]));
  t.is(f.text("a.json"), f.text("b.json"));
  const receipt = parseReceipt(f.text("a.json"), "a.json");
  t.deepEqual(
    receipt.steps?.map((s) => s.writes.map((w) => `${w.name} ${w.shape.join("x")}`)),
    [["y 3", "doubled 6"], ["positive 2"], []],
  );
  const y = receipt.outputs.find((o) => o.name === "y");
  t.is(receipt.steps?.[0]?.writes[0]?.sha256, y?.sha256);
  const ran = f.run(["replay", "check", "a.json", "m.psn", ...BOTH, "--json"]);
  works(t, ran);
  t.like(json(t, ran), { same: true, difference: null });
  t.deepEqual(f.list(), ["a.json", "b.json", "m.psn"]);
});

test("a stripped bundle runs for receipts without steps; for steps it lacks the plan", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  works(t, f.run(["strip", "m.psn", "-o", "s.psn"]));
  works(t, f.run(["replay", "record", "s.psn", ...BOTH, "-o", "r.json"]));
  for (const file of ["s.psn", "m.psn"]) works(t, f.run(["replay", "check", "r.json", file, ...BOTH]));
  const lacks = /stripped of its plan and texts[\s\S]*use the whole bundle/;
  fails(t, f.run(["replay", "record", "s.psn", ...BOTH, "--kernels", "-o", "k.json"]), 1, lacks);
  works(t, f.run(["replay", "record", "m.psn", ...BOTH, "--kernels", "-o", "k.json"]));
  fails(t, f.run(["replay", "check", "k.json", "s.psn", ...BOTH]), 1, lacks);
});

test("without --kernels a receipt has no steps, and still checks", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  works(t, f.run(["replay", "record", "m.psn", ...BOTH, "-o", "r.json"]));
  t.is(parseReceipt(f.text("r.json"), "r.json").steps, null);
  works(t, f.run(["replay", "check", "r.json", "m.psn", ...BOTH]));
});

test("a check names the first kernel that differs", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  works(t, f.run(["replay", "record", "m.psn", ...BOTH, "--kernels", "-o", "r.json"]));
  const receipt = parseReceipt(f.text("r.json"), "r.json");
  const other = "0".repeat(64);
  const damaged = {
    ...receipt,
    steps: receipt.steps?.map((s) =>
      s.step === 1 ? { ...s, writes: s.writes.map((w) => ({ ...w, sha256: other })) } : s,
    ),
  };
  f.write("d.json", JSON.stringify(damaged));
  const ran = f.run(["replay", "check", "d.json", "m.psn", ...BOTH]);
  t.is(ran.code, 1);
  t.regex(ran.out, /differs: the first kernel that differs is step 1, call "add", which computes positive: "positive"/);
  t.like(json(t, f.run(["replay", "check", "d.json", "m.psn", ...BOTH, "--json"])), {
    same: false,
    difference: { what: "step", step: 1, kernel: "add" },
  });
});

test("other inputs, another plan and another entry are told apart", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  f.write("n.psn", fakeBundle({ producer: "psionic 9.9.9" }));
  works(t, f.run(["replay", "record", "m.psn", ...BOTH, "-o", "r.json"]));
  const inputs = f.run(["replay", "check", "r.json", "m.psn", "--input", "x=[1,2,3]", "--input", "flag=[true,false]"]);
  t.is(inputs.code, 1);
  t.regex(inputs.out, /inputs are not those of the receipt: "x"/);
  const plan = f.run(["replay", "check", "r.json", "n.psn"]);
  t.is(plan.code, 1);
  t.regex(plan.out, /the receipt is of plan .*psionic diff/);
  fails(t, f.run(["replay", "check", "r.json", "m.psn"]), 1, /input "x": have nothing/);
});

test("what is no receipt is refused, and nothing is left behind", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  f.write("text.json", "no json");
  f.write("other.json", '{"format":"psionic-receipt/9"}');
  f.write("half.json", '{"format":"psionic-receipt/1","plan":"x"}');
  fails(t, f.run(["replay", "check", "nope.json", "m.psn"]), 2, /cannot read the receipt/);
  fails(t, f.run(["replay", "check", "text.json", "m.psn"]), 1, /"text\.json" is no receipt/);
  fails(t, f.run(["replay", "check", "other.json", "m.psn"]), 1, /has format psionic-receipt\/9/);
  fails(t, f.run(["replay", "check", "half.json", "m.psn"]), 1, /missing or wrong fields/);
  fails(t, f.run(["replay", "record", "m.psn", ...BOTH]), 2, /--output <receipt\.json>' not specified/);
  fails(t, f.run(["replay", "record", "m.psn", ...BOTH, "-o", "no/r.json"]), 2, /folder "no" does not exist/);
  fails(t, f.run(["replay", "record", "m.psn", "--input", "x=[1]", "-o", "r.json"]), 1, /input "flag": have nothing/);
  t.deepEqual(f.list(), ["half.json", "m.psn", "other.json", "text.json"]);
});

test("the order of findings: plan, entry, inputs, steps, outputs, states", (t) => {
  const array = (name: string, c: string) => ({ name, dtype: "f32", shape: [1], sha256: c });
  const base: Receipt = {
    format: "psionic-receipt/1",
    plan: "p",
    tier: "strict",
    threads: 1,
    entry: "main",
    inputs: [array("x", "1")],
    outputs: [array("y", "2")],
    states: [array("s", "3")],
    steps: [{ step: 0, kind: "call", name: "k", origin: "", writes: [array("b", "4")] }],
    host: { node: "", v8: "", platform: "", arch: "", features: [] },
  };
  t.is(firstDifference(base, base), null);
  t.is(firstDifference(base, { ...base, host: { ...base.host, arch: "arm64" } }), null);
  t.is(firstDifference(base, { ...base, states: [array("s", "9")] })?.what, "states");
  t.is(firstDifference(base, { ...base, outputs: [array("y", "9")], states: [] })?.what, "outputs");
  t.is(firstDifference(base, { ...base, steps: [], outputs: [] })?.what, "step");
  t.is(firstDifference(base, { ...base, inputs: [array("x", "9")], steps: [] })?.what, "inputs");
  t.is(firstDifference(base, { ...base, entry: "other", inputs: [] })?.what, "entry");
  t.is(firstDifference(base, { ...base, plan: "q", entry: "other" })?.what, "plan");
  t.regex(
    firstDifference({ ...base, steps: null }, { ...base, steps: null, outputs: [] })?.message ?? "",
    /record with --kernels/,
  );
});

// `psionic diff`: each level by itself, the level that explains the others, and the four forms.
import test from "ava";
import { levelsOf } from "../../codegen/bundle/levels.js";
import { compareBundles } from "../../compiler/cli/diff/compare.js";
import type { Level } from "../../compiler/cli/diff/difference.js";
import { diffText, formatTextDiff } from "../../compiler/cli/diff/text-diff.js";
import { viewOf } from "../../compiler/cli/open-view.js";
import { fakeBundle, fakeParts, fakePlan } from "../support/fake-bundle.js";
import { fails, folder, json } from "./command.js";

type Changed = Parameters<typeof fakeBundle>[0];

const texts = { source: "%0 = input\n%1 = const sha256:AAAA\n%2 = add(%0, %1)", functional: "f", schedule: "s" };
const digest = (c: string): string => `sha256:${c.repeat(64)}`;
const base = { ...texts, source: texts.source.replace("sha256:AAAA", digest("a")) };
const make = (changed: Changed): Uint8Array => fakeBundle({ texts: base, ...changed });

/** The level that explains, and all that differ. */
function parted(old: Uint8Array, now: Uint8Array): [Level | undefined, Level[]] {
  const d = compareBundles(viewOf("a.psn", old), viewOf("b.psn", now));
  return [d.explains?.level, d.levels.filter((l) => !l.same).map((l) => l.level)];
}

test("equal bundles are the same at every level", (t) => {
  t.deepEqual(parted(make({}), make({})), [undefined, []]);
});

test("each level by itself, and what explains it", (t) => {
  const kernel = fakePlan.kernels[0];
  const constant = fakePlan.constants[0];
  if (kernel === undefined || constant === undefined) throw new Error("the fake plan has a kernel and a constant");
  const withPlan = (plan: Partial<typeof fakePlan>): Uint8Array => make({ plan: { ...fakePlan, ...plan } });
  const cases: readonly (readonly [Uint8Array, Level, readonly Level[]])[] = [
    [make({ texts: { ...base, source: base.source.replace("add", "mul") } }), "source", ["source"]],
    [make({ texts: { ...base, source: base.source.replace(digest("a"), digest("b")) } }), "values", ["values"]],
    [make({ producer: "psionic 9.9.9" }), "compiler", ["compiler"]],
    [make({ texts: { ...base, functional: "g" } }), "functional", ["functional"]],
    [make({ texts: { ...base, schedule: "t" } }), "schedule", ["schedule"]],
    [withPlan({ kernels: [{ ...kernel, choices: { lanes: 4 } }] }), "kernels", ["kernels"]],
    [withPlan({ memory: { ...fakePlan.memory, arena: { offset: 4096, bytes: 9216 } } }), "memory", ["memory"]],
    [withPlan({ constants: [{ ...constant, layout: "packed 4" }] }), "weights", ["weights"]],
    [
      make({ modules: fakeParts().modules.map((m) => ({ ...m, wasm: Uint8Array.of(...m.wasm, 0, 2, 1, 120) })) }),
      "code",
      ["code"],
    ],
    [
      withPlan({ symbols: fakePlan.symbols.map((s) => (s.name === "n" ? { ...s, hi: 32 } : s)) }),
      "signature",
      ["signature"],
    ],
    [
      make({ producer: "psionic 9.9.9", texts: { ...base, source: "other", schedule: "t" } }),
      "source",
      ["source", "compiler", "schedule"],
    ],
  ];
  for (const [now, explains, levels] of cases) t.deepEqual(parted(make({}), now), [explains, [...levels]]);
});

test("small constants that print their elements are values too, and integers are structure", (t) => {
  const of = (line: string): Uint8Array =>
    make({ texts: { ...base, source: `${base.source}\n%3 = const {value=${line}}` } });
  t.deepEqual(parted(of("f32[2] [1, -0.5]"), of("f32[2] [1, NaN]")), ["values", ["values"]]);
  t.deepEqual(parted(of("bf16[] [1]"), of("bf16[] [2]")), ["values", ["values"]]);
  t.deepEqual(parted(of("f32[2] [1, 2]"), of("f32[3] [1, 2, 3]")), ["source", ["source"]]);
  const schedule = (name: string): Uint8Array =>
    make({ texts: { ...base, schedule: `map k0() reads [@${name}:f32[3]]` } });
  t.deepEqual(parted(schedule("84ef4e720b62"), schedule("3522526865ed")), ["code", []]);
  t.deepEqual(parted(of("i64[1] [1]"), of("i64[1] [2]")), ["source", ["source"]]);
});

test("the first pass after which the graphs differ is named", (t) => {
  const passes = (last: string) => [
    { name: "fold", changed: true, digest: "1" },
    { name: "fuse", changed: true, digest: last },
    { name: "clean", changed: true, digest: last },
  ];
  const of = (last: string, functional: string): Uint8Array => {
    const all = { ...base, functional };
    return make({ texts: all, levels: levelsOf(fakePlan, all, passes(last)) });
  };
  const d = compareBundles(viewOf("a.psn", of("2", "f")), viewOf("b.psn", of("3", "g")));
  t.regex(d.levels.find((l) => l.level === "functional")?.summary ?? "", /part after pass "fuse"/);
});

test("a constant with other values is a change, not one gone and one new", (t) => {
  const constant = fakePlan.constants[0];
  if (constant === undefined) throw new Error("the fake plan has a constant");
  const other = { ...constant, name: "another", digest: "b".repeat(64) };
  const d = compareBundles(
    viewOf("a.psn", make({})),
    viewOf("b.psn", make({ plan: { ...fakePlan, constants: [other] } })),
  );
  t.deepEqual(
    d.levels.find((l) => l.level === "weights")?.items.map((i) => [i.change, i.fields[0]?.new]),
    [["changed", "b".repeat(64)]],
  );
});

test("the first difference of two texts, with context", (t) => {
  t.is(diffText("a\nb\n", "a\nb\n"), null);
  const d = diffText("1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\nx\ny\n6\n");
  t.deepEqual(d, { line: 5, oldLines: 1, newLines: 2, context: ["2", "3", "4"], old: ["5"], new: ["x", "y"] });
  t.deepEqual(d === null ? [] : formatTextDiff(d), [
    "@@ line 5: 1 line became 2 @@",
    " 2",
    " 3",
    " 4",
    "-5",
    "+x",
    "+y",
  ]);
  t.deepEqual(diffText("a", "a\nb")?.new, ["b"]);
  const far = diffText(`${"x".repeat(500)}1`, `${"x".repeat(500)}2`);
  t.regex(far === null ? "" : formatTextDiff(far).join("\n"), /x1\n[\s\S]*x2/);
});

test("exit codes and forms", (t) => {
  const f = folder(t);
  f.write("a.psn", make({}));
  f.write("b.psn", make({ texts: { ...base, source: base.source.replace("add", "mul") } }));
  const same = f.run(["diff", "a.psn", "a.psn"]);
  t.is(same.code, 0);
  t.regex(same.out, /same plan/);
  const text = f.run(["diff", "a.psn", "b.psn"]);
  t.is(text.code, 1);
  t.regex(text.out, /first difference: source[\s\S]*-%2 = add\(%0, %1\)\n +\+%2 = mul\(%0, %1\)/);
  const asJson = f.run(["diff", "a.psn", "b.psn", "--json"]);
  t.is(asJson.code, 1);
  t.like(json(t, asJson), { same: false, explains: { level: "source" } });
  t.regex(f.run(["diff", "a.psn", "b.psn", "--markdown"]).out, /^## Psionic diff\n[\s\S]*\| source \| [\s\S]*```diff/);
  const sarif = f.run(["diff", "a.psn", "b.psn", "--sarif"]);
  t.is(sarif.code, 1);
  t.like(json(t, sarif), { version: "2.1.0" });
  t.regex(sarif.out, /"ruleId": "psionic\/diff\/source"/);
  fails(
    t,
    f.run(["diff", "a.psn", "b.psn", "--json", "--sarif"].filter((a) => a !== "--json").concat("--markdown")),
    2,
    /exclude each other/,
  );
  fails(t, f.run(["diff", "a.psn", "nope.psn"]), 2, /cannot read the bundle "nope\.psn"/);
});

// `psionic inspect`, `verify` and `types` on a small bundle made by hand, whole and damaged.
import test from "ava";
import { isPlan } from "../../compiler/cli/plan-shape.js";
import { fakeBundle, fakeParts, fakePlan, manifestText, strictModule, withManifest } from "../support/fake-bundle.js";
import { fails, folder, json, works } from "./command.js";

const bundle = fakeBundle();

test("inspect shows entry points with their types", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  const ran = f.run(["inspect", "m.psn"]);
  works(t, ran);
  for (const part of [
    /plan digest +[0-9a-f]{64}/,
    /in +x: f32\[n\]/,
    /out +doubled: f32\[2\*n\]/,
    /n is 1\.\.64/,
    /modules +strict \(simd128\)/,
    /exactness +strict: the same bits .* seen within \S+ of exact results/,
    /requires n \+ 1 = 4/,
  ])
    t.regex(ran.out, part);
});

test("inspect --json is one document, with more for each flag", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  const plain = json(t, f.run(["inspect", "m.psn", "--json"]));
  t.like(plain["modules"], [{ tier: "strict", threads: null }]);
  t.is(plain["kernels"], 1);
  t.is(plain["schedule"], undefined);
  const full = json(
    t,
    f.run(["inspect", "m.psn", "--json", "--kernels", "--memory", "--schedule", "--graph", "source", "--wat", "all"]),
  );
  t.deepEqual([full["schedule"], full["sourceGraph"]], ["kernel add", "model fake"]);
  t.true(Array.isArray(full["kernels"]));
  t.regex(String(full["wat"]), /^\(module/);
});

test("inspect --wat gives one function, and suggests names", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  const ran = f.run(["inspect", "m.psn", "--wat", "main"]);
  works(t, ran);
  t.regex(ran.out, /^\(func .*f32\.add[\s\S]*\)\n$/s);
  t.is(ran.out.split("(func").length, 2);
  fails(t, f.run(["inspect", "m.psn", "--wat", "mian"]), 1, /no function "mian"[\s\S]*did you mean "main"/);
});

test("inspect says what a bundle was written without", (t) => {
  const f = folder(t);
  f.write("m.psn", fakeBundle({ texts: {} }));
  fails(t, f.run(["inspect", "m.psn", "--graph", "source"]), 1, /without its source graph/);
  fails(t, f.run(["inspect", "m.psn", "--schedule"]), 1, /without its schedule/);
});

test("types gives the signature, on stdout or in a file", (t) => {
  const f = folder(t);
  f.write("text-rec.psn", bundle);
  const ran = f.run(["types", "text-rec.psn"]);
  works(t, ran);
  t.regex(
    ran.out,
    /export type TextRec = \{[\s\S]*readonly x: Feed<Float32Array>;[\s\S]*readonly y: TensorView<"f32">;/,
  );
  works(t, f.run(["types", "text-rec.psn", "--name", "Other", "-o", "o.d.ts"]));
  t.regex(f.text("o.d.ts"), /export type Other = /);
  fails(t, f.run(["types", "text-rec.psn", "--name", "no name"]), 1, /not an identifier/);
  fails(t, f.run(["types", "text-rec.psn", "-o", "no/o.d.ts"]), 2, /folder "no" does not exist/);
});

test("verify says ok of a whole bundle, and pins its digest", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  const ran = f.run(["verify", "m.psn", "--json"]);
  const { digest, checks } = json(t, ran);
  t.deepEqual(
    Array.isArray(checks) ? checks.filter((c: { name: string; ok: boolean }) => !c.ok && c.name !== "plan") : null,
    [],
  );
  t.regex(f.run(["verify", "m.psn", "--digest", String(digest)]).out, /ok {2}plan digest: the one asked for/);
  const pinned = f.run(["verify", "m.psn", "--digest", "00"]);
  t.is(pinned.code, 1);
  t.regex(pinned.out, /FAILED {2}plan digest/);
});

test("strip leaves what runs, under the same digest", (t) => {
  const f = folder(t);
  f.write("m.psn", bundle);
  const { digest, before, bytes } = json(t, f.run(["strip", "m.psn", "-o", "s.psn", "--json"]));
  t.true(Number(bytes) < Number(before));
  t.is(json(t, f.run(["verify", "s.psn", "--json"]))["digest"], digest);
  t.is(json(t, f.run(["verify", "m.psn", "--json"]))["digest"], digest);
  t.regex(f.run(["verify", "s.psn"]).out, /ok {2}digests and structure: .*stripped of 4 texts/);
  works(t, f.run(["bench", "s.psn", "--repeat", "2"]));
  for (const verb of [
    ["inspect", "s.psn"],
    ["types", "s.psn"],
    ["diff", "s.psn", "m.psn"],
  ])
    fails(t, f.run(verb), 1, /stripped of its plan and texts[\s\S]*use the whole bundle/);
  fails(t, f.run(["strip", "m.psn"]), 2, /-o is missing/);
  works(t, f.run(["strip", "s.psn", "-o", "again.psn"]));
  t.is(f.text("again.psn"), f.text("s.psn"));
});

test("verify names what does not hold", (t) => {
  const f = folder(t);
  const cut = bundle.subarray(0, bundle.length - 1);
  const { weights } = fakeParts();
  const cases: readonly (readonly [name: string, bytes: Uint8Array, out: RegExp])[] = [
    ["cut", cut, /FAILED {2}digests and structure\n.*malformed_input: bundle/],
    ["text", new TextEncoder().encode("x".repeat(100)), /FAILED {2}digests and structure/],
    ["weights", fakeBundle({ weights: weights.map((b, i) => (i === 9 ? b ^ 1 : b)) }), /FAILED {2}weights\n +constant/],
    [
      "module",
      fakeBundle({ modules: [strictModule(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))] }),
      /FAILED {2}modules\n[\s\S]*no function "main"/,
    ],
    [
      "levels",
      fakeBundle({ texts: { source: "another", functional: "graph fake", schedule: "kernel add" } }),
      /FAILED {2}levels\n +source: /,
    ],
    [
      "manifest",
      withManifest(bundle, manifestText(bundle).replace('"tier":"strict"', '"tier":"relaxed"')),
      /FAILED {2}manifest agrees with plan\n +modules: .*"relaxed".*"strict"/,
    ],
  ];
  for (const [name, bytes, out] of cases) {
    f.write(`${name}.psn`, bytes);
    const ran = f.run(["verify", `${name}.psn`]);
    t.is(ran.code, 1, name);
    t.regex(ran.out, out, name);
    t.notRegex(ran.out + ran.err, /^\s+at /m);
  }
  fails(t, f.run(["verify", "nope.psn"]), 2, /cannot read the bundle/);
  t.is(fakePlan.variants[0]?.tier, "strict");
});

test("verify does not judge a module for engines with more features, and judges all others", (t) => {
  const f = folder(t);
  const modulesOf = (features: readonly string[]): string => {
    const later = strictModule(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 255), features);
    const [variant] = fakePlan.variants;
    if (variant === undefined) throw new Error("the fake plan has no variant");
    const plan = { ...fakePlan, variants: [variant, variant] };
    f.write("m.psn", fakeBundle({ plan, modules: [...fakeParts().modules, later] }));
    return f.run(["verify", "m.psn"]).out;
  };
  t.regex(modulesOf(["of-tomorrow"]), /ok {2}modules: 1 valid.*; 1 not judged, this engine lacks of-tomorrow\n/);
  t.regex(modulesOf(["simd128"]), /FAILED {2}modules\n +module 1, strict \(simd128\): this engine does not accept it/);
  f.write("alone.psn", fakeBundle({ modules: [strictModule(Uint8Array.of(255), ["of-tomorrow"])] }));
  const alone = f.run(["verify", "alone.psn"]).out;
  t.regex(alone, /ok {2}modules: 0 valid.*; 1 not judged/);
  t.regex(alone, /ok {2}runtime loads it: not tried, unsupported_backend_capability: .*an engine without of-tomorrow/);
});

test("a plan with missing or wrong fields is refused as such, wherever they are", (t) => {
  t.true(isPlan(JSON.parse(JSON.stringify(fakePlan))));
  let edits = 0;
  const visit = (node: unknown, put: (v: unknown) => unknown): void => {
    if (typeof node !== "object" || node === null) return;
    for (const key of Object.keys(node)) {
      if (Array.isArray(node) && key !== "0") continue;
      const old: unknown = Reflect.get(node, key);
      const set = (v: unknown): unknown => put(Array.isArray(node) ? node.with(Number(key), v) : { ...node, [key]: v });
      if (!["choices", "lanes", "offset"].includes(key)) {
        edits++;
        t.false(isPlan(set({ wrong: true })), `${key} = {}`);
      }
      visit(old, set);
    }
  };
  visit(fakePlan, (v) => v);
  t.true(edits > 50);
});

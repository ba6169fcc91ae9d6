// `psionic compile` from end to end on models of a few nodes, and everything that stops it: no output is half written.

import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { fails, folder, json, works } from "./command.js";
import { chain, running, tinyOnnx } from "./tiny-onnx.js";

test("compile, inspect, verify, run, diff and replay one model", (t) => {
  const f = folder(t);
  f.write("chain.onnx", chain());
  const compiled = f.run(["compile", "chain.onnx", "--dim", "n=1..4", "--types", "chain.d.ts"]);
  works(t, compiled);
  t.regex(compiled.out, /^chain\.psn {2}.*\nplan digest [0-9a-f]{64}\n$/);
  t.deepEqual(f.list(), ["chain.d.ts", "chain.onnx", "chain.psn"]);
  t.regex(f.text("chain.d.ts"), /export type Chain = /);
  works(t, f.run(["verify", "chain.psn"]));
  const ran = f.run(["run", "chain.psn", "--input", "x=[[1,-1,2],[0,1,-5]]"]);
  works(t, ran);
  t.is(ran.out, "y: f32[2, 3]\n[[2, 2, 9],\n [1, 4, 3]]\n");
  fails(t, f.run(["run", "chain.psn", "--input", "x=[[1,2,3],[1,2,3],[1,2,3],[1,2,3],[1,2,3]]"]), 1, /n in 1\.\.4/);
  const inspected = f.run(["inspect", "chain.psn", "--graph", "source", "--schedule", "--memory", "--kernels"]);
  works(t, inspected);
  t.regex(inspected.out, /relu|max/);
  works(t, f.run(["replay", "record", "chain.psn", "--input", "x=[[1,2,3]]", "--kernels", "-o", "r.json"]));
  works(t, f.run(["replay", "check", "r.json", "chain.psn", "--input", "x=[[1,2,3]]"]));
});

test("the same model gives the same bytes, in another folder, locale and time zone", (t) => {
  const f = folder(t);
  f.write("chain.onnx", chain());
  mkdirSync(join(f.path, "other"));
  f.write("other/chain.onnx", chain());
  works(t, f.run(["compile", "chain.onnx", "--dim", "n=2", "-o", "a.psn"]));
  works(
    t,
    f.run(["compile", "other/chain.onnx", "--dim", "n=2", "-o", "b.psn"], {
      LC_ALL: "tr_TR.UTF-8",
      TZ: "Asia/Kolkata",
      HOME: "/nowhere",
    }),
  );
  t.is(Buffer.compare(f.read("a.psn"), f.read("b.psn")), 0);
});

test("diff tells other weights, another graph and another tier apart", (t) => {
  const f = folder(t);
  f.write("chain.onnx", chain());
  f.write("values.onnx", chain([1, 2, 4]));
  f.write("graph.onnx", chain([1, 2, 3], "Abs"));
  for (const [model, extra] of [
    ["chain", []],
    ["values", []],
    ["graph", []],
    ["chain", ["--tier", "relaxed"]],
  ] as const)
    works(
      t,
      f.run([
        "compile",
        `${model}.onnx`,
        "--name",
        "m",
        "--dim",
        "n=2",
        "-o",
        extra.length === 0 ? `${model}.psn` : "relaxed.psn",
        ...extra,
      ]),
    );
  for (const [other, level] of [
    ["values", "values"],
    ["graph", "source"],
    ["relaxed", "compiler"],
  ] as const) {
    const ran = f.run(["diff", "chain.psn", `${other}.psn`, "--json"]);
    t.is(ran.code, 1);
    t.like(json(t, ran)["explains"], { level }, ran.out);
  }
});

test("--state keeps a value from run to run", (t) => {
  const f = folder(t);
  f.write("running.onnx", running);
  works(t, f.run(["compile", "running.onnx", "--state", "before=next"]));
  const ran = f.run(["run", "running.psn", "--input", "x=[1,10]", "--repeat", "3"]);
  works(t, ran);
  t.is(ran.out, "twice: f32[2]\n[6, 60]\n");
  t.regex(ran.err, /3 runs: first/);
  fails(t, f.run(["compile", "running.onnx", "--state", "befor=next"]), 1, /no input "befor"/);
  fails(t, f.run(["compile", "running.onnx", "--state", "before=text"]), 1, /no output "text"/);
  fails(t, f.run(["compile", "running.onnx", "--state", "before"]), 2, /want input=output/);
});

test("--json says what was written", (t) => {
  const f = folder(t);
  f.write("chain.onnx", chain());
  const ran = f.run(["compile", "chain.onnx", "--dim", "n=2", "--json"]);
  works(t, ran);
  t.like(json(t, ran), { output: "chain.psn" });
});

const unsupported = tinyOnnx(
  [["x", [2]]],
  [["y", [2]]],
  [
    { op: "Frobnicate", inputs: ["x"], outputs: ["a"] },
    { op: "Defenestrate", inputs: ["x"], outputs: ["b"] },
    { op: "Add", inputs: ["a", "b"], outputs: ["y"] },
  ],
);

test("all of a model's refusals at once", (t) => {
  const f = folder(t);
  f.write("bad.onnx", unsupported);
  fails(
    t,
    f.run(["compile", "bad.onnx"]),
    1,
    /2 things cannot be compiled\nunsupported_op: .*Frobnicate[\s\S]*unsupported_op: .*Defenestrate/,
  );
  const { error } = json(t, f.run(["compile", "bad.onnx", "--json"]));
  t.like(error, {
    code: "refused",
    refusals: { 0: { code: "unsupported_op", subject: "Frobnicate" }, 1: { subject: "Defenestrate" } },
  });
  t.deepEqual(f.list(), ["bad.onnx"]);
});

const wide = tinyOnnx([["x", [2, "w"]]], [["y", [2, "w"]]], [{ op: "Relu", inputs: ["x"], outputs: ["y"] }]);

const WRONG: readonly (readonly [what: string, args: readonly string[], code: 1 | 2, message: RegExp])[] = [
  ["a missing model", ["nope.onnx"], 2, /cannot read the model "nope\.onnx": no such file/],
  ["a folder", ["sub"], 2, /cannot read the model "sub": it is a folder/],
  ["text", ["text.onnx"], 1, /malformed_input/],
  ["nothing", ["empty.onnx"], 1, /malformed_input/],
  ["a model cut short", ["cut.onnx", "--dim", "n=2"], 1, /malformed_input/],
  ["a dynamic dimension without a size", ["wide.onnx"], 1, /axis 1 \("w"\) is dynamic[\s\S]*--dim w=/],
  ["a dimension that is none", ["chain.onnx", "--dim", "m=2"], 1, /m/],
  ["--dim without a size", ["chain.onnx", "--dim", "n"], 2, /--dim n: this is no dimension[\s\S]*name=1\.\.8/],
  ["--dim with a word", ["chain.onnx", "--dim", "n=many"], 2, /--dim n=many: this is no dimension/],
  ["--dim with a range that goes down", ["chain.onnx", "--dim", "n=8..1"], 2, /ends before it begins/],
  ["--dim with step 0", ["chain.onnx", "--dim", "n=1..8:0"], 2, /step is 0/],
  ["--dim twice", ["chain.onnx", "--dim", "n=1", "--dim", "n=2"], 2, /"n" is given twice/],
  ["--dim that is too large", ["chain.onnx", "--dim", "n=99999999999"], 2, /too large/],
  ["a bound that is none", ["chain.onnx", "--dim", "n=2", "--bound", "0"], 2, /--bound 0/],
  [
    "an output in a folder that is none",
    ["chain.onnx", "--dim", "n=2", "-o", "no/m.psn"],
    2,
    /folder "no" does not exist[\s\S]*mkdir -p no/,
  ],
  ["an output that is a folder", ["chain.onnx", "--dim", "n=2", "-o", "sub"], 2, /cannot write "sub": it is a folder/],
  [
    "types in a folder that is none",
    ["chain.onnx", "--dim", "n=2", "--types", "no/t.d.ts"],
    2,
    /folder "no" does not exist/,
  ],
  ["an output over the model", ["chain.onnx", "--dim", "n=2", "-o", "chain.onnx"], 2, /would replace the model/],
];

for (const [what, args, code, message] of WRONG)
  test(`compile refuses ${what}`, (t) => {
    const f = folder(t);
    const model = chain();
    f.write("chain.onnx", model);
    f.write("cut.onnx", model.subarray(0, model.length - 40));
    f.write("text.onnx", "this is no model\n".repeat(20));
    f.write("empty.onnx", "");
    f.write("wide.onnx", wide);
    mkdirSync(join(f.path, "sub"));
    const before = f.list();
    fails(t, f.run(["compile", ...args]), code, message);
    t.deepEqual(f.list(), before);
    t.deepEqual([...f.read("chain.onnx")], [...model]);
  });

test("an output is replaced whole, through a link too, and devices are written to", (t) => {
  const f = folder(t);
  f.write("chain.onnx", chain());
  f.write("real.psn", "old");
  symlinkSync("real.psn", join(f.path, "link.psn"));
  works(t, f.run(["compile", "chain.onnx", "--dim", "n=2", "-o", "link.psn"]));
  works(t, f.run(["verify", "real.psn"]));
  if (process.platform !== "win32") works(t, f.run(["compile", "chain.onnx", "--dim", "n=2", "-o", "/dev/null"]));
  t.deepEqual(f.list(), ["chain.onnx", "link.psn", "real.psn"]);
});

const asRoot = process.getuid?.() === 0;

(asRoot ? test.skip : test)("a folder and a model without permission (root may do all: skipped there)", (t) => {
  const f = folder(t);
  f.write("chain.onnx", chain());
  mkdirSync(join(f.path, "locked"));
  chmodSync(join(f.path, "locked"), 0o500);
  fails(
    t,
    f.run(["compile", "chain.onnx", "--dim", "n=2", "-o", "locked/m.psn"]),
    2,
    /cannot write "locked\/m\.psn": permission denied/,
  );
  chmodSync(join(f.path, "chain.onnx"), 0);
  fails(t, f.run(["compile", "chain.onnx"]), 2, /cannot read the model "chain\.onnx": permission denied/);
  t.deepEqual(f.list(), ["chain.onnx", "locked"]);
});

test("a full disk is an error, not half a file", (t) => {
  if (process.platform !== "linux") return t.pass("only Linux has /dev/full");
  const f = folder(t);
  f.write("chain.onnx", chain());
  fails(t, f.run(["compile", "chain.onnx", "--dim", "n=2", "-o", "/dev/full"]), 2, /no space is left/);
  t.deepEqual(f.list(), ["chain.onnx"]);
  return undefined;
});

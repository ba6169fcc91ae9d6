// The command line itself: help, version, verbs and options that do not exist, colour, JSON errors.
import test from "ava";
import { NATIVE } from "../../targets/native-targets.js";
import { fails, folder, json, works } from "./command.js";

const RED = "\u001b[31m";
const VERBS = ["compile", "run", "inspect", "verify", "diff", "types"];

test("--version prints the version and nothing else", (t) => {
  const ran = folder(t).run(["--version"]);
  works(t, ran);
  t.regex(ran.out, /^\d+\.\d+\.\d+\n$/);
  t.is(ran.err, "");
});

test("--help lists the verbs and the exit codes", (t) => {
  const ran = folder(t).run(["--help"]);
  works(t, ran);
  for (const verb of [...VERBS, "replay"]) t.true(ran.out.includes(`\n  ${verb} `), verb);
  t.regex(ran.out, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 /);
});

for (const verb of [...VERBS.map((v) => [v]), ["replay", "record"], ["replay", "check"]])
  test(`${verb.join(" ")} --help has examples`, (t) => {
    const ran = folder(t).run([...verb, "--help"]);
    works(t, ran);
    t.regex(ran.out, new RegExp(`Examples:\\n {2}psionic ${verb.join(" ")} `));
  });

test("compile --help names every level of CPUs", (t) => {
  const ran = folder(t).run(["compile", "--help"]);
  works(t, ran);
  const words = ran.out.split(/[\s,;]+/);
  for (const { levels } of Object.values(NATIVE))
    for (const level of Object.keys(levels)) t.true(words.includes(level), level);
});

test("no verb is an error that names the verbs", (t) =>
  fails(t, folder(t).run([]), 2, /no verb[\s\S]*compile, run, inspect/));

test("a verb that does not exist", (t) =>
  fails(t, folder(t).run(["complie", "x.onnx"]), 2, /unknown command 'complie'[\s\S]*did you mean "compile"\?/));

test("an option that does not exist", (t) =>
  fails(
    t,
    folder(t).run(["run", "x.psn", "--inptu", "a=1"]),
    2,
    /unknown option '--inptu'[\s\S]*did you mean "--input"\?/,
  ));

test("replay without its verb, and with a wrong one", (t) => {
  fails(t, folder(t).run(["replay"]), 2, /a verb is missing/);
  fails(t, folder(t).run(["replay", "rekord"]), 2, /unknown command 'rekord'/);
});

test("a missing argument, and one too many", (t) => {
  for (const verb of VERBS) fails(t, folder(t).run([verb]), 2, /missing required argument/);
  fails(t, folder(t).run(["inspect", "a.psn", "b.psn"]), 2, /too many arguments/);
});

test("an option with a value outside its choices", (t) => {
  fails(t, folder(t).run(["compile", "x.onnx", "--target", "vax"]), 2, /'vax' is invalid[\s\S]*wasm/);
  fails(t, folder(t).run(["compile", "x.onnx", "--tier", "sloppy"]), 2, /strict, relaxed/);
  fails(t, folder(t).run(["inspect", "x.psn", "--graph", "final"]), 2, /source, functional/);
});

test("under --json an error is a document on stdout, and stderr is empty", (t) => {
  const ran = folder(t).run(["inspect", "nope.psn", "--json"]);
  t.is(ran.code, 2);
  t.is(ran.err, "");
  const { error } = json(t, ran);
  t.like(error, { code: "io" });
  const usage = folder(t).run(["run", "--json", "--nonsense"]);
  t.is(usage.code, 2);
  t.like(json(t, usage)["error"], { code: "usage" });
});

test("colour only where it is asked for", (t) => {
  const f = folder(t);
  const isColoured = (env: Readonly<Record<string, string>>): boolean => f.run(["frobnicate"], env).err.includes(RED);
  t.false(isColoured({}));
  t.true(isColoured({ FORCE_COLOR: "1" }));
  t.false(isColoured({ FORCE_COLOR: "0" }));
  t.false(isColoured({ NO_COLOR: "1" }));
});

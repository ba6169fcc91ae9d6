// A library for C and what comes with it: the header compiles without a warning, the library asks for nothing but the C
// library, and the example finds what onnxruntime finds.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { type CompileOptions, compile } from "../../compiler/index.js";
import * as ir from "../../compiler/ir/build.js";
import { Builder } from "../../compiler/ir/graph.js";
import { CLibrary } from "../support/c-model.js";
import { build, cHost, findCompiler, freshFolder, run, STRICT, writeGate } from "../support/c-programs.js";
import { MODEL_FILES } from "../support/models.js";
import { openOracle, type Value } from "../support/oracle.js";
import { graphOf } from "../support/reference.js";
import { voice } from "../support/sound.js";
import { repositoryRoot } from "../support/suites.js";

const host = cHost();
const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("libraries for C", (t) => t.pass(`skipped: ${host}`));
const { target, cc } = typeof host === "string" ? ({ target: "x86-64", cc: "cc" } as const) : host;
const root = repositoryRoot();

native("a header compiles as C99, C11 and C++ without a warning, and two of them together", (t) => {
  const at = freshFolder(t);
  writeGate(at, "gate", { target });
  writeGate(at, "second", { target, library: { name: "second", prefix: "second" } });
  const source = '#include "gate.h"\n#include "second.h"\nint main(void) { return psn_free == second_free; }\n';
  for (const std of ["c99", "c11"])
    run(cc, ["-x", "c", `-std=${std}`, ...STRICT, `-I${at}`, "-fsyntax-only", "-"], source);
  const cxx = findCompiler("c++");
  if (cxx === null) t.log("C++: skipped, this machine has no C++ compiler");
  else run(cxx, ["-x", "c++", "-std=c++11", ...STRICT, `-I${at}`, "-fsyntax-only", "-"], source);
  t.pass();
});

native("names of any characters are texts and comments, and macros differ", (t) => {
  const at = freshFolder(t);
  const names = ["a*/b", "/*", "??/", '"', "\\", "\u00e4", "\u202e", "%s", "x.1", "x_1", "", " "];
  const b = new Builder();
  const inputs = names.map((name) => ir.input(b, `${name}-`, "f32", [1]));
  const y = inputs.reduce((sum, x) => ir.add(b, sum, x));
  const { library } = compile({ graph: graphOf(b, inputs, { y }), builder: b }, { target, library: { name: "odd" } });
  writeFileSync(join(at, "odd.h"), library?.header ?? "");
  const source = '#include "odd.h"\nint all[] = {ODD_INPUT_X_1_, ODD_INPUT_X_1__9};\nint main(void) { return 0; }\n';
  run(cc, ["-x", "c", "-std=c99", ...STRICT, `-I${at}`, "-fsyntax-only", "-"], source);
  const path = join(at, "libodd.so");
  writeFileSync(path, library?.library ?? "");
  t.deepEqual(
    new CLibrary(path).ports("input").map((p) => p.name),
    names.map((name) => `${name}-`),
  );
});

/** All that a library may ask of the program that it is loaded into. */
const OUTSIDE = [
  ..."__errno_location bcmp close getauxval lseek madvise memcmp memcpy memmove memset mmap munmap open read snprintf".split(
    " ",
  ),
  ..."getpid prctl pthread_create pthread_join pthread_sigmask sigfillset syscall".split(" "),
];

native("a library exports the header's functions and asks for nothing but the C library", (t) => {
  for (const [name, options] of [
    ["alone", {}],
    ["shared", { threads: true, tier: ["strict", "relaxed"] }],
  ] as const) {
    const at = freshFolder(t);
    writeGate(at, name, { target, ...options });
    const path = join(at, `lib${name}.so`);
    const lines = run("nm", ["-D", path]).trimEnd().split("\n");
    const named = (kind: string): string[] =>
      lines.flatMap((l) => l.match(new RegExp(`^[0-9a-f ]* ${kind} (\\w+)`))?.[1] ?? []).sort();
    t.deepEqual(
      named("U").filter((f) => !OUTSIDE.includes(f)),
      [],
    );
    const header = readFileSync(join(at, `${name}.h`), "utf8");
    const declared = [...header.matchAll(/^[a-z].*?\b(psn_\w+)\(/gm)].map((m) => m[1] ?? "").sort();
    t.true(declared.length > 20);
    t.deepEqual(named("T"), declared);
    t.deepEqual(
      lines.filter((l) => !/ [UT] /.test(l)),
      [],
    );
    const needed = [...run("readelf", ["-d", path]).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((m) => m[1] ?? "");
    t.deepEqual(
      needed.filter((n) => !/^lib(c|m|pthread)\.so/.test(n)),
      [],
    );
  }
});

native("every compilation gives the same library and header, with a cache too", (t) => {
  const cache = { folder: freshFolder(t) };
  const made = (options: CompileOptions = {}): (string | Uint8Array)[] => {
    const at = freshFolder(t);
    writeGate(at, "same", { target, ...options });
    return [readFileSync(join(at, "libsame.so")), readFileSync(join(at, "same.h"), "utf8")];
  };
  const first = made();
  t.deepEqual(made(), first);
  t.deepEqual(made({ cache }), first);
  t.deepEqual(made({ cache }), first);
});

const CHUNKS = 8;
const SAMPLES = 512;

/** What onnxruntime finds in the sound, with the memory passed around by hand. */
async function judged(sound: Float32Array): Promise<number[]> {
  const oracle = await openOracle(MODEL_FILES["silero-v5"]);
  const sr: Value = { dtype: "i64", shape: [], data: BigInt64Array.of(16000n) };
  let memory: Value = { dtype: "f32", shape: [2, 1, 128], data: new Float32Array(256) };
  const found: number[] = [];
  for (let i = 0; i < CHUNKS; i++) {
    const data = sound.slice(i * SAMPLES, (i + 1) * SAMPLES);
    const { output, stateN } = await oracle({ input: { dtype: "f32", shape: [1, SAMPLES], data }, sr, state: memory });
    if (output === undefined || stateN === undefined) throw new Error("the oracle gives no output");
    found.push(Number(output.data[0]));
    memory = stateN;
  }
  return found;
}

/** The example's own command line. */
const SILERO = "--dim input.0=1 --dim input.1=512 --dim state.1=1 --state state=stateN --name vad --target".split(" ");

native("the example, built with cc, finds in a sound what onnxruntime finds; Python gets the same bits", async (t) => {
  const at = freshFolder(t);
  const args = ["compile", MODEL_FILES["silero-v5"], ...SILERO, target];
  run(process.execPath, [join(root, "dist/compiler/cli/main.js"), ...args, "--c-library", at]);
  const program = build(cc, join(root, "examples/c/vad.c"), at, ["vad"]);
  const sound = voice(CHUNKS * SAMPLES, 16000);
  const bytes = new Uint8Array(sound.buffer);
  const said = run(program, [join(at, "vad.psn")], bytes)
    .trim()
    .split("\n")
    .map(Number);
  const want = await judged(sound);
  t.is(said.length, CHUNKS);
  for (const [i, w] of want.entries()) t.true(Math.abs((said[i] ?? 0) - w) <= 1e-4 * Math.max(...want), `chunk ${i}`);
  t.throws(() => run(program, [join(at, "vad.h")]), { message: /vad: bundle ".*vad\.h": have another magic number/ });

  const [, snippet = ""] = /```c\n(.*?)```/s.exec(readFileSync(join(root, "docs/c.md"), "utf8")) ?? [];
  const source = join(at, "main.c");
  writeFileSync(source, snippet);
  build(cc, source, at, ["vad"]);
  const silence = spawnSync(join(at, "program"), { cwd: at, encoding: "utf8" });
  t.regex(silence.stdout, /^0\.\d+\n$/, "the program in docs/c.md");

  const hasPython =
    spawnSync("python3", ["-c", "import ctypes, sys; sys.exit(sys.version_info < (3, 8))"]).status === 0;
  if (!hasPython) return void t.log("Python: skipped, there is no python3 with ctypes");
  const python = run("python3", [join(root, "examples/c/vad.py"), join(at, "libvad.so"), join(at, "vad.psn")], bytes);
  t.deepEqual(python.trim().split("\n").map(Number), said);
});

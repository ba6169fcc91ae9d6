// Programs in C against a model's library: every wrong argument is a status and a text, here, under memcheck and on
// emulated aarch64; chance finds no other way; threads and two libraries in one program do not meet; the first version of the
// ABI stays what it is.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { stripBundle } from "../../codegen/bundle/read.js";
import { bundleFacts } from "../../codegen/llvm/face/facts.js";
import { compile, f32, tensor, trace } from "../../compiler/index.js";
import type { CompileOptions } from "../../compiler/pipeline.js";
import { NATIVE, type NativeName } from "../../targets/native-targets.js";
import { build, cHost, freshFolder, gate, programFile, run, writeGate, writeLibrary } from "../support/c-programs.js";
import { HOSTS, MEMCHECK_LOG, RIG_NAMES, type RigName, rigProblem } from "./rig/hosts.js";

const host = cHost();
const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("programs in C", (t) => t.pass(`skipped: ${host}`));
const { target, cc, levels } = typeof host === "string" ? ({ target: "x86-64", cc: "cc", levels: [] } as const) : host;

/** Bytes of weights: chunks of a MiB are checked two at a time, and the last may be short or alone. */
const CHUNKS = [64, 1 << 20, (1 << 20) + 64, 2 << 20, (5 << 19) + 128];

/** A sum with so many bytes of weights. */
function bulk(bytes: number) {
  const size = bytes / 4;
  const weights = tensor(
    Float32Array.from({ length: size }, (_, i) => i % 251),
    [size],
  );
  return trace({ x: f32(size) }, ({ x }) => ({ y: x.add(weights) }));
}

const TARGETS: Readonly<Record<RigName, NativeName>> = { host: target, memcheck: target, aarch64: "aarch64" };

for (const name of RIG_NAMES) {
  const problem = typeof host === "string" ? host : rigProblem(name);
  const given = problem === null ? test : test.skip;
  const on = name === "host" ? "here" : `on the rig ${name}`;
  /** Builds a program for the rig, and gives what runs it. */
  const programOn = (source: string, at: string): ((...args: readonly string[]) => string) => {
    const { compiler, runner } = HOSTS[name];
    const program = build(compiler, programFile(source), at, ["gate"]);
    const [first = program, ...rest] = [...runner(at), program];
    return (...args) => {
      const said = run(first, [...rest, ...args]);
      if (name === "memcheck" && readFileSync(join(at, MEMCHECK_LOG), "utf8") !== "")
        throw new Error(readFileSync(join(at, MEMCHECK_LOG), "utf8"));
      return said;
    };
  };

  given(`every wrong argument is a status and a text, ${on}`, (t) => {
    const at = freshFolder(t);
    const options = { target: TARGETS[name] };
    writeGate(at, "gate", options);
    const [other, files] = [join(at, "other.psn"), join(at, "files")];
    writeFileSync(other, compile(gate(43), options).bundle);
    mkdirSync(files);
    const said = programOn("errors.c", at)(join(at, "gate.psn"), other, files);
    const told = said
      .replaceAll(at, "<folder>")
      .replaceAll(/\b[0-9a-f]{64}\b/g, "<digest>")
      .replaceAll(/at (0x[0-9a-f]+|\(nil\))/g, "at <address>")
      .replaceAll(/\b\d{4,}\b/g, "<size>");
    t.is(told, readFileSync(programFile("errors.txt"), "utf8"));
  });

  given(`every chunk of the weights is checked, ${on}`, (t) => {
    const at = freshFolder(t);
    for (const bytes of CHUNKS) {
      writeLibrary(at, "gate", compile(bulk(bytes), { target: TARGETS[name], library: { name: "gate" } }));
      const { weightsAt, chunks } = bundleFacts(readFileSync(join(at, "gate.psn")));
      const said = programOn("digests.c", at)(join(at, "gate.psn"), String(weightsAt), String(bytes));
      const wrong = "another digest than the bundle's: copy it again, or compile the model again";
      const each = chunks.flatMap((_, i) => Array<string>(2).fill(`9 weights, chunk ${i}: ${wrong}`));
      t.deepEqual(said.split("\n"), ["0 ", ...each, "0 ", ""], `${bytes} bytes`);
    }
  });

  given(`arguments that are wrong by chance are a status, ${on}`, (t) => {
    const at = freshFolder(t);
    writeGate(at, "gate", { target: TARGETS[name] });
    const tries = name === "host" ? 100_000 : 6000;
    const statuses = programOn("fuzz.c", at)(join(at, "gate.psn"), String(tries)).trim().split(" ");
    // Right, and wrong in dtype, shape, value, bundle and options: chance came that far.
    for (const status of ["0", "1", "2", "3", "4", "7", "8"]) t.true(statuses.includes(status), `status ${status}`);
  });
}

native("models run at the same time on threads of their own, and one takes one call at a time", (t) => {
  const at = freshFolder(t);
  writeGate(at, "gate", { target });
  const program = build(cc, programFile("threads.c"), at, ["gate"], ["-pthread"]);
  const said = run(program, [join(at, "gate.psn")]);
  t.is(said, "own: 8000 of 8000\ntogether: 4000 of 4000\nruns in all: 4000\n");
});

native("two libraries in one program know their own models", (t) => {
  const at = freshFolder(t);
  writeGate(at, "gate", { target });
  writeGate(at, "second", { target, library: { name: "second", prefix: "second" } }, 43);
  const program = build(cc, programFile("two.c"), at, ["gate", "second"]);
  const said = run(program, [join(at, "gate.psn"), join(at, "second.psn")]);
  t.is(said, "another plan: 1\nown: 0 0\nthe other's: 1 1\nown still: 0 0\n");
});

native("the first version of the ABI is what it was", (t) => {
  const at = freshFolder(t);
  writeGate(at, "gate", { target });
  t.is(run(build(cc, programFile("abi-1.c"), at, ["gate"]), []), "");
});

/** What load.c says of a library of these levels. */
function loaded(t: ExecutionContext, options: CompileOptions, compiler: string, runner: readonly string[]): string {
  const at = freshFolder(t);
  writeGate(at, "gate", options);
  const [first = "", ...args] = [...runner, build(compiler, programFile("load.c"), at, ["gate"]), join(at, "gate.psn")];
  return run(first, args);
}

native("a bundle stripped of its texts is the same bundle; one that ends anywhere else is refused", (t) => {
  const at = freshFolder(t);
  const path = join(at, "gate.psn");
  writeGate(at, "gate", { target });
  const program = build(cc, programFile("load.c"), at, ["gate"]);
  const whole = readFileSync(path);
  const stripped = stripBundle(whole).bytes.length;
  t.true(stripped < whole.length);
  const ends = { [whole.length]: true, [stripped]: true, [stripped - 1]: false, [stripped + 1]: false };
  for (const [bytes, loads] of Object.entries(ends)) {
    writeFileSync(path, whole.subarray(0, Number(bytes)));
    const refusal = `7 bundle "${path}": have ${bytes} bytes, want ${whole.length}, or ${stripped} without texts: copy it again\n1\n`;
    t.is(run(program, [path]), loads ? "0 \n0\n" : refusal);
  }
});

native("the face finds every level that the runtime finds here", (t) => {
  for (const level of levels) t.is(loaded(t, { target, cpus: [level] }, cc, []), "0 \n0\n", level);
});

/** An x86-64 CPU of 2008, emulated: of the levels it has v2. */
const OLD_CPU = ["qemu-x86_64-static", "-cpu", "Nehalem"] as const;
const hasOldCpu = target === "x86-64" && spawnSync(OLD_CPU[0], ["--version"]).error === undefined;
if (!hasOldCpu) test("an older CPU", (t) => t.pass(`skipped: no ${OLD_CPU[0]}, or no machine for it`));

(hasOldCpu ? native : test.skip)("on an older CPU a library runs a level that it has, or says what is lacking", (t) => {
  const loads = (cpus: readonly string[]): string => loaded(t, { target, cpus }, cc, OLD_CPU);
  t.is(loads(["v4", "v3", "v2"]), "0 \n0\n");
  t.regex(
    loads(["v4", "v3"]),
    /^11 the CPU lacks x86-64-v4, or x86-64-v3: compile the model for another level.*\n1\n$/,
  );
  t.regex(loads(["v3vnni"]), /^11 the CPU lacks .*avxvnni/);
});

/** Emulated CPUs of aarch64, older than some levels. */
const isEmulated = process.arch !== "arm64" && rigProblem("aarch64") === null;
(isEmulated ? native : test.skip)("on older CPUs of aarch64 a library runs a level that they have", (t) => {
  const { compiler, runner } = HOSTS.aarch64;
  const loads = (cpu: string, cpus: readonly string[]): string =>
    loaded(t, { target: "aarch64", cpus }, compiler, [...runner(""), "-cpu", cpu]);
  const all = Object.keys(NATIVE.aarch64.levels);
  t.is(loads("max", all.slice(0, 1)), "0 \n0\n");
  t.is(loads("cortex-a57", all), "0 \n0\n");
  t.is(loads("cortex-a76", ["dotprod"]), "0 \n0\n");
  t.regex(loads("cortex-a57", ["dotprod"]), /^11 the CPU lacks .*asimddp/);
  t.regex(loads("cortex-a76", ["v8.6"]), /^11 the CPU lacks .*i8mm/);
});

// `psionic tune` from end to end on a small model, and the arithmetic by which a choice wins. What wins on a machine is not
// asserted: only that the file is one, that it replays, and that an interrupted search leaves one too.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { isWin, median, signTest } from "../../compiler/cli/tune/race.js";
import { writeTuning } from "../../compiler/cli/tune/write.js";
import { formatTuning, parseTuning, type TuningEntry } from "../../compiler/schedule/tuning.js";
import { fails, folder, json, works } from "../cli/command.js";
import { MODEL_BYTES } from "./model.js";

const entry = (kernel: string, rest = {}): TuningEntry => ({
  kernel,
  machine: "wasm/x86-64/v8-1.2",
  tier: "strict",
  choices: { mr: 2 },
  measured: { before: 1, after: 0.5, rounds: 9, compiler: "psionic 0.0.0" },
  ...rest,
});

test("search, replay and check", (t) => {
  const f = folder(t);
  f.write("m.onnx", MODEL_BYTES);
  const ran = f.run(["tune", "m.onnx", "--seconds", "3", "--json"]);
  works(t, ran);
  const { builds, entries } = json(t, ran);
  t.true(Number(builds) > 1);
  const lock = parseTuning(f.text("tuning.lock"));
  t.deepEqual(lock.entries.length, Array.isArray(entries) ? entries.length : -1);
  works(t, f.run(["compile", "m.onnx", "--tuning", "tuning.lock"]));
  works(t, f.run(["verify", "m.psn"]));
  works(t, f.run(["tune", "m.onnx", "--check"]));
});

test("stale entries are listed, noted by compile, and change nothing", (t) => {
  const f = folder(t);
  f.write("m.onnx", MODEL_BYTES);
  f.write("tuning.lock", formatTuning({ entries: [entry("matmul in0:f32[7, 7]")] }));
  const checked = f.run(["tune", "m.onnx", "--check"]);
  t.is(checked.code, 1);
  t.regex(checked.out, /no such kernel: matmul in0:f32\[7, 7\]\n/);
  const plain = f.run(["compile", "m.onnx", "-o", "plain.psn"]);
  works(t, plain);
  const tuned = f.run(["compile", "m.onnx", "--tuning", "tuning.lock", "-o", "tuned.psn"]);
  works(t, tuned);
  t.regex(tuned.err, /note: 1 of the entries of "tuning\.lock" fit no kernel/);
  t.is(Buffer.compare(f.read("plain.psn"), f.read("tuned.psn")), 0);
});

test("a tuned bundle differs from the plain one first in its schedule", (t) => {
  const f = folder(t);
  f.write("m.onnx", MODEL_BYTES);
  works(t, f.run(["compile", "m.onnx", "-o", "plain.psn"]));
  const kernel = /^(matmul) /m.exec(f.run(["inspect", "plain.psn", "--schedule"]).out)?.[1];
  t.is(kernel, "matmul");
  const key = "matmul in0:f32[1, 44] w0:f32[44, 40]; v0 = matmul(in0, w0) {dtype: f32} -> f32[1, 40]";
  f.write("tuning.lock", formatTuning({ entries: [entry(key, { choices: { mr: 1, nr: 8 } })] }));
  const tuned = f.run(["compile", "m.onnx", "--tuning", "tuning.lock", "-o", "tuned.psn"]);
  works(t, tuned);
  t.is(tuned.err, "", "the key is that of the model's product");
  const diff = f.run(["diff", "plain.psn", "tuned.psn", "--json"]);
  t.is(diff.code, 1);
  t.like(json(t, diff)["explains"], { level: "schedule" });
});

test("what the command line cannot mean", (t) => {
  const f = folder(t);
  f.write("m.onnx", MODEL_BYTES);
  f.write("tuning.lock", "{}");
  fails(t, f.run(["tune", "m.onnx", "--seconds", "soon"]), 2, /--seconds soon/);
  fails(t, f.run(["tune", "m.onnx"]), 1, /tuning file/);
  fails(t, f.run(["compile", "m.onnx", "--tuning", "tuning.lock"]), 1, /tuning file: lacks the field "version"/);
  fails(t, f.run(["compile", "m.onnx", "--tuning", "none.lock"]), 2, /cannot read the tuning file/);
  fails(t, f.run(["compile", "m.onnx", "--machine", "wasm/x86-64/v8-1.2"]), 2, /--machine is for a tuning file/);
  fails(t, f.run(["tune", "m.onnx", "--check", "-o", "none.lock"]), 2, /cannot read the tuning file/);
});

test("an interrupted search writes a whole file", async (t) => {
  const f = folder(t);
  f.write("m.onnx", MODEL_BYTES);
  const program = fileURLToPath(new URL("../../compiler/cli/main.js", import.meta.url));
  const child = spawn(process.execPath, [program, "tune", join(f.path, "m.onnx"), "--seconds", "300"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  child.stderr.once("data", () => child.kill("SIGINT"));
  const [code] = await once(child, "exit");
  t.is(code, 0);
  t.notThrows(() => parseTuning(f.text("tuning.lock")));
  t.deepEqual(f.list(), ["m.onnx", "tuning.lock"]);
});

test("a win is a ratio and a sign test", (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1, 2, 3]), 2.5);
  t.is(signTest(0, 5), 1);
  t.is(signTest(5, 5), 1 / 32);
  t.is(signTest(4, 5), 6 / 32);
  const verdict = { before: 1, after: 0.9, ratio: 0.9, rounds: 15, chance: 0.01 };
  t.true(isWin(verdict));
  t.false(isWin({ ...verdict, ratio: 0.98 }));
  t.false(isWin({ ...verdict, chance: 0.2 }));
});

test("a search replaces what it tried and keeps the rest", (t) => {
  const machine = "wasm/x86-64/v8-1.2";
  const [a, b] = [entry("matmul a"), entry("matmul b")];
  const far = entry("matmul a", { machine: "wasm/aarch64/v8-1.2" });
  const relaxed = entry("matmul a", { tier: "relaxed" });
  const again = entry("matmul c", { choices: { mr: 3 } });
  const found = { entries: [again], tried: ["matmul a", "matmul c"], builds: 2, whole: null };
  const text = writeTuning({ entries: [a, b, far, relaxed] }, found, machine, "strict");
  const names = (entries: readonly TuningEntry[]): string[] =>
    entries.map((e) => `${e.kernel} ${e.machine} ${e.tier}`).sort();
  t.deepEqual(names(parseTuning(text).entries), names([b, far, relaxed, again]));
});

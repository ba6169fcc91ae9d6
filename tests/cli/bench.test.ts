// `psionic bench` on a small bundle made by hand: made-up and given inputs, the figures, and what does not fit.

import test from "ava";
import { fakeBundle } from "../support/fake-bundle.js";
import { type Folder, fails, folder, json, works } from "./command.js";

const bundle = fakeBundle();

function withBundle(t: Parameters<typeof folder>[0]): Folder {
  const f = folder(t);
  f.write("m.psn", bundle);
  return f;
}

test("figures for people", (t) => {
  const ran = withBundle(t).run(["bench", "m.psn", "--repeat", "20"]);
  works(t, ran);
  t.regex(ran.out, /^\w+ on wasm, strict, 1 thread, plan [0-9a-f]{16}\n {2}input x: f32\[\d+\]\n/);
  t.regex(ran.out, /\nload +[\d.]+ ms .*\nfirst +[\d.]+ ms\nwarm +[\d.]+ ms \(median of 20; .*\nmemory .*\n$/);
});

test("figures as JSON, with one size chosen and one input given", (t) => {
  const f = withBundle(t);
  const args = ["bench", "m.psn", "--repeat", "7", "--json", "--dim", "n=3", "--input", "flag=[true,false]"];
  const ran = f.run(args);
  works(t, ran);
  const document = json(t, ran);
  t.is(document["runs"], 7);
  t.deepEqual(document["inputs"], { x: "f32[3]", flag: "bool[2]" });
  const { load, first, fastest, median, p95 } = document["milliseconds"] as Record<string, number>;
  t.true([load, first, fastest, median, p95].every((n) => typeof n === "number" && n > 0));
  t.true((fastest ?? 0) <= (median ?? 0) && (median ?? 0) <= (p95 ?? 0));
  t.is((document["bytes"] as Record<string, number>)["bundle"], bundle.byteLength);
});

test("what does not fit", (t) => {
  const f = withBundle(t);
  fails(t, f.run(["bench", "m.psn", "--repeat", "0"]), 2, /--repeat 0: want a whole number from 1/);
  fails(t, f.run(["bench", "m.psn", "--dim", "n"]), 2, /--dim n: want name=size/);
  fails(t, f.run(["bench", "m.psn", "--dim", "m=2"]), 2, /--dim m: the bundle has no such symbol/);
  fails(t, f.run(["bench", "m.psn", "--dim", "n=1000000"]), 2, /--dim n=1000000: want \d+ to \d+/);
  fails(t, f.run(["bench", "m.psn", "--input", "z=1"]), 2, /has no input "z"/);
  fails(t, f.run(["bench", "absent.psn"]), 2, /absent\.psn/);
});

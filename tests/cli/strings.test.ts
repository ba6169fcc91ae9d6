// Strings on the command line: in and out as JSON, .npy and .npz, on the terminal, and in receipts.

import test from "ava";
import { readNpy, writeNpy } from "../../compiler/cli/io/npy.js";
import { readNpz } from "../../compiler/cli/io/npz.js";
import { texts } from "../../compiler/cli/io/texts.js";
import { fakeBundle } from "../support/fake-bundle.js";
import { type Folder, fails, folder, json, works } from "./command.js";

const bundle = fakeBundle();
const WORDS = ["äpfel", "🍒"];
const SAID = ["🍒", "äpfel", "yes"];
const words = texts.tensor([2], WORDS);

function withBundle(t: Parameters<typeof folder>[0]): Folder {
  const f = folder(t);
  f.write("m.psn", bundle);
  return f;
}

test("every form of input gives the same strings", (t) => {
  const f = withBundle(t);
  f.write("words.npy", writeNpy(words));
  f.write("words.json", JSON.stringify(WORDS));
  f.write("all.json", JSON.stringify({ words: WORDS }));
  for (const form of [`words=${JSON.stringify(WORDS)}`, "words=@words.npy", "words=@words.json", "@all.json"]) {
    const ran = f.run(["run", "m.psn", "--entry", "say", "--input", form]);
    works(t, ran);
    t.is(ran.out, `said: str[3]\n["🍒", "äpfel", "yes"]\n`, form);
  }
});

test("outputs as JSON, .npy and .npz", (t) => {
  const f = withBundle(t);
  const say = ["run", "m.psn", "--entry", "say", "--input", `words=${JSON.stringify(WORDS)}`];
  const document = json(t, f.run([...say, "--json"]));
  t.like(document["outputs"], { said: { dtype: "str", shape: [3], data: SAID } });
  works(t, f.run([...say, "-o", "said=@said.npy", "-o", "all.npz"]));
  t.deepEqual(texts.stringsOf(readNpy(f.read("said.npy"))), SAID);
  t.deepEqual(
    [...readNpz(f.read("all.npz")).values()].map((said) => texts.stringsOf(said)),
    [SAID],
  );
});

test("what does not fit says so", (t) => {
  const f = withBundle(t);
  const say = (input: string, ...more: string[]) =>
    f.run(["run", "m.psn", "--entry", "say", "--input", input, ...more]);
  f.write("words.raw", new Uint8Array(8));
  fails(t, say("words=[1,2]"), 1, /want a string/);
  fails(t, say("words=@words.raw"), 1, /raw bytes are no strings/);
  fails(t, say('words=["a","b"]', "-o", "said=@said.raw"), 1, /no raw form/);
  fails(t, say('words=["a","\\u0000"]', "-o", "said=@said.npy"), 1, /U\+0000/);
});

test("numpy's strings, in either byte order", (t) => {
  const little = writeNpy(texts.tensor([2, 2], ["a", "", "längst", "\uD800"]));
  t.deepEqual(texts.stringsOf(readNpy(little)), ["a", "", "längst", "\uD800"]);
  const big = little.slice();
  const text = new TextDecoder("latin1").decode(big);
  const start = big.length - 4 * 6 * 4;
  big[text.indexOf("<U6")] = 0x3e;
  for (let at = start; at < big.length; at += 4) big.subarray(at, at + 4).reverse();
  t.deepEqual(texts.stringsOf(readNpy(big)), ["a", "", "längst", "\uD800"]);
  const wrong = little.slice();
  wrong[wrong.length - 1] = 0x7f;
  t.throws(() => readNpy(wrong), { instanceOf: RangeError, message: /code point/ });
  t.throws(() => readNpy(little.subarray(0, -4)), { instanceOf: RangeError, message: /takes 96 bytes/ });
});

test("a receipt binds the strings", (t) => {
  const f = withBundle(t);
  const receipt = (input: string): unknown => {
    works(t, f.run(["replay", "record", "m.psn", "--entry", "say", "--input", input, "-o", "r.json"]));
    return JSON.parse(new TextDecoder().decode(f.read("r.json")));
  };
  const first = receipt('words=["a","b"]');
  t.deepEqual(receipt('words=["a","b"]'), first);
  t.notDeepEqual(receipt('words=["a","c"]'), first);
});

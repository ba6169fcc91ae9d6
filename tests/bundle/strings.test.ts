// Strings at the runtime's border: an entry that gives its two input strings in the other order, and the model's "yes".

import test from "ava";
import { InputError, LoadError, load } from "../../runtime-shim/index.js";
import { fakeBundle, manifestText, withManifest } from "../support/fake-bundle.js";

const bundle = fakeBundle();
const open = () => load(bundle, { entry: "say" });

test("strings that the model knows, and ones that it does not, come through as they are", async (t) => {
  const model = await open();
  for (const words of [
    ["yes", "no"],
    ["", "not known"],
    ["same", "same"],
    ["\uD800", "\uDC00 half a pair"],
    ["é", "e\u0301"],
    ["__proto__", "constructor"],
    ["a\0", "a"],
  ]) {
    const { said } = model.runSync({ words });
    t.is(said?.dtype, "str");
    t.deepEqual(said?.shape, [3]);
    t.deepEqual(said?.data, [...words.toReversed(), "yes"]);
  }
});

test("what a run gave stays what it was, without copies too", async (t) => {
  const model = await open();
  const first = model.runSync({ words: ["one", "two"] }, { copy: false });
  const second = model.runSync({ words: { data: ["three", "four"], shape: [2], dtype: "str" } }, { copy: false });
  t.deepEqual(first["said"]?.data, ["two", "one", "yes"]);
  t.deepEqual(second["said"]?.data, ["four", "three", "yes"]);
});

test("what is no string is refused before anything runs", async (t) => {
  const model = await open();
  const bad: readonly unknown[] = [
    [1, 2],
    ["a", null],
    Int32Array.of(1, 2),
    [["a"], ["b"]],
    { data: [1n, 2n], shape: [2] },
  ];
  for (const words of bad) {
    const error = t.throws(() => model.runSync({ words: words as string[] }), { instanceOf: InputError });
    t.is(error?.code, "type");
  }
  t.is(t.throws(() => model.runSync({ words: ["a"] }), { instanceOf: InputError })?.code, "shape");
  t.is(t.throws(() => model.view("words"), { instanceOf: InputError })?.code, "type");
});

const withStrings = (strings: unknown): Promise<unknown> =>
  load(
    withManifest(
      bundle,
      manifestText(bundle).replace('"strings":["","yes","no"]', `"strings":${JSON.stringify(strings)}`),
    ),
  );

test("a table that is none is refused", async (t) => {
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [[], /strings\[0\]/],
    [["yes", ""], /strings\[0\]/],
    [["", "yes", "yes"], /two named "yes"/],
    [["", 1], /strings\[1\]/],
    [{ 0: "" }, /manifest.strings/],
    [null, /manifest.strings/],
    [["", "\uD800"], /./],
  ];
  for (const [strings, message] of wrong) {
    const error = await t.throwsAsync(withStrings(strings), { instanceOf: LoadError });
    t.is(error?.code, "malformed_input");
    t.regex(error?.message ?? "", message);
  }
  await t.notThrowsAsync(withStrings(["", "other", "names"]));
});

test("a state holds no strings", async (t) => {
  const text = manifestText(bundle).replace(/("states":\[\{"bytes":4,"dtype":)"i32"/, '$1"str"');
  const error = await t.throwsAsync(load(withManifest(bundle, text)), { instanceOf: LoadError });
  t.regex(error?.message ?? "", /states\[0\].dtype/);
});

test("a place that is no string's stops the run", async (t) => {
  const model = await load(withManifest(bundle, manifestText(bundle).replace('["","yes","no"]', '[""]')), {
    entry: "say",
  });
  t.deepEqual(model.runSync({ words: ["a", "b"] })["said"]?.data, ["b", "a", "a"]);
  t.throws(() => model.runSync({ words: ["", ""] }), { message: /names string 1/ });
});

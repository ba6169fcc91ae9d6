// `psionic run` on a small bundle made by hand: every form of input and output, and everything that does not fit.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { readNpy, writeNpy } from "../../compiler/cli/io/npy.js";
import { readNpz, writeNpz } from "../../compiler/cli/io/npz.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { fakeBundle } from "../support/fake-bundle.js";
import { type Folder, fails, folder, json, works } from "./command.js";

const bundle = fakeBundle();
const X = tensorFrom("f32", [3], [1, -2, 3]);
const FLAG = tensorFrom("bool", [2], [1, 0]);
const FLAGS = ["--input", "flag=[true,false]"];
const BOTH = ["--input", "x=[1,-2,3]", ...FLAGS];

function withBundle(t: Parameters<typeof folder>[0]): Folder {
  const f = folder(t);
  f.write("m.psn", bundle);
  return f;
}

test("values on the command line, outputs on the terminal", (t) => {
  const ran = withBundle(t).run(["run", "m.psn", ...BOTH]);
  works(t, ran);
  t.is(
    ran.out,
    "y: f32[3]\n[1, -1.75, 3.5]\ndoubled: f32[6]\n[1, -2, 3, 1, -2, 3]\npositive: f32[2]\n[1, 3]\ncount: i32[]\n1\n",
  );
  t.is(ran.err, "");
});

test("every form of input gives the same", (t) => {
  const f = withBundle(t);
  f.write("x.npy", writeNpy(X));
  f.write("x.raw", X.bytes);
  f.write("x.json", "[1, -2, 3]");
  f.write(
    "all.npz",
    writeNpz([
      ["flag", FLAG],
      ["x", X],
    ]),
  );
  f.write("x.npz", writeNpz([["other", X]]));
  f.write("all.json", '{"x": [1, -2, 3], "flag": [true, false]}');
  const want = f.run(["run", "m.psn", ...BOTH]).out;
  const forms = [
    ["--input", "x=@x.npy", ...FLAGS],
    ["--input", "x=@x.raw:3", ...FLAGS],
    ["--input", "x=@x.json", ...FLAGS],
    ["--input", "x=@x.npz", ...FLAGS],
    ["--input", "x=@all.npz", ...FLAGS],
    ["--input", "@all.npz"],
    ["-i", "@all.json"],
  ];
  for (const form of forms) {
    const ran = f.run(["run", "m.psn", ...form]);
    works(t, ran);
    t.is(ran.out, want, form.join(" "));
  }
});

test("every form of output holds the same", (t) => {
  const f = withBundle(t);
  const args = [
    "-o",
    "y=@y.npy",
    "-o",
    "y=@y.raw",
    "-o",
    "doubled=@d.json",
    "-o",
    "all.npz",
    "-o",
    "all.json",
    "-o",
    "folder/in",
  ];
  works(t, f.run(["run", "m.psn", ...BOTH, ...args]));
  t.deepEqual(readNpy(f.read("y.npy")).numbers(), [1, -1.75, 3.5]);
  t.deepEqual([...new Float32Array(f.read("y.raw").slice().buffer)], [1, -1.75, 3.5]);
  t.deepEqual(JSON.parse(f.text("d.json")), [1, -2, 3, 1, -2, 3]);
  t.deepEqual([...readNpz(f.read("all.npz")).keys()], ["y", "doubled", "positive", "count"]);
  t.deepEqual(JSON.parse(f.text("all.json")), {
    y: [1, -1.75, 3.5],
    doubled: [1, -2, 3, 1, -2, 3],
    positive: [1, 3],
    count: 1,
  });
  t.deepEqual(readNpy(f.read("folder/in/positive.npy")).numbers(), [1, 3]);
  t.deepEqual(
    f.list().filter((n) => n.includes("tmp")),
    [],
  );
});

test("--json has dtypes, shapes, digests and data on stdout alone", (t) => {
  const ran = withBundle(t).run(["run", "m.psn", ...BOTH, "--json", "--repeat", "3"]);
  works(t, ran);
  t.is(ran.err, "");
  const { outputs, milliseconds } = json(t, ran);
  t.like(outputs, {
    y: { dtype: "f32", shape: [3], data: [1, -1.75, 3.5] },
    count: { dtype: "i32", shape: [], data: 3 },
  });
  t.is(Array.isArray(milliseconds) ? milliseconds.length : 0, 3);
});

test("another entry point, 64-bit integers exactly", (t) => {
  const f = withBundle(t);
  const ran = f.run(["run", "m.psn", "--entry", "pick", "--input", "at=[4,8]"]);
  works(t, ran);
  t.is(ran.out, "picked: f32[2]\n[1, 2]\n");
  fails(
    t,
    f.run(["run", "m.psn", "--entry", "pick", "--input", "at=[9007199254740993,0]"]),
    1,
    /beyond 2\^53[\s\S]*string/,
  );
  fails(
    t,
    f.run(["run", "m.psn", "--entry", "pick", "--input", 'at=["9223372036854775808",0]']),
    1,
    /want -9223372036854775808 to/,
  );
  fails(
    t,
    f.run(["run", "m.psn", "--entry", "pick", "--input", "at=[64,0]"]),
    1,
    /index_out_of_range.*an index is outside its data/,
  );
  fails(t, f.run(["run", "m.psn", "--entry", "pikc"]), 2, /--entry pikc[\s\S]*did you mean "pick"/);
});

test("what a run itself says comes through", (t) => {
  const f = withBundle(t);
  fails(t, f.run(["run", "m.psn", "--entry", "fail", "--input", "kind=-1"]), 1, /trap/);
  fails(t, f.run(["run", "m.psn", "--entry", "fail", "--input", "kind=2"]), 1, /sizes that must be equal differ/);
});

const WRONG: readonly (readonly [what: string, args: readonly string[], code: 1 | 2, message: RegExp])[] = [
  ["no inputs", [], 1, /input "x": have nothing, want f32\[n\]\ninput "flag": have nothing, want bool\[2\]/],
  ["an unknown name", ["--input", "xx=1"], 1, /has no input "xx"[\s\S]*did you mean "x"/],
  ["a name given twice", [...BOTH, "--input", "x=[1]"], 2, /"x" is given twice/],
  ["a wrong rank", ["--input", "x=[[1]]", ...FLAGS], 1, /input "x": have f32\[1, 1\], want f32\[n\]/],
  ["a size out of range", ["--input", "x=[]", ...FLAGS], 1, /size 0 at axis 0.*n in 1\.\.64/],
  ["a wrong size", ["--input", "x=[1]", "--input", "flag=[true]"], 1, /shape \[1\], want bool\[2\]/],
  ["a ragged list", ["--input", "x=[[1,2],[3]]", ...FLAGS], 1, /element \[1\] has 1 elements, want 2/],
  ["a fraction for an integer", ["--entry", "fail", "--input", "kind=1.5"], 1, /1\.5, want a whole number/],
  ["an integer out of range", ["--entry", "fail", "--input", "kind=4294967296"], 1, /want -2147483648 to 2147483647/],
  ["a number for a bool", ["--input", "x=[1]", "--input", "flag=[2,0]"], 1, /element \[0\] is 2, want true or false/],
  ["a number float32 cannot hold", ["--input", "x=[1e39]", ...FLAGS], 1, /1e\+39, which f32 cannot hold/],
  ["no value at all", ["--input", "x", ...FLAGS], 2, /want name=value/],
  ["a value that is none", ["--input", "x=one", ...FLAGS], 2, /neither a number/],
  [
    "a missing file",
    ["--input", "x=@nope.npy", ...FLAGS],
    2,
    /cannot read the file for input "x" "nope\.npy": no such file/,
  ],
  ["a .npy that is none", ["--input", "x=@text.npy", ...FLAGS], 1, /"text\.npy": it does not begin with/],
  ["a .npz that is none", ["--input", "x=@text.npz", ...FLAGS], 1, /"text\.npz": it is no \.npz/],
  ["JSON that is none", ["--input", "x=@text.json", ...FLAGS], 1, /"text\.json": it is no JSON/],
  [
    "another dtype",
    ["--input", "x=@f64.npy", ...FLAGS],
    1,
    /input "x": have f64\[3\], want f32\[n\][\s\S]*dtype that is wanted/,
  ],
  ["raw bytes without a shape", ["--input", "x=@x.raw", ...FLAGS], 1, /no shape, and the signature has a symbolic one/],
  ["raw bytes of another size", ["--input", "x=@x.raw:4", ...FLAGS], 1, /f32\[4\] takes 16 bytes, the file has 12/],
  ["a shape for a file that has one", ["--input", "x=@f64.npy:3", ...FLAGS], 1, /":3" is for raw files/],
  ["a bad count", [...BOTH, "--repeat", "0"], 2, /--repeat 0: want a whole number/],
  ["an output that is none", [...BOTH, "-o", "z=@z.npy"], 2, /there is no output "z"/],
  ["an output in a folder that is none", [...BOTH, "-o", "y=@no/y.npy"], 2, /the folder "no" does not exist/],
  ["an output under a file", [...BOTH, "-o", "y=@x.raw/y.npy"], 2, /"x\.raw" is not a folder/],
  ["an output folder under a file", [...BOTH, "-o", "x.raw/out"], 2, /cannot make the folder "x\.raw\/out"/],
  ["one array for all outputs", [...BOTH, "-o", "all.npy"], 2, /holds one array, and no output is named/],
  ["an output that is a folder", [...BOTH, "-o", "y=@sub.npy"], 2, /it is a folder/],
];

for (const [what, args, code, message] of WRONG)
  test(`run refuses ${what}`, (t) => {
    const f = withBundle(t);
    for (const name of ["text.npy", "text.npz", "text.json"]) f.write(name, "no array");
    f.write("f64.npy", writeNpy(tensorFrom("f64", [3], [1, 2, 3])));
    f.write("x.raw", X.bytes);
    mkdirSync(join(f.path, "sub.npy"));
    const before = f.list();
    fails(t, f.run(["run", "m.psn", ...args]), code, message);
    t.deepEqual(f.list(), before);
  });

test("bundles that are none", (t) => {
  const f = withBundle(t);
  f.write("text.psn", "this is no bundle, but text that is long enough to have a header of a bundle");
  f.write("empty.psn", "");
  f.write("cut.psn", bundle.subarray(0, bundle.length - 5));
  const flipped = bundle.slice();
  const at = flipped.length - 3;
  flipped[at] = (flipped[at] ?? 0) ^ 1;
  f.write("flipped.psn", flipped);
  fails(t, f.run(["run", "nope.psn"]), 2, /cannot read the bundle "nope\.psn"/);
  fails(t, f.run(["run", "."]), 2, /it is a folder/);
  for (const verb of ["run", "inspect", "types"]) {
    fails(t, f.run([verb, "text.psn"]), 1, /malformed_input.*a psionic bundle/);
    fails(t, f.run([verb, "empty.psn"]), 1, /malformed_input/);
    fails(t, f.run([verb, "cut.psn"]), 1, /malformed_input/);
    fails(t, f.run([verb, "flipped.psn"]), 1, /digest_mismatch/);
  }
});

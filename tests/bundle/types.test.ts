// The types written for a model: compiled against the shim's own types, right uses pass and wrong ones do not.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { modelTypes } from "../../codegen/bundle/types.js";
import { Refused } from "../../compiler/ir/errors.js";
import { fakePlan } from "../support/fake-bundle.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

const odd = {
  ...fakePlan,
  entries: fakePlan.entries.map((e) =>
    e.name !== "fail" ? e : { ...e, name: "a-b*/", inputs: e.inputs.map((p) => ({ ...p, name: "in.1*/\n" })) },
  ),
};

const use = `import { load, type TensorView } from "psionic/runtime";
import type { Fake } from "./fake.js";
const model = await load<Fake>("fake.psn");
const { y, count } = await model.run({ x: new Float32Array(3), flag: [true, false] });
const a: Float32Array = y.data;
const b: TensorView<"i32"> = count;
const { picked } = model.runSync({ at: BigInt64Array.of(1n) }, { entry: "pick" });
const c: Float32Array = picked.data;
const d = await model.run({ "in.1*/\\n": { data: [1], shape: [] } }, { entry: "a-b*/", copy: false });
const e: Int32Array = d.same.data;
const said: readonly string[] = (await model.run({ words: ["yes", "?"] }, { entry: "say" })).said.data;
// @ts-expect-error strings, not numbers
await model.run({ words: [1, 2] }, { entry: "say" });
// @ts-expect-error an input is missing
await model.run({ x: [1] });
// @ts-expect-error no such input
await model.run({ x: [1], flag: [1, 0], z: 1 });
// @ts-expect-error another array type
await model.run({ x: new Float64Array(1), flag: [1, 0] });
// @ts-expect-error no such output
const { nothing } = await model.run({ x: [1], flag: [1, 0] });
// @ts-expect-error no such entry
await model.run({ x: [1], flag: [1, 0] }, { entry: "none" });
// @ts-expect-error another array type comes out
const f: Float64Array = y.data;
const any = await load(new Uint8Array(4));
const { logits } = await any.run({ x: [1] });
const g: readonly number[] | undefined = logits?.shape;
const h = any.runSync({ x: [1] }, { entry: "whatever" });
console.log(a, b, c, e, said, f, g, h, nothing);
`;

test("the types compile, and hold", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "psionic-types-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "src"));
  writeFileSync(join(folder, "package.json"), `{"type":"module"}`);
  writeFileSync(join(folder, "src/fake.d.ts"), modelTypes(odd, "Fake"));
  writeFileSync(join(folder, "src/use.ts"), use);
  const compilerOptions = {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    module: "nodenext",
    target: "es2023",
    lib: ["es2023", "dom", "dom.iterable"],
    types: [join(root, "node_modules/@types/node")],
    noEmit: true,
    paths: { "psionic/runtime": [join(root, "runtime-shim/index.ts")] },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["src"] }));
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "-p", folder],
    {
      encoding: "utf8",
    },
  );
  t.is(stdout, "");
  t.is(status, 0);
});

test("what has no types is refused", (t) => {
  t.throws(() => modelTypes(fakePlan, "not a name"), { instanceOf: Refused });
  t.throws(() => modelTypes({ ...fakePlan, entries: [] }, "A"), { instanceOf: Refused });
});

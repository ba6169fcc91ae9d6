// Modules with large kernels can be warmed up, which changes no byte of memory and no result; others have nothing to warm.

import test from "ava";
import { openBundle } from "../../codegen/bundle/read.js";
import { compile, f32, tensor, trace } from "../../compiler/index.js";
import { load } from "../../runtime-shim/index.js";

/** Two products of rows by size x size. */
function products(size: number) {
  const weights = tensor(
    Float32Array.from({ length: size * size }, (_, i) => (i % 7) - 3),
    [size, size],
  );
  return trace({ x: f32(size, size) }, ({ x }) => ({ y: x.matmul(weights).relu().matmul(x) }));
}

function moduleOf(bundle: Uint8Array, index: number): { readonly code: Uint8Array; readonly bytes: number } {
  const { manifest, blob } = openBundle(bundle);
  const code = blob("module", index);
  if (code === null) throw new Error(`no module ${index}`);
  const threads = manifest.modules[index]?.threads ?? null;
  const more = threads === null ? 0 : threads.shared + threads.each;
  return { code: Uint8Array.from(code), bytes: manifest.memory.bytes + more };
}

const SIZE = 160;
const large = compile(products(SIZE), { threads: true }).bundle;

for (const [index, name] of ["one thread", "threads"].entries())
  test(`${name}: warming up leaves memory as it was, and the run computes what it did`, async (t) => {
    const { code, bytes } = moduleOf(large, index);
    const pages = Math.ceil(bytes / 65536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: index === 1 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(code)), { env: { memory } });
    const { warm, run_main: run } = exports;
    if (typeof warm !== "function" || typeof run !== "function") return t.fail("no such exports");
    const all = new Uint8Array(memory.buffer);
    for (let i = 0; i < all.length; i++) all[i] = (i * 31) & 127;
    const before = all.slice();
    for (const calls of [0, 1, 3]) warm(calls);
    t.is(Buffer.compare(all, before), 0);
    run(0, 1);
    t.not(Buffer.compare(all, before), 0, "warmed up, it runs");
  });

test("a model that was loaded, and so warmed up, gives what plain arithmetic gives", async (t) => {
  const x = Float32Array.from({ length: SIZE * SIZE }, (_, i) => (i % 5) - 2);
  const weight = (i: number): number => (i % 7) - 3;
  const { y } = (await load(large)).runSync({ x });
  const at = (row: number, column: number): number => {
    let sum = 0;
    for (let k = 0; k < SIZE; k++) {
      let inner = 0;
      for (let j = 0; j < SIZE; j++) inner += (x[row * SIZE + j] ?? 0) * weight(j * SIZE + k);
      sum += Math.max(inner, 0) * (x[k * SIZE + column] ?? 0);
    }
    return sum;
  };
  for (const [row, column] of [
    [0, 0],
    [7, 150],
    [159, 159],
  ] as const)
    t.is(Number(y?.data[row * SIZE + column]), at(row, column));
});

test("small kernels are not warmed up", (t) => {
  const { code } = moduleOf(compile(products(16)).bundle, 0);
  const names = WebAssembly.Module.exports(new WebAssembly.Module(Uint8Array.from(code))).map((e) => e.name);
  t.deepEqual(names, ["run_main"]);
});

// What ships: the shim imports nothing outside its folder, evaluates no text, is small, and hashes right by itself.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import test from "ava";
import { build } from "esbuild";
import { hasFeature } from "../../runtime-shim/features.js";
import { FEATURES } from "../../runtime-shim/format.js";
import { sha256, sha256Here } from "../../runtime-shim/sha256.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const folder = join(root, "runtime-shim");

test("the shim's sources import nothing outside runtime-shim; native code asks for koffi", (t) => {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".ts"));
  t.true(files.length > 5);
  for (const file of files) {
    const source = readFileSync(join(folder, file), "utf8");
    const imports = [
      ...source.matchAll(/\bfrom\s*"([^"]+)"|\bimport\s*"([^"]+)"|\bimport\s*\(([^)]*)\)|\brequire\s*\(([^)]*)\)/g),
    ];
    for (const [text, from, bare, dynamic, required] of imports) {
      const target = from ?? bare;
      const isType = dynamic === `"node:fs"` && source.includes(`typeof import("node:fs")`);
      const isPeer = required === `"koffi"` && file === "native-library.ts";
      t.true(isType || isPeer || (target !== undefined && /^\.\/[a-z0-9-]+\.js$/.test(target)), `${file}: ${text}`);
    }
  }
});

test("bundled, minified and compressed it is small, for browsers, and evaluates no text", async (t) => {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(folder, "index.ts")],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    logLevel: "silent",
    absWorkingDir: root,
  });
  const [file] = outputFiles;
  if (file === undefined) return t.fail();
  for (const input of Object.keys(metafile.inputs)) t.regex(input, /^runtime-shim\//);
  const gz = gzipSync(file.contents, { level: 9 }).length;
  t.log(`${file.contents.length} bytes minified, ${gz} bytes gzipped`);
  t.true(gz <= 30 * 1024);
  const code = file.text.replaceAll("unsafe-eval", "");
  for (const text of [/\beval\b/, /\bFunction\s*\(/, /\bimport\s*\(/]) t.false(text.test(code), `${text}`);
});

test("SHA-256 agrees with Node's at every length around a block, and WebCrypto with both", async (t) => {
  const bytes = Uint8Array.from({ length: 1 << 16 }, (_, i) => (i * 31 + (i >> 8)) & 255);
  const hex = (b: Uint8Array): string => createHash("sha256").update(b).digest("hex");
  for (const n of [...Array(200).keys(), 1000, 65535, 65536]) {
    const part = bytes.subarray(7, 7 + n);
    t.is(Buffer.from(sha256Here(part)).toString("hex"), hex(part));
  }
  t.is(await sha256(bytes), hex(bytes));
  t.is(await sha256(bytes, false), hex(bytes));
});

test("features are probed, and an unknown one is not there", (t) => {
  t.true(hasFeature("simd128"));
  for (const feature of FEATURES) t.is(typeof hasFeature(feature), "boolean");
  for (const feature of FEATURES.filter((f) => !f.startsWith("relaxed-"))) t.true(hasFeature(feature), feature);
  for (const other of ["", "simd", "toString", "__proto__"]) t.false(hasFeature(other));
});

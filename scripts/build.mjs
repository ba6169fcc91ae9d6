// In: the TypeScript sources that tsconfig.json includes. Out: dist/, the runtime as one file, an executable CLI and
// node_modules/.bin/psionic.
//
// The compile is incremental. Two things would make dist/ lie about the sources, and both are put right first: an
// output whose source is gone (a deleted test would go on running) is removed, and an output that is missing although
// the incremental state believes it written makes the state start afresh.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const state = join(dist, ".tsbuildinfo");
const sourceFolders = ["compiler", "codegen", "targets", "runtime-shim", "examples", "tests", "scripts"];
const emitted = /(\.d\.ts|\.js|\.js\.map)$/;

/**
 * Every file under `folder`, as paths relative to `base`; none when the folder is not there.
 * @param {string} folder
 * @param {string} base
 * @returns {string[]}
 */
function filesUnder(folder, base) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(base, join(entry.parentPath, entry.name)));
}

const isSource = /** @param {string} file */ (file) =>
  file.endsWith(".ts") && !file.endsWith(".d.ts") && !file.includes("node_modules");
const sources = sourceFolders.flatMap((folder) => filesUnder(join(root, folder), root).filter(isSource));
const stems = new Set(sources.map((file) => file.slice(0, -".ts".length)));

for (const folder of sourceFolders) {
  for (const file of filesUnder(join(dist, folder), dist)) {
    if (emitted.test(file) && !stems.has(file.replace(emitted, ""))) rmSync(join(dist, file));
  }
}
if ([...stems].some((stem) => !existsSync(join(dist, `${stem}.js`)))) rmSync(state, { force: true });

if (sources.length === 0) {
  console.error("build: no TypeScript sources yet");
  process.exit(0);
}

const tsc = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", root], {
  stdio: "inherit",
});

// What users import is one file: a program with a bundle starts quicker than with twenty modules.
for (const name of ["index", "native"]) {
  const shim = join(dist, `runtime-shim/${name}.js`);
  if (!existsSync(shim)) continue;
  await build({
    entryPoints: [shim],
    outfile: join(dist, `runtime/${name}.js`),
    bundle: true,
    minify: true,
    // An engine shows the line of an error that nobody caught.
    lineLimit: 160,
    keepNames: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    sourcemap: "linked",
    logLevel: "warning",
  });
}

// The text that workers run, as a file for pages that cannot start one from a blob.
const pool = join(dist, "runtime-shim/pool.js");
if (existsSync(pool)) {
  const { WORKER_SOURCE } = await import(pathToFileURL(pool).href);
  writeFileSync(join(dist, "runtime/worker.js"), WORKER_SOURCE);
}

const cli = join(dist, "compiler/cli/main.js");
if (existsSync(cli)) {
  chmodSync(cli, statSync(cli).mode | 0o111);
  linkOwnBin(cli);
}
process.exit(tsc.status ?? 1);

/**
 * npm links the bins of dependencies, not the package's own: without this link `npx psionic` in a checkout would look
 * for a published package.
 * @param {string} target
 */
function linkOwnBin(target) {
  if (process.platform === "win32") return;
  const bin = join(root, "node_modules/.bin");
  const link = join(bin, "psionic");
  if (lstatSync(link, { throwIfNoEntry: false })) return;
  mkdirSync(bin, { recursive: true });
  symlinkSync(relative(bin, target), link);
}

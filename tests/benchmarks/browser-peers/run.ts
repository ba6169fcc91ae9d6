// The other peers that run in a browser, beside our bundle in one page of Chromium, in turns: jax-js, TensorFlow.js and LiteRT.js.
// --help lists the options. Their packages are installed when they are first asked for, in a folder of their own. The last lines, one per peer:
// `bench wasm in Chromium vs <peer>: geometric mean R, worst R (name), N rows`, where R is the peer's time divided by ours.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import type { Tier } from "../../../compiler/plan/plan.js";
import { type Served, serveFiles } from "../../support/bare-server.js";
import { patternOf, positive, readCommandLine, tierOf } from "../../support/command-line.js";
import { launchChromium } from "../../support/launch-chromium.js";
import type { Elements } from "../../support/onnx-writer.js";
import { installed } from "../install.js";
import { KERNELS, type KernelRow } from "../kernels.js";
import { NETWORKS } from "../networks.js";
import { platformOf } from "../platform.js";
import { compileRow } from "../psionic.js";
import { msText, summaryOf } from "../report.js";
import { type ArrayFile, PEER_NAMES, type PeerName, type Report, type Task } from "./task.js";

/** Engines write and compile code of their own; our bundles need none of this. */
const POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; worker-src 'self' blob:";

const LIMIT_MS = 180_000;
/** Peers compute in f32 as we do, in another order. */
const TOLERANCE = 1e-4;

async function script(folder: string, entry: { readonly file: string } | { readonly source: string }): Promise<Served> {
  const { outputFiles } = await build({
    ...("file" in entry
      ? { entryPoints: [entry.file] }
      : { stdin: { contents: entry.source, resolveDir: folder, loader: "js" as const } }),
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    logLevel: "silent",
  });
  return { type: "text/javascript", body: outputFiles[0]?.text ?? "" };
}

function assets(prefix: string, from: string): Record<string, Served> {
  const types: Readonly<Record<string, string>> = { wasm: "application/wasm", js: "text/javascript" };
  const files = readdirSync(from).filter((name) => name.endsWith(".wasm") || /^litert_wasm.*\.js$/u.test(name));
  return Object.fromEntries(
    files.map((name) => [
      `${prefix}${name}`,
      { type: types[name.split(".").at(-1) ?? ""] ?? "", body: readFileSync(join(from, name)) },
    ]),
  );
}

async function engines(folder: string): Promise<Readonly<Record<string, Served>>> {
  const tfjs = `export * from "@tensorflow/tfjs-core"; export { setWasmPaths, setThreadsCount } from "@tensorflow/tfjs-backend-wasm";`;
  return {
    "/page.html": { type: "text/html", body: `<!doctype html><script type="module" src="page.js"></script>` },
    "/page.js": await script(folder, { file: join(folder, "page.ts") }),
    "/jax-js.js": await script(folder, { source: `export * from "@jax-js/jax";` }),
    "/tfjs.js": await script(folder, { source: tfjs }),
    "/litert.js": await script(folder, { source: `export * from "@litertjs/core";` }),
    ...assets("/tfjs/", join(folder, "node_modules/@tensorflow/tfjs-backend-wasm/dist")),
    ...assets("/litert/", join(folder, "node_modules/@litertjs/core/wasm")),
  };
}

interface Options {
  readonly browser: Browser;
  readonly shared: Readonly<Record<string, Served>>;
  readonly tier: Tier;
  readonly peers: readonly PeerName[];
  readonly seconds: number;
}

async function measureRow(row: KernelRow, { browser, shared, tier, peers, seconds }: Options): Promise<Report> {
  const { nodes, inputs, weights = {}, output } = row.spec();
  const { bundle } = compileRow(row, row.model(), { platform: platformOf("wasm", undefined), tier, threads: 1 });
  const octets = "application/octet-stream";
  const files: Record<string, Served> = { "/model.psn": { type: octets, body: bundle } };
  const filesOf = (arrays: Readonly<Record<string, Elements>>): Record<string, ArrayFile> =>
    Object.fromEntries(
      Object.entries(arrays).map(([name, { dtype, shape, data }]) => {
        const url = `/arrays/${name}`;
        files[url] = { type: octets, body: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
        return [name, { dtype, shape, url }];
      }),
    );
  const task: Task = {
    bundle: "/model.psn",
    nodes,
    inputs: filesOf(inputs),
    weights: filesOf(weights),
    output: output.name,
    outputShape: row.out,
    peers,
    seconds,
  };
  const server = await serveFiles(
    { ...shared, ...files, "/task.json": { type: "application/json", body: JSON.stringify(task) } },
    { csp: POLICY },
  );
  const page = await browser.newPage();
  try {
    await page.goto(`${server.origin}/page.html`);
    const done = page.locator("html[data-result]");
    await done.waitFor({ state: "attached", timeout: LIMIT_MS });
    const report = JSON.parse((await done.getAttribute("data-result")) ?? "null") as Report | { failed: string };
    if ("failed" in report) throw new Error(report.failed);
    return report;
  } finally {
    await page.close();
    await server.close();
  }
}

function rowText(row: KernelRow, report: Report, peers: readonly PeerName[]): string {
  const cells = peers.map((name) => {
    const found = report.peers.find((p) => p.name === name);
    if (found === undefined) return "".padStart(16);
    const mark = found.error <= TOLERANCE ? " " : "!";
    return `${msText(found.ms).padStart(8)} ${found.ratio.toFixed(2).padStart(6)}${mark}`;
  });
  return [row.name.padEnd(24), msText(report.ms).padStart(8), ...cells].join(" ");
}

const USAGE = `Usage: node dist/tests/benchmarks/browser-peers/run.js [options]

Times kernels and networks in one page of Chromium, here and in other engines of browsers.

  --peer <name,...>        ${PEER_NAMES.join(", ")} (default: all)
  --only <pattern>         rows whose names match this regular expression, in any case
  --tier strict|relaxed    our side's (default: strict)
  --seconds <n>            for each row (default: 2)
  --json <file>            write the results`;

function settings() {
  const { values } = parseArgs({
    options: {
      peer: { type: "string", default: PEER_NAMES.join(",") },
      only: { type: "string", default: "" },
      tier: { type: "string", default: "strict" },
      seconds: { type: "string", default: "2" },
      json: { type: "string" },
    },
  });
  const wanted = values.peer.split(",").map((p) => p.toLowerCase());
  const peers = PEER_NAMES.filter((name) => wanted.some((w) => name.toLowerCase().startsWith(w)));
  if (peers.length === 0) throw new Error(`--peer ${values.peer}: want some of ${PEER_NAMES.join(", ")}`);
  const only = patternOf(values.only);
  const chosen = [...KERNELS, ...NETWORKS].filter((r) => only.test(r.name));
  if (chosen.length === 0) throw new Error(`--only ${values.only}: no row has such a name`);
  const [tier, seconds] = [tierOf(values.tier), positive("seconds", values.seconds)];
  return { tier, seconds, peers, chosen, json: values.json };
}

async function main(): Promise<number> {
  const { tier, seconds, peers, chosen, json } = readCommandLine(USAGE, settings);
  const shared = await engines(installed("browser-peers"));
  const browser = await launchChromium();
  const rows: { readonly name: string; readonly report: Report }[] = [];
  try {
    console.log(
      `psionic wasm ${tier} in Chromium ${browser.version()}; one thread each, outputs copied; peer's time / ours`,
    );
    console.log([`${"row".padEnd(24)} ${"ms".padStart(8)}`, ...peers.map((p) => p.padStart(16))].join(" "));
    for (const row of chosen) {
      const report = await measureRow(row, { browser, shared, tier, peers, seconds });
      rows.push({ name: row.name, report });
      console.log(rowText(row, report, peers));
      for (const [name, reason] of Object.entries(report.reasons)) console.log(`    ${name}: ${reason}`);
    }
  } finally {
    await browser.close();
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ tier, rows }, null, 1)}\n`);
  console.log("");
  for (const name of peers.toReversed()) {
    const ratios = rows.flatMap((r) => {
      const found = r.report.peers.find((p) => p.name === name);
      return found === undefined || !(found.error <= TOLERANCE) ? [] : [{ name: r.name, ratio: found.ratio }];
    });
    console.log(summaryOf("wasm in Chromium", name, ratios));
  }
  return rows.some((r) => r.report.peers.some((p) => !(p.error <= TOLERANCE))) ? 1 : 0;
}

process.exitCode = await main();

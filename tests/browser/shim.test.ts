// The shim in a browser, under a strict Content-Security-Policy: the same bytes as in Node from every kind of source, in
// a page and in a worker, with WebCrypto and, on a page that is not secure, without; typed refusals; the example page.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { build } from "esbuild";
import { serveExample } from "../../examples/browser/serve.js";
import { type BareServer, STRICT_CSP, serveFiles } from "../support/bare-server.js";
import { browserTest, launchChromium } from "../support/chromium.js";
import { fakeBundle, fakePlan, strictModule, wat } from "../support/fake-bundle.js";
import { type PageResult, probe } from "./page.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

async function pageScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, "tests/browser/page.ts")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

/** Weights of three chunks and a bit, stored as they are or widened to twice as many bytes; the last are given out. */
function largeBundle(stored: "f32" | "f16" = "f32"): Uint8Array<ArrayBuffer> {
  const storedBytes = 3 * 2 ** 20 + 64;
  const bytes = stored === "f32" ? storedBytes : 2 * storedBytes;
  const offset = 65536;
  const entry = fakePlan.entries[1];
  if (entry === undefined) throw new Error("the fake plan has lost an entry");
  const tail = { name: "tail", dtype: "u32" as const, shape: [16], offset: offset + bytes - 64, bytes: 64 };
  return fakeBundle({
    plan: {
      ...fakePlan,
      memory: { ...fakePlan.memory, bytes: 128 * 65536, weights: { offset, bytes } },
      constants: fakePlan.constants.map((c) => ({ ...c, offset, bytes, stored })),
      entries: [{ ...entry, name: "main", export: "main", inputs: [], outputs: [tail], steps: [] }],
    },
    modules: [
      strictModule(
        wat(
          `(module (import "env" "memory" (memory 128 128)) (func (export "main") (param i32 i32) (result i32) (i32.const 0)))`,
        ),
      ),
    ],
    weights: new Uint8Array(Uint32Array.from({ length: storedBytes / 4 }, (_, i) => i * 2654435761).buffer),
  });
}

const small = fakeBundle();
const damaged = small.slice();
damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;

async function serve(t: ExecutionContext, csp: string): Promise<BareServer> {
  const octets = "application/octet-stream";
  const server = await serveFiles(
    {
      "/page.html": { type: "text/html", body: `<!doctype html><script type="module" src="page.js"></script>` },
      "/page.js": { type: "text/javascript", body: await pageScript() },
      "/small.psn": { type: octets, body: small },
      "/large.psn": { type: octets, body: largeBundle() },
      "/widened.psn": { type: octets, body: largeBundle("f16") },
      "/damaged.psn": { type: octets, body: damaged },
      "/cut.psn": { type: octets, body: small.subarray(0, 3000) },
    },
    { csp },
  );
  t.teardown(() => server.close());
  return server;
}

const INSECURE_HOST = "insecure.test";

async function visit(t: ExecutionContext, origin: string, bundles: readonly string[]): Promise<readonly PageResult[]> {
  const browser = await launchChromium([`--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`]);
  t.teardown(() => browser.close());
  const page = await browser.newPage();
  const results: PageResult[] = [];
  for (const bundle of bundles) {
    await page.goto(`${origin}/page.html?bundle=${bundle}`);
    const done = page.locator("html[data-result]");
    await done.waitFor({ state: "attached", timeout: 60_000 });
    results.push(JSON.parse((await done.getAttribute("data-result")) ?? "null"));
  }
  return results;
}

browserTest("the same bytes as in Node, from every source, under a strict policy", async (t) => {
  const server = await serve(t, STRICT_CSP);
  const bundles = ["small.psn", "large.psn", "damaged.psn", "cut.psn", "widened.psn"];
  const [a, b, c, d, e] = await visit(t, server.origin, bundles);
  for (const [result, bundle] of [
    [a, small],
    [b, largeBundle()],
    [e, largeBundle("f16")],
  ] as const) {
    const want = await probe(bundle);
    t.regex(want, /^[0-9a-f]{64} /);
    t.like(result, { isSecure: true, hasSubtle: true, violations: [] });
    for (const [way, got] of Object.entries(result?.ways ?? {})) t.is(got, want, way);
  }
  for (const got of Object.values(c?.ways ?? {})) t.is(got, "LoadError digest_mismatch");
  for (const got of Object.values(d?.ways ?? {})) t.is(got, "LoadError malformed_input");
  t.is(Object.keys(d?.ways ?? {}).length, 6);
});

browserTest("on a page that is not secure, without WebCrypto, it verifies all the same", async (t) => {
  const server = await serve(t, STRICT_CSP);
  const origin = `http://${INSECURE_HOST}:${server.port}`;
  const [a, b, c, d] = await visit(t, origin, ["small.psn", "large.psn", "damaged.psn", "widened.psn"]);
  t.like(a, { isSecure: false, hasSubtle: false, violations: [] });
  for (const got of Object.values(a?.ways ?? {})) t.is(got, await probe(small));
  for (const got of Object.values(b?.ways ?? {})) t.is(got, await probe(largeBundle()));
  for (const got of Object.values(c?.ways ?? {})) t.is(got, "LoadError digest_mismatch");
  for (const got of Object.values(d?.ways ?? {})) t.is(got, await probe(largeBundle("f16")));
});

browserTest("a policy that forbids WebAssembly is named", async (t) => {
  const server = await serve(t, STRICT_CSP.replace(" 'wasm-unsafe-eval'", ""));
  const [a] = await visit(t, server.origin, ["small.psn"]);
  for (const got of Object.values(a?.ways ?? {})) t.is(got, "LoadError sandbox_policy_denied");
});

browserTest("the example page loads a bundle and runs it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "psionic-example-"));
  const path = join(folder, "model.psn");
  writeFileSync(path, small);
  const server = await serveExample(path, 0);
  const browser = await launchChromium();
  t.teardown(async () => {
    await browser.close();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const page = await browser.newPage();
  await page.goto(server.url);
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator("#outputs").getByText("doubled").waitFor();
  t.regex((await page.locator("#signature").textContent()) ?? "", /x: f32\[n\]/);
  t.regex((await page.locator("#outputs").textContent()) ?? "", /y: f32\[1\]\s+0/);
  await page.goto(`${server.url}?digest=${"0".repeat(64)}`);
  await page.locator("#status").getByText("digest_mismatch").waitFor();
});

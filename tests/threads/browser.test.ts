// Threads in a browser: on a page that is cross-origin isolated the same bits as in Node, with workers from a blob and,
// where the page's policy has none, from a file; elsewhere a refusal that says why, or one thread where that is allowed.

import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { build } from "esbuild";
import { WORKER_SOURCE } from "../../runtime-shim/pool.js";
import { ISOLATED, STRICT_CSP, serveFiles } from "../support/bare-server.js";
import { browserTest, launchChromium } from "../support/chromium.js";
import { compileModel, MODEL_FILES } from "../support/models.js";
import { repositoryRoot } from "../support/suites.js";
import { type PageResult, resultOf } from "./page.js";

const { bundle } = compileModel(MODEL_FILES["ocr-cls"], {
  dims: { batch: 1, height: 48, width: 192 },
  threads: true,
});
const BLOB_CSP = STRICT_CSP.replace("worker-src 'self'", "worker-src blob:");

async function script(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(repositoryRoot(), "tests/threads/page.ts")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

/** What a page sees that is served like this. */
async function visit(
  t: ExecutionContext,
  query: string,
  served: { readonly csp: string; readonly isolated: boolean },
): Promise<PageResult> {
  const server = await serveFiles(
    {
      "/page.html": { type: "text/html", body: `<!doctype html><script type="module" src="page.js"></script>` },
      "/page.js": { type: "text/javascript", body: await script() },
      "/worker.js": { type: "text/javascript", body: WORKER_SOURCE },
      "/model.psn": { type: "application/octet-stream", body: bundle },
    },
    { csp: served.csp, headers: served.isolated ? ISOLATED : {} },
  );
  const browser = await launchChromium();
  t.teardown(async () => {
    await browser.close();
    await server.close();
  });
  const page = await browser.newPage();
  await page.goto(`${server.origin}/page.html?${query}`);
  const done = page.locator("html[data-result]");
  await done.waitFor({ state: "attached", timeout: 60_000 });
  return JSON.parse((await done.getAttribute("data-result")) ?? "null") as PageResult;
}

browserTest("the same bits as in Node, for every number of threads", async (t) => {
  const want = await resultOf(bundle, {});
  t.like(want, { threads: 1, error: "" });
  t.deepEqual(await resultOf(bundle, { threads: 3 }), { ...want, threads: 3 });
  for (const threads of [1, 2, 5])
    t.deepEqual(await visit(t, `threads=${threads}`, { csp: BLOB_CSP, isolated: true }), { ...want, threads });
});

browserTest("a page without workers from blobs needs the worker's file", async (t) => {
  const served = { csp: STRICT_CSP, isolated: true };
  const refused = await visit(t, "threads=2", served);
  t.regex(refused.error, /^sandbox_policy_denied: .*worker-src blob:.*workerUrl/);
  const missing = await visit(t, "threads=2&worker=nothing.js", served);
  t.regex(missing.error, /^sandbox_policy_denied: /);
  const want = await resultOf(bundle, {});
  t.deepEqual(await visit(t, "threads=2&worker=worker.js", served), { ...want, threads: 2 });
});

browserTest("a page that is not cross-origin isolated is told so, and may allow one thread", async (t) => {
  const served = { csp: BLOB_CSP, isolated: false };
  const refused = await visit(t, "threads=2", served);
  t.regex(refused.error, /^unsupported_backend_capability: .*not cross-origin isolated.*Cross-Origin-Opener-Policy/);
  const allowed = await visit(t, "threads=2&fallback", served);
  const { digest } = await resultOf(bundle, {});
  t.like(allowed, { threads: 1, digest, error: "" });
  t.regex(allowed.fallback, /not cross-origin isolated/);
});

// strict gives the same bits in Chromium and in Node, for a real network with convolutions, branches, recurrence and
// state. (The shim's own browser tests are in tests/browser.)

import { join } from "node:path";
import { build } from "esbuild";
import { serveFiles } from "../support/bare-server.js";
import { browserTest, launchChromium } from "../support/chromium.js";
import { compileModel, MODEL_FILES } from "../support/models.js";
import { repositoryRoot } from "../support/suites.js";
import { digestOfRuns } from "./page.js";

async function script(): Promise<string> {
  const source = join(repositoryRoot(), "tests/models/page.ts");
  const { outputFiles } = await build({
    entryPoints: [source],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

browserTest("the same bits in Chromium and in Node", async (t) => {
  const bundles = {
    voice: compileModel(MODEL_FILES["silero-legacy"], {
      dims: { batch: 1, sequence: 512 },
      states: [
        { input: "h", output: "hn" },
        { input: "c", output: "cn" },
      ],
    }).bundle,
    text: compileModel(MODEL_FILES["ocr-cls"], { dims: { height: 48, width: { lo: 32, hi: 192, step: 32 } } }).bundle,
  };
  const octets = "application/octet-stream";
  const server = await serveFiles({
    "/page.html": { type: "text/html", body: `<!doctype html><script type="module" src="page.js"></script>` },
    "/page.js": { type: "text/javascript", body: await script() },
    ...Object.fromEntries(Object.entries(bundles).map(([name, body]) => [`/${name}.psn`, { type: octets, body }])),
  });
  const browser = await launchChromium();
  t.teardown(async () => {
    await browser.close();
    await server.close();
  });
  const page = await browser.newPage();
  for (const [name, bundle] of Object.entries(bundles)) {
    await page.goto(`${server.origin}/page.html?bundle=${name}.psn`);
    const done = page.locator("html[data-result]");
    await done.waitFor({ state: "attached", timeout: 60_000 });
    const want = await digestOfRuns(bundle);
    t.regex(want, /^[0-9a-f]{64}$/u);
    t.is(await done.getAttribute("data-result"), want, name);
  }
});

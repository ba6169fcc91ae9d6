// The demo with Psionic running the networks, in Node and in a page: the text must be what was drawn, and what
// onnxruntime reads with the same pipeline.

import { readFileSync } from "node:fs";
import test from "ava";
import { chromium } from "playwright-core";
import { compileNetworks } from "../../examples/ocr/compile.js";
import { dictionaryFile, fixture, readPng } from "../../examples/ocr/files.js";
import { codeFor } from "../../examples/ocr/native.js";
import { type Bundles, loadNetworks } from "../../examples/ocr/psionic.js";
import { read } from "../../examples/ocr/read.js";
import { alphabetOf } from "../../examples/ocr/recognize.js";
import { serve } from "../../examples/ocr/serve.js";
import { loadNative } from "../../runtime-shim/native.js";
import { findChromium } from "../../scripts/chromium.js";
import { nativeHost } from "../support/native.js";
import { onnxruntimeNetworks } from "./onnxruntime.js";

const drawn = readFileSync(fixture.text, "utf8").trimEnd().split("\n");
let bundles: Promise<Bundles> | undefined;
/** The bundles, compiled once for all tests here. */
function compiled(): Promise<Bundles> {
  bundles ??= compileNetworks();
  return bundles;
}

test.serial("bundles read the fixture's text as onnxruntime does", async (t) => {
  const alphabet = alphabetOf(readFileSync(dictionaryFile, "utf8"));
  const image = readPng(fixture.picture);
  const have = await read(image, await loadNetworks(await compiled()), alphabet);
  const want = await read(image, await onnxruntimeNetworks(), alphabet);
  t.deepEqual(
    have.map(({ text }) => text),
    drawn,
  );
  for (const [i, { text, confidence, corners }] of have.entries()) {
    const other = want[i];
    t.true(Math.abs(confidence - (other?.confidence ?? 0)) < 1e-3, `"${text}": ${confidence}, ${other?.confidence}`);
    for (const [c, { x, y }] of corners.entries()) {
      const corner = other?.corners[c];
      t.true(Math.hypot(x - (corner?.x ?? 0), y - (corner?.y ?? 0)) < 1, `"${text}": corner ${c} is elsewhere`);
    }
  }
});

const host = nativeHost();
const native = typeof host === "string" ? test.serial.skip : test.serial;
if (typeof host === "string") test("native networks", (t) => t.pass(`skipped: ${host}`));

native("native networks read what WebAssembly's read, to the last bit of a confidence", async (t) => {
  const alphabet = alphabetOf(readFileSync(dictionaryFile, "utf8"));
  const image = readPng(fixture.picture);
  const networks = await loadNetworks(await compileNetworks(codeFor("native")), loadNative);
  const want = await loadNetworks(await compiled());
  t.deepEqual(await read(image, networks, alphabet), await read(image, want, alphabet));
});

const executablePath = findChromium();
const inBrowser = executablePath === undefined ? test.serial.skip : test.serial;

inBrowser("the page reads the fixture's text from a file and from its example", async (t) => {
  if (executablePath === undefined) return t.fail();
  const { url, close } = await serve(await compiled(), 0);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    const trouble: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") trouble.push(message.text());
    });
    page.on("pageerror", (error) => trouble.push(error.message));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== new URL(url).origin) trouble.push(`asks for ${request.url()}`);
    });
    await page.goto(url);
    const settled = page.locator("#status[data-state=idle], #status[data-state=failed]");
    await settled.waitFor({ timeout: 60_000 });
    for (const give of [
      () => page.locator("#file").setInputFiles(fixture.picture),
      () => page.locator("#example").click(),
    ]) {
      await give();
      await settled.waitFor({ timeout: 120_000 });
      t.regex((await page.locator("#status").textContent()) ?? "", /^9 lines in \d+ ms$/);
      t.deepEqual(await page.locator("#lines .text").allTextContents(), drawn);
    }
    t.deepEqual(trouble, []);
    const screenshot = process.env["PSIONIC_SCREENSHOT"];
    if (screenshot !== undefined) await page.screenshot({ path: screenshot, fullPage: true });
  } finally {
    await browser.close();
    await close();
  }
});

inBrowser("the page says so when a file is no picture", async (t) => {
  if (executablePath === undefined) return t.fail();
  const { url, close } = await serve(await compiled(), 0);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.goto(url);
    await page.locator("#status[data-state=idle]").waitFor({ timeout: 60_000 });
    await page
      .locator("#file")
      .setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await page.locator("#status[data-state=failed]").waitFor();
    t.regex((await page.locator("#status").textContent()) ?? "", /^This picture cannot be opened: /);
    t.true(await page.locator("#example").isEnabled());
  } finally {
    await browser.close();
    await close();
  }
});

test.serial("the server gives nothing but the page's files, with a policy", async (t) => {
  const none = new Uint8Array(0);
  const { url, close } = await serve({ detection: none, direction: none, recognition: none }, 0);
  try {
    const page = await fetch(url);
    t.is(page.status, 200);
    t.regex(
      page.headers.get("content-security-policy") ?? "",
      /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/,
    );
    t.is((await fetch(`${url}package.json`)).status, 404);
    t.is((await fetch(`${url}..%2fpackage.json`)).status, 404);
    t.is((await fetch(url, { method: "POST", body: "x" })).status, 405);
    t.is((await (await fetch(`${url}example.png`)).arrayBuffer()).byteLength, readFileSync(fixture.picture).byteLength);
  } finally {
    await close();
  }
});

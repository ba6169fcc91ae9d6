// The browser of the browser tests. `browserTest` is AVA's test, or its skip where this machine has no browser
// (scripts/chromium.ts says why).

import test from "ava";
import { type Browser, chromium } from "playwright-core";
import { findChromium } from "../../scripts/chromium.js";

const path = findChromium();

export const browserTest = path === undefined ? test.skip : test;

const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser, headless. Close it. */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  if (path === undefined) throw new Error("no browser: guard the test with browserTest");
  return await chromium.launch({ executablePath: path, headless: true, args: [...QUIET, ...args] });
}

export { path as chromiumPath };

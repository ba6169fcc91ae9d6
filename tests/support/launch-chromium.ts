// Starts the browser of the browser tests and of the benchmark in one (scripts/chromium.ts finds it).

import { type Browser, chromium } from "playwright-core";
import { findChromium } from "../../scripts/chromium.js";

/** The browser's program; undefined where this machine has none. */
export const chromiumPath = findChromium();

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
  if (chromiumPath === undefined) throw new Error("there is no browser: see scripts/chromium.ts");
  return await chromium.launch({ executablePath: chromiumPath, headless: true, args: [...QUIET, ...args] });
}

// The browser of the browser tests. `browserTest` is AVA's test, or its skip where this machine has no browser
// (scripts/chromium.ts says why).

import test from "ava";
import { chromiumPath } from "./launch-chromium.js";

export const browserTest = chromiumPath === undefined ? test.skip : test;

export { chromiumPath, launchChromium } from "./launch-chromium.js";

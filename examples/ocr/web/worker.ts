// The worker: loads the bundles, then reads the pictures that the page sends, so that the page stays responsive.

import { fromRgba } from "../image.js";
import type { Networks } from "../network.js";
import { loadNetworks } from "../psionic.js";
import { read } from "../read.js";
import { alphabetOf } from "../recognize.js";
import type { Answer, Question } from "./messages.js";

const answer = (message: Answer): void => postMessage(message);

const fail = (error: unknown): void =>
  answer({ kind: "failed", message: error instanceof Error ? error.message : `${error}` });

async function fetched(path: string): Promise<Response> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: the server says ${response.status}`);
  return response;
}

const bundle = (name: keyof Networks): Promise<Response> => fetched(`/bundles/${name}.psn`);

async function open() {
  const [detection, direction, recognition, dictionary] = await Promise.all([
    bundle("detection"),
    bundle("direction"),
    bundle("recognition"),
    fetched("/dictionary.txt").then((response) => response.text()),
  ]);
  const networks = await loadNetworks({ detection, direction, recognition });
  return { networks, alphabet: alphabetOf(dictionary) };
}

const opened = open();
opened.then(() => answer({ kind: "ready" }), fail);

addEventListener("message", async ({ data }: MessageEvent<Question>) => {
  try {
    const { networks, alphabet } = await opened;
    const start = performance.now();
    const lines = await read(fromRgba(data.width, data.height, data.rgba), networks, alphabet);
    answer({ kind: "lines", lines, milliseconds: performance.now() - start });
  } catch (error) {
    fail(error);
  }
});

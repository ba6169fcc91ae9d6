// A user's program with a bundle: load it, run it once.

import { pathToFileURL } from "node:url";
import { finish, readTask } from "./start-task.js";

const { file, inputs, output } = readTask();
// The file that the package exports.
const runtime: typeof import("../../runtime-shim/index.js") = await import(
  new URL("../../runtime/index.js", import.meta.url).href
);
const { load } = runtime;
const model = await load(pathToFileURL(file));
const known = inputs.filter((i) => model.inputs.some((p) => p.name === i.name));
const feeds = Object.fromEntries(known.map(({ name, data, shape }) => [name, { data, shape }]));
const outputs = await model.run(feeds);
const shown = outputs[output]?.data;
if (!ArrayBuffer.isView(shown)) throw new Error(`no output "${output}" of numbers`);
finish(Object.keys(outputs).length, shown);

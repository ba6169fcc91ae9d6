// The programs of start rows: a user's program with a bundle, and the same with a peer and the ONNX file; in JavaScript, and
// in C, where they are built when they are asked for.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findCompiler, run } from "../support/c-programs.js";
import { chromiumPath } from "../support/launch-chromium.js";
import { repositoryRoot } from "../support/suites.js";
import type { Row } from "./row.js";
import { measureStart, type Start, type StartProgram } from "./start.js";
import { measureInChromium } from "./start-browser.js";
import type { StartModel } from "./start-files.js";

/** Programs, or pages, that are compared with one another. */
export interface StartKind {
  /** Begins the names of its rows. */
  readonly title: string;
  /** Whether it takes the model as a library for C. */
  readonly needsLibrary: boolean;
  /** Ours first. */
  readonly measure: (row: Row, model: StartModel, rounds: number) => Promise<Start[]>;
}

const processes =
  (programs: readonly StartProgram[]): StartKind["measure"] =>
  (row, model, rounds) =>
    measureStart(row, programs, model, rounds);

const inNode = (name: string, script: string, isOurs: boolean): StartProgram => ({
  name,
  command: ({ bundle, model, json }) => {
    const path = fileURLToPath(new URL(script, import.meta.url));
    return [process.execPath, ...process.execArgv, path, isOurs ? bundle : model, json];
  },
});

const WEB_PEER = inNode("onnxruntime-web", "start-web.js", false);
const NODE_PEER = inNode("onnxruntime-node", "start-node.js", false);

/** Pages are left out where this machine has no browser. */
export function wasmStarts(): readonly StartKind[] {
  const ours = inNode("psionic", "start-psionic.js", true);
  const node: StartKind = { title: "start", needsLibrary: false, measure: processes([ours, WEB_PEER, NODE_PEER]) };
  if (chromiumPath === undefined) return [node];
  return [node, { title: "start in Chromium", needsLibrary: false, measure: measureInChromium }];
}

/** Those in C are left out where this machine has no C compiler. */
export function nativeStarts(): readonly StartKind[] {
  const compiler = findCompiler("c");
  const ours = inNode("psionic", "start-native.js", true);
  const node: StartKind = { title: "start", needsLibrary: false, measure: processes([ours, NODE_PEER]) };
  if (compiler === null) return [node];
  return [node, { title: "start in C", needsLibrary: true, measure: processes(inC(compiler)) }];
}

function inC(compiler: string): readonly StartProgram[] {
  const sources = join(repositoryRoot(), "tests/benchmarks/start-host");
  const built = (name: string, folder: string, libraries: readonly string[]): string => {
    const program = join(folder, name);
    const flags = ["-std=c99", "-O2", `-I${sources}`, `-I${folder}`];
    run(compiler, [...flags, join(sources, `${name}.c`), ...libraries, "-o", program]);
    return program;
  };
  return [
    {
      name: "psionic",
      command: ({ folder, bundle, text }) => [
        built("psionic", folder, [join(folder, "libmodel.so"), "-Wl,-rpath,$ORIGIN"]),
        bundle,
        text,
      ],
    },
    {
      name: "onnxruntime-node",
      command: ({ folder, model, text }) => {
        const library = onnxruntimeLibrary();
        return [built("onnxruntime", folder, [library, `-Wl,-rpath,${dirname(library)}`]), model, text];
      },
    },
  ];
}

/** The shared library that onnxruntime-node brings for this machine. */
export function onnxruntimeLibrary(): string {
  const entry = createRequire(import.meta.url).resolve("onnxruntime-node");
  return join(dirname(dirname(entry)), "bin/napi-v6", process.platform, process.arch, "libonnxruntime.so.1");
}

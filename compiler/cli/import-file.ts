// An ONNX file and the options that say what of it is compiled, to a graph: what `compile` and `tune` share.

import { dirname } from "node:path";
import type { Builder, Graph } from "../ir/graph.js";
import { usage } from "./failures.js";
import { parseBound } from "./verb.js";

export interface ImportOptions {
  readonly dim?: readonly string[];
  readonly state?: readonly string[];
  readonly bound?: string;
}

export interface Imported {
  readonly graph: Graph;
  readonly builder: Builder;
  readonly notes: readonly string[];
}

/** The options, checked; the importer is loaded by the function that is returned. Throws usage errors. */
export async function importer(options: ImportOptions): Promise<Importer> {
  const { parseDims } = await import("./dims.js");
  const dims = parseDims(options.dim ?? []);
  const pairs = (options.state ?? []).map(parseState);
  const bound = options.bound === undefined ? {} : { bound: parseBound(options.bound) };
  return {
    load: async () => {
      const [{ importOnnx }, { externalReader }, { withStates }, { Builder }] = await Promise.all([
        import("../import/onnx/import.js"),
        import("../import/onnx/external.js"),
        import("../import/states.js"),
        import("../ir/graph.js"),
      ]);
      return (path, bytes, name) => {
        const builder = new Builder();
        const readExternal = externalReader(dirname(path));
        const { graph, notes } = importOnnx(bytes, { builder, dims, readExternal, name, ...bound });
        return { graph: pairs.length === 0 ? graph : withStates(graph, builder, pairs), builder, notes };
      };
    },
  };
}

export interface Importer {
  load(): Promise<(path: string, bytes: Uint8Array, name: string) => Imported>;
}

function parseState(arg: string): { input: string; output: string } {
  const [, input, output] = /^([^=]+)=([^=]+)$/.exec(arg) ?? [];
  if (input === undefined || output === undefined)
    throw usage(
      `--state ${arg}: want input=output`,
      "for example --state h=hn, where output hn is the next value of input h",
    );
  return { input, output };
}

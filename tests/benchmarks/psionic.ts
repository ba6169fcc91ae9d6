// This compiler as an engine: import, compile, load, run. Each run is given arrays, as a peer's is, because a run may
// use the memory of its inputs for other values; outputs are read where they are.

import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder } from "../../compiler/ir/graph.js";
import { type Compiled, compile } from "../../compiler/pipeline.js";
import type { Tier } from "../../compiler/plan/plan.js";
import type { CLibraryOptions } from "../../targets/llvm/c-library.js";
import type { Elements } from "../support/onnx-writer.js";
import type { Engine, Prepared } from "./engine.js";
import type { Platform } from "./platform.js";
import type { Row } from "./row.js";
import { type Work, workOf } from "./work.js";

export interface PsionicPrepared extends Prepared {
  readonly bundle: Uint8Array<ArrayBuffer>;
  readonly work: Work;
}

export interface PsionicEngine extends Engine {
  prepare(row: Row, model: Uint8Array): Promise<PsionicPrepared>;
}

export interface PsionicOptions {
  readonly platform: Platform;
  readonly tier: Tier;
  /** Take copies of the outputs, as the simplest caller does. */
  readonly copy: boolean;
  readonly threads: number;
}

/** `library`: also as a library for C. */
export function compileRow(
  row: Row,
  model: Uint8Array,
  { platform, tier, threads }: Omit<PsionicOptions, "copy">,
  library?: CLibraryOptions,
): Compiled & { readonly work: Work } {
  const builder = new Builder();
  const { graph } = importOnnx(model, {
    builder,
    name: "bench",
    ...(row.dims === undefined ? {} : { dims: row.dims }),
  });
  const compiled = compile(
    { graph, builder },
    {
      ...platform.options,
      tier,
      threads: threads > 1,
      ...(library === undefined ? {} : { library }),
    },
  );
  return { ...compiled, work: workOf(graph, compiled.plan) };
}

export function psionic(options: PsionicOptions): PsionicEngine {
  const { platform, copy, threads } = options;
  return {
    name: `psionic ${options.tier}`,
    column: "psionic",
    async prepare(row, model) {
      const { bundle, work } = compileRow(row, model, options);
      const loaded = await platform.load(bundle, threads);
      const feeds: Record<string, { data: Elements["data"]; shape: readonly number[] }> = {};
      for (const [name, { data, shape }] of Object.entries(row.inputs())) {
        // An input that the graph does not use is not one of the bundle's.
        if (!loaded.inputs.some((p) => p.name === name)) continue;
        feeds[name] = { data, shape };
      }
      return {
        bundle,
        work,
        run: () => {
          loaded.runSync(feeds, { copy });
          return undefined;
        },
        outputs: async () => {
          const out = loaded.runSync(feeds);
          return new Map(Object.entries(out).map(([name, v]) => [name, v.data as Elements["data"]]));
        },
        release: async () => loaded.dispose(),
      };
    },
  };
}

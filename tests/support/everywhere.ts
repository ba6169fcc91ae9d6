// A graph on what runs here, against the reference: on WebAssembly, and as native code of levels that this CPU has. Since a
// level takes its time to compile, each call takes the next two of them.

import type { Builder, Graph } from "../../compiler/ir/graph.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { bitDifference } from "./bits.js";
import { nativeHost } from "./native.js";
import { fromValue, toValue } from "./values.js";

type Tensors = Readonly<Record<string, Tensor>>;

function run(model: Model, feeds: Tensors): Record<string, Tensor> {
  const have = model.runSync(Object.fromEntries(Object.entries(feeds).map(([name, v]) => [name, toValue(v)])));
  model.dispose();
  return Object.fromEntries(Object.entries(have).map(([name, v]) => [name, fromValue(v)]));
}

let turn = 0;

/** Throws where a target gives other bits than `want`, by default the reference's. Native code runs on one thread and on two. */
export async function sameEverywhere(
  graph: Graph,
  builder: Builder,
  feeds: Tensors,
  want: Tensors = interpret(graph, feeds).outputs,
): Promise<void> {
  const same = (have: Tensors, where: string): void => {
    const found = bitDifference(have, want);
    if (found !== null) throw new Error(`${where}: ${found}`);
  };
  same(run(await load(compile({ graph, builder }).bundle), feeds), "wasm");
  const host = nativeHost();
  if (typeof host === "string") return;
  const { levels } = host;
  const next = [levels[turn % levels.length], levels[(turn + 1) % levels.length]];
  turn += 2;
  for (const level of new Set(next)) {
    if (level === undefined) continue;
    const { bundle } = compile({ graph, builder }, { target: host.target, cpus: [level], threads: true });
    for (const threads of [1, 2])
      same(run(await loadNative(bundle, { threads }), feeds), `${level}, ${threads} threads`);
  }
}

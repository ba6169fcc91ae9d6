// A graph run through the C face of its library: strings go in and out as places in the model's list, or behind it.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Builder, Graph } from "../../compiler/ir/graph.js";
import { StringTable } from "../../compiler/ir/strings.js";
import { compile } from "../../compiler/pipeline.js";
import type { NativeName } from "../../targets/native-targets.js";
import { CLibrary, isStatus } from "../support/c-model.js";
import type { Value } from "../support/oracle.js";
import { fromValue, toValue } from "../support/values.js";
import type { RunGraph } from "./targets.js";

export async function throughC(target: NativeName, graph: Graph, builder: Builder): Promise<RunGraph> {
  const { bundle, library: made } = compile({ graph, builder }, { target, library: { name: "m" } });
  const folder = mkdtempSync(join(tmpdir(), "psionic-c-"));
  const path = join(folder, "libm.so");
  writeFileSync(path, made?.library ?? "");
  const library = new CLibrary(path);
  rmSync(folder, { recursive: true });
  const model = library.load(bundle);
  if (isStatus(model)) throw new Error(`status ${model.status}: ${model.text}`);
  const known = library.strings();
  const names = new Set(library.ports("input").map((p) => p.name));
  return async (inputs, strings) => {
    const places = new StringTable(known.length === 0 ? undefined : known);
    const feeds = Object.entries(inputs)
      .filter(([name]) => names.has(name))
      .map(([name, t]) => [name, toPlaces(toValue(t, strings), places)] as const);
    const outputs = model.run(Object.fromEntries(feeds));
    if (isStatus(outputs)) throw new Error(`status ${outputs.status}: ${outputs.text}`);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, v]) => [name, fromValue(fromPlaces(v, places), strings)]),
    );
  };
}

function toPlaces(value: Value, table: StringTable): Value {
  if (value.dtype !== "str") return value;
  return { ...value, data: Int32Array.from(value.data as readonly string[], (s) => table.number(s)) };
}

function fromPlaces(value: Value, table: StringTable): Value {
  if (value.dtype !== "str") return value;
  return { ...value, data: Array.from(value.data as Int32Array, (place) => table.string(place)) };
}

// The digests of a compilation by level, which the manifest binds: two bundles are compared level by level, and the
// first that differs says where the two compilations parted. In: a plan, the stages' texts, the passes' reports. Out:
// the record that goes into the manifest. The shim carries it and does not read it; toLevels reads one back, checked.

import type { EntryPlan, Plan } from "../../compiler/plan/plan.js";
import type { Json } from "../../runtime-shim/format.js";
import { type BundleTexts, canonicalJson, sha256Hex } from "./write.js";

export type PassLevel = {
  readonly name: string;
  /** Whether it changed the graph. */
  readonly changed: boolean;
  /** SHA-256 of the graph's text after it, hex; "" where it was not taken. */
  readonly digest: string;
};

export type KernelLevel = { readonly name: string; readonly digest: string };

export type WeightLevel = {
  readonly offset: number;
  readonly bytes: number;
  readonly dtype: string;
  readonly stored: string;
  readonly add: number;
  readonly layout: string;
  readonly digest: string;
};

/** Digests are SHA-256, hex. */
export type Levels = {
  /** Names, dtypes and shapes of entries, inputs, outputs, symbols and states. */
  readonly signature: string;
  /** Of the text forms; "" where the bundle has none. */
  readonly source: string;
  readonly functional: string;
  readonly schedule: string;
  readonly passes: readonly PassLevel[];
  /** Where everything lies. */
  readonly memory: string;
  readonly kernels: readonly KernelLevel[];
  readonly weights: readonly WeightLevel[];
  /** Steps of each entry, all with their bodies. */
  readonly steps: { readonly [entry: string]: string };
  /** Programs of the machine that made the modules, with their versions; not there where the compiler is all there is. */
  readonly tools?: readonly string[];
};

function digestOf(value: unknown): string {
  return sha256Hex(canonicalJson(value));
}

function signatureOf(plan: Plan): unknown {
  const port = ({ name, dtype, shape }: EntryPlan["inputs"][number]) => ({ name, dtype, shape });
  return {
    entries: plan.entries.map((e) => ({ name: e.name, inputs: e.inputs.map(port), outputs: e.outputs.map(port) })),
    states: plan.states.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    symbols: plan.symbols.map(({ name, lo, hi }) => ({ name, lo, hi })),
  };
}

function memoryOf(plan: Plan): unknown {
  return {
    memory: plan.memory,
    symbols: plan.symbols,
    states: plan.states,
    constants: plan.constants.map(({ offset, bytes }) => ({ offset, bytes })),
    entries: plan.entries.map(({ inputs, outputs, buffers }) => ({ inputs, outputs, buffers })),
  };
}

/** The levels of a plan. `passes` is what the pass manager saw, in order; `tools` made the modules. */
export function levelsOf(
  plan: Plan,
  texts: BundleTexts,
  passes: readonly PassLevel[],
  tools: readonly string[] = [],
): Levels {
  const textDigest = (text: string | undefined): string => (text === undefined ? "" : sha256Hex(text));
  return {
    signature: digestOf(signatureOf(plan)),
    source: textDigest(texts.source),
    functional: textDigest(texts.functional),
    schedule: textDigest(texts.schedule),
    passes: passes.map(({ name, changed, digest }) => ({ name, changed, digest })),
    memory: digestOf(memoryOf(plan)),
    kernels: plan.kernels.map((k) => ({ name: k.name, digest: digestOf(k) })),
    weights: plan.constants.map(({ offset, bytes, dtype, stored, add, layout, digest }) => ({
      offset,
      bytes,
      dtype,
      stored,
      add,
      layout,
      digest,
    })),
    steps: Object.fromEntries(plan.entries.map((e) => [e.name, digestOf(e.steps)])),
    ...toolsField(tools),
  };
}

function toolsField(tools: readonly string[]): Pick<Levels, "tools"> {
  return tools.length === 0 ? {} : { tools };
}

// ---- reading back

type Fields = { readonly [key: string]: Json };

function fields(value: Json | undefined): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function items(value: Json | undefined): readonly Fields[] {
  return Array.isArray(value) ? value.map((item: Json) => fields(item)) : [];
}

const str = (value: Json | undefined): string => (typeof value === "string" ? value : "");
const num = (value: Json | undefined): number => (typeof value === "number" ? value : 0);

/** A manifest's `levels` as typed data. A field that another producer left out is empty. */
export function toLevels(json: Fields): Levels {
  const steps = Object.entries(fields(json["steps"])).map(([name, digest]) => [name, str(digest)] as const);
  return {
    signature: str(json["signature"]),
    source: str(json["source"]),
    functional: str(json["functional"]),
    schedule: str(json["schedule"]),
    passes: items(json["passes"]).map((p) => ({
      name: str(p["name"]),
      changed: p["changed"] === true,
      digest: str(p["digest"]),
    })),
    memory: str(json["memory"]),
    kernels: items(json["kernels"]).map((k) => ({ name: str(k["name"]), digest: str(k["digest"]) })),
    weights: items(json["weights"]).map((w) => ({
      offset: num(w["offset"]),
      bytes: num(w["bytes"]),
      dtype: str(w["dtype"]),
      stored: str(w["stored"]),
      add: num(w["add"]),
      layout: str(w["layout"]),
      digest: str(w["digest"]),
    })),
    steps: Object.fromEntries(steps),
    ...toolsField(Array.isArray(json["tools"]) ? json["tools"].map((tool: Json) => str(tool)) : []),
  };
}

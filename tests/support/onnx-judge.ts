// Judges one case of an ONNX suite on a target: passed, refused (a typed refusal, with its code and op) or failed. Input
// sizes are those of the data set. Where a model computes shapes from an input's values, a second try fixes small
// integer inputs at compile time, a third small float ones; the verdict says so.

import { type DimSpec, importOnnx, type Structure } from "../../compiler/import/onnx/import.js";
import type { GraphProto } from "../../compiler/import/onnx/proto.js";
import { type Refusal, Refused } from "../../compiler/ir/errors.js";
import { Builder } from "../../compiler/ir/graph.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { formatIssue, verify } from "../../compiler/ir/verify.js";
import type { Target } from "../conformance/targets.js";
import { dynamicInputs, loadCase, type OnnxCase, type OnnxDataSet } from "./onnx-case.js";
import { difference, type Tolerance } from "./onnx-compare.js";

export interface Verdict {
  readonly status: "passed" | "refused" | "failed";
  /** Whether inputs were fixed at compile time. */
  readonly fixed: boolean;
  /** The first refusal's code and subject. */
  readonly code: string;
  readonly op: string;
  readonly detail: string;
}

const RANDOM =
  /^(Bernoulli|Multinomial|RandomNormal|RandomNormalLike|RandomUniform|RandomUniformLike|TrainingDropout)$/u;
const SPECTRAL = /^(DFT|STFT)$/u;

export function operatorsOf(graph: GraphProto): Set<string> {
  const out = new Set<string>();
  const walk = (g: GraphProto): void => {
    for (const n of g.node) {
      out.add(n.opType === "Dropout" && n.input.length > 2 ? "TrainingDropout" : (n.opType ?? ""));
      for (const a of n.attribute) if (a.g !== undefined) walk(a.g);
    }
  };
  walk(graph);
  return out;
}

export async function judgeCase(folder: string, target: Target, network: boolean): Promise<Verdict> {
  const found = loadCase(folder);
  let fixed = false;
  for (const set of found.sets) {
    const verdict = await judgeSet(found, set, target, network);
    if (verdict.status !== "passed") return verdict;
    fixed ||= verdict.fixed;
  }
  return found.sets.length > 0
    ? { status: "passed", fixed, code: "", op: "", detail: "" }
    : { status: "failed", fixed, code: "", op: "", detail: "has no data sets" };
}

async function judgeSet(found: OnnxCase, set: OnnxDataSet, target: Target, network: boolean): Promise<Verdict> {
  let refused: Refused | null = null;
  for (const values of trials(found, set)) {
    try {
      const detail = await runSet(found, set, target, network, values);
      const fixed = Object.keys(values).length > 0;
      return { status: detail === null ? "passed" : "failed", fixed, code: "", op: "", detail: detail ?? "" };
    } catch (e) {
      if (!(e instanceof Refused)) {
        const message = e instanceof Error ? (e.stack ?? e.message) : String(e);
        return { status: "failed", fixed: false, code: "", op: "", detail: message };
      }
      refused ??= e;
      if (!e.refusals.some((r) => r.code === "unsupported_shape" || r.code === "unsupported_layout")) break;
    }
  }
  return refusal(refused?.refusals ?? []);
}

function refusal(list: readonly Refusal[]): Verdict {
  const [first] = list;
  const detail = list.map((r) => `${r.at}: ${r.detail}`).join("\n");
  return { status: "refused", fixed: false, code: first?.code ?? "", op: first?.subject ?? "", detail };
}

/** Inputs fixed at compile time: none at first. */
function trials(found: OnnxCase, set: OnnxDataSet): Record<string, Tensor>[] {
  const inputs = found.model.graph?.input ?? [];
  const whole = new Set(inputs.flatMap((i) => (i.type?.tensorType === undefined ? [] : [i.name ?? ""])));
  const pick = (take: (t: Tensor) => boolean): Record<string, Tensor> =>
    Object.fromEntries(
      Object.entries(set.inputs).filter(([name, t]) => whole.has(name) && t.dtype !== "str" && take(t)),
    );
  const integer = (t: Tensor): boolean =>
    (t.dtype === "i64" || t.dtype === "i32") && t.shape.length <= 1 && t.size <= 64;
  const small = (t: Tensor): boolean => t.shape.length <= 1 && t.size <= 8;
  return [{}, pick(integer), pick((t) => integer(t) || small(t))];
}

async function runSet(
  found: OnnxCase,
  set: OnnxDataSet,
  target: Target,
  network: boolean,
  values: Readonly<Record<string, Tensor>>,
): Promise<string | null> {
  const { graph: proto } = found.model;
  if (proto === undefined) return "has no graph";
  const builder = new Builder();
  const { graph } = importOnnx(found.bytes, {
    builder,
    dims: dimsOf(proto, set),
    values,
    structures: structuresOf(set),
  });
  const issues = verify(graph);
  if (issues.length > 0) return `the imported graph is unsound: ${issues.map((i) => formatIssue(i)).join("; ")}`;
  const run = await target(graph, builder);
  const inputs = Object.fromEntries(
    Object.entries(set.inputs).filter(([name]) =>
      graph.inputs.some((v) => v.node.op === "input" && v.node.attrs.name === name),
    ),
  );
  const outputs = await run(inputs, set.strings);
  const operators = operatorsOf(proto);
  const random = [...operators].some((o) => RANDOM.test(o));
  const spectral = [...operators].some((o) => SPECTRAL.test(o));
  const tolerance: Tolerance = { rtol: 1e-3, atol: network || spectral ? 1e-5 : 1e-7 };
  const wrong: string[] = [];
  for (const [name, want] of Object.entries(set.outputs)) {
    const have = outputs[name];
    const d = random ? shapeDifference(have, want) : difference(have, want, tolerance);
    if (d !== null) wrong.push(`output "${name}" ${d}`);
  }
  return wrong.length === 0 ? null : `${set.name}: ${wrong.join("; ")}`;
}

function shapeDifference(have: Tensor | undefined, want: Tensor): string | null {
  if (have === undefined) return "is missing";
  const same = have.dtype === want.dtype && have.shape.join() === want.shape.join();
  return same ? null : `is ${have.dtype}[${have.shape.join(", ")}], want ${want.dtype}[${want.shape.join(", ")}]`;
}

/** Sequences and optionals as the data set has them. */
function structuresOf(set: OnnxDataSet): Record<string, Structure> {
  const out: Record<string, Structure> = {};
  for (const [name, length] of Object.entries(set.lengths)) {
    const whole = set.inputs[name];
    if (length === null) out[name] = null;
    else if (whole !== undefined) out[name] = [whole];
    else out[name] = Array.from({ length }, (_, i) => set.inputs[`${name}.${i}`]).filter((t) => t !== undefined);
  }
  return out;
}

/** Every dynamic dimension as the data set has it. */
function dimsOf(graph: GraphProto, set: OnnxDataSet): Record<string, DimSpec> {
  const dims: Record<string, DimSpec> = {};
  for (const info of dynamicInputs(graph)) {
    const t = set.inputs[info.name ?? ""];
    for (const [axis, d] of (info.type?.tensorType?.shape?.dim ?? []).entries()) {
      const size = t?.shape[axis];
      if (d.dimValue !== undefined || size === undefined) continue;
      dims[d.dimParam === undefined || d.dimParam === "" ? `${info.name ?? ""}.${axis}` : d.dimParam] = size;
    }
  }
  return dims;
}

// The first top-level step of a compiled model that does not give what the reference gives. The bundle is run as in
// production, step by step; after each step the buffers that it wrote are compared with the reference interpreter's
// values of the same graph values. The passes before the schedule are judged too: by the outputs of the graph before and
// after each.

import type { AnyModel, Model, ReadMemory } from "../../../runtime-shim/index.js";
import { passOptionsOf, type TargetName } from "../../../targets/targets.js";
import { bytesOf } from "../../ir/dtype.js";
import type { Builder, Graph, Node, Value } from "../../ir/graph.js";
import { settle } from "../../ir/settle.js";
import { sizeOf, Tensor } from "../../ir/tensor.js";
import { PIPELINE } from "../../passes/pipeline.js";
import { runPass } from "../../passes/run.js";
import { type CompileOptions, compileStages, type Stages } from "../../pipeline.js";
import type { Tier } from "../../plan/plan.js";
import { interpret } from "../../reference/interpret.js";
import type { Step } from "../../schedule/schedule.js";
import { feedFrom, tensorOfView } from "../io/feed.js";
import { loaderOf } from "../load-model.js";
import { topSteps } from "../top-steps.js";
import { type Difference, differenceOf } from "./difference.js";

export interface Finding {
  /** importer: the reference and onnxruntime differ. pass: a rewrite of the graph. kernel: what a step computed. */
  readonly stage: "importer" | "pass" | "kernel" | "output";
  /** The pass, the kernel, the node or the output. */
  readonly name: string;
  readonly template: string;
  /** Top-level step, or null. */
  readonly step: number | null;
  readonly ops: readonly string[];
  /** Model nodes, as `node "name" (Op)`. */
  readonly origins: readonly string[];
  readonly difference: Difference;
}

export interface Compared {
  /** Null: nothing differs. */
  readonly finding: Finding | null;
  /** Values that were compared. */
  readonly values: number;
}

export interface StepsOptions {
  readonly tier: Tier;
  readonly tolerance: number;
  /** Called after each step, before its buffers are read; for tests, which change the memory. */
  readonly afterStep?: (step: number, read: ReadMemory, stages: Stages) => void;
}

type Tensors = Readonly<Record<string, Tensor>>;

/** The model, and its stages, ready to be run on inputs. */
export interface Prepared {
  readonly graph: Graph;
  readonly builder: Builder;
  readonly stages: Stages;
  readonly target: TargetName;
  readonly model: Model<AnyModel>;
}

/** Throws Refused as `compile` does. */
export async function prepare(
  graph: Graph,
  builder: Builder,
  options: Pick<CompileOptions, "target" | "cpus" | "tier">,
): Promise<Prepared> {
  const stages = compileStages({ graph, builder }, options);
  const { bundle, plan } = stages.compiled;
  const load = await loaderOf(plan.target);
  return { graph, builder, target: options.target ?? "wasm", stages, model: await load(bundle) };
}

/** Throws the runtime's errors where the run itself fails. */
export function compareSteps(prepared: Prepared, inputs: Tensors, options: StepsOptions): Compared {
  const { graph, stages, model } = prepared;
  const { schedule } = stages;
  const units = unitsOf(stages);
  const wanted = new Set<Node>(units.flatMap((u) => u?.values.map((v) => v.node) ?? []));
  const values = new Map<Node, readonly Tensor[]>();
  const reference = interpret(schedule.graph, inputs, {
    onNode: (node, outputs) => {
      if (wanted.has(node)) values.set(node, outputs);
    },
  });
  const before = interpret(graph, inputs);
  for (const [name, want] of Object.entries(before.outputs)) {
    const have = reference.outputs[name];
    const difference = have === undefined ? null : differenceOf(have, want, options.tolerance);
    if (difference?.differs === true)
      return { finding: blamePass(prepared, inputs, before.outputs, difference, options.tolerance), values: 1 };
  }
  let finding: Finding | null = null;
  let compared = 0;
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, feedFrom(t)]));
  const compare = (step: number, unit: Unit, v: Value, read: ReadMemory): void => {
    const want = values.get(v.node)?.[v.index];
    const offset = stages.placeOf(v);
    // The reference computes what is asked for: a value that this run did not need has none.
    if (finding !== null || want === undefined || offset === null) return;
    compared++;
    const bytes = read(offset, sizeOf(want.shape) * bytesOf(want.dtype)).slice();
    const difference = differenceOf(new Tensor(want.dtype, want.shape, bytes), want, options.tolerance);
    if (difference.differs) finding = { ...describe(unit, prepared), step, difference };
  };
  const found = (): Finding | null => finding;
  model.reset();
  const outputs = model.runSteps(feeds, (step, read) => {
    options.afterStep?.(step, read, stages);
    const unit = units[step];
    if (unit !== undefined && unit !== null) for (const v of unit.values) compare(step, unit, v, read);
  });
  const early = found();
  if (early !== null) return { finding: early, values: compared };
  const ends = [
    ...Object.entries(outputs).map(
      ([name, view]) => [`output "${name}"`, tensorOfView(view), reference.outputs[name]] as const,
    ),
    ...model.states.map(
      ({ name }) => [`state "${name}"`, tensorOfView(model.state(name).get()), reference.states[name]] as const,
    ),
  ];
  for (const [name, have, want] of ends) {
    if (want === undefined) continue;
    compared++;
    const difference = differenceOf(have, want, options.tolerance);
    if (difference.differs)
      return {
        finding: { stage: "output", name, template: "", step: null, ops: [], origins: [], difference },
        values: compared,
      };
  }
  return { finding: null, values: compared };
}

/** What one top-level step computes. */
interface Unit {
  readonly step: Step;
  readonly values: readonly Value[];
}

function unitsOf(stages: Stages): (Unit | null)[] {
  return topSteps(stages).map((step) => {
    if (step?.kind === "kernel") return { step, values: step.kernel.outputs };
    return step?.kind === "if" || step?.kind === "loop" ? { step, values: step.node.outputs } : null;
  });
}

function describe({ step }: Unit, { builder }: Prepared): Omit<Finding, "difference" | "step"> {
  const nodes = nodesIn(step).filter((n) => n.op !== "const" && n.op !== "input" && n.op !== "param");
  const origins = [...new Set(nodes.map((n) => builder.originOf(n)))].filter((o) => o !== "");
  const ops = [...new Set(nodes.map((n) => n.op))];
  if (step.kind !== "kernel") return { stage: "kernel", name: step.kind, template: step.kind, ops, origins };
  return { stage: "kernel", name: step.kernel.name, template: step.kernel.template, ops, origins };
}

function nodesIn(step: Step): Node[] {
  if (step.kind === "kernel") return [...step.kernel.nodes];
  if (step.kind === "if") return [step.node, ...step.branches.flat().flatMap(nodesIn)];
  return step.kind === "loop" ? [step.node, ...step.body.flatMap(nodesIn)] : [];
}

/** The first pass after which an output is another one; the preparation for the schedule where none is to blame. */
function blamePass(
  { graph, builder, target }: Prepared,
  inputs: Tensors,
  want: Tensors,
  known: Difference,
  tolerance: number,
): Finding {
  const blame = (name: string, difference: Difference): Finding => ({
    stage: "pass",
    name,
    template: "",
    step: null,
    ops: [],
    origins: [],
    difference,
  });
  let at = settle(graph);
  for (const pass of PIPELINE) {
    at = runPass(builder, at, pass, passOptionsOf(target, "strict"));
    for (const [name, have] of Object.entries(interpret(at, inputs).outputs)) {
      const before = want[name];
      const difference = before === undefined ? null : differenceOf(have, before, tolerance);
      if (difference?.differs === true) return blame(pass.name, difference);
    }
  }
  return blame("separate", known);
}

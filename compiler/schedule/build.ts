// Turns fusion decisions into kernels and steps: in each scope, one kernel per buffered value, at the place of its node;
// control nodes become steps that own their branches' steps.

import { add, type Dim, indexVar, mul, range, sym } from "../ir/dim.js";
import { Bug } from "../ir/errors.js";
import { constantOf, type Graph, isOp, type Node, type NodeOf, type Value } from "../ir/graph.js";
import { type Scope, scopesOf } from "../ir/scope.js";
import type { Tensor } from "../ir/tensor.js";
import { attentionChoices, attentionScratchBytes } from "./attention.js";
import { blockChoices, blockForm, blockScratchBytes } from "./blocks.js";
import { chooseTile, matmulForm } from "./contraction.js";
import { copiedPanelBytes } from "./copied.js";
import { contractionOperands, type Fusion, fuse, isSource } from "./fuse.js";
import type { Group } from "./groups.js";
import { widenedPanelBytes } from "./paired.js";
import { poolScratchBytes } from "./pooling.js";
import type { Choices, Kernel, Schedule, ScheduleOptions, Step, Template } from "./schedule.js";
import { sortScratch } from "./sorting.js";
import { stageElements } from "./stages.js";
import { SIMD128_TILES, type TileChooser } from "./tiles.js";
import { isElementwise, usesOf } from "./uses.js";
import { holder } from "./views.js";

/** A constant that kernels spell as an immediate: all elements are the same. */
export function isImmediate(t: Tensor): boolean {
  // Sizes first: decoding a weight may copy it.
  if (t.size === 0 || t.size > 4096) return false;
  const { elements } = t;
  const first = elements[0];
  return elements.every((e: number | bigint) => Object.is(e, first));
}

/** Whether a value's elements lie in a buffer that kernels read. */
function inMemory(v: Value, fusion: Fusion, iterations: ReadonlySet<Value>): boolean {
  if (fusion.buffered.has(v)) return true;
  if (!isSource(v.node)) return false;
  const constant = constantOf(v);
  if (constant !== undefined) return !isImmediate(constant);
  return !iterations.has(v);
}

/** `tuned`: choices that a kernel gets in place of the compiler's own. `tiles`: the target's register tiles. */
export function schedule(
  graph: Graph,
  tuned: (kernel: Kernel) => Choices = () => ({}),
  { attention = true, tiles = SIMD128_TILES }: ScheduleOptions & { readonly tiles?: TileChooser } = {},
): Schedule {
  const scopes = scopesOf(graph);
  const uses = usesOf(graph);
  const fusion = fuse(scopes, uses, attention, tiles);
  const iterations = new Set<Value>();
  for (const node of uses.usersFirst) {
    const counter = node.op === "loop" ? node.regions[0]?.params[0] : undefined;
    if (counter !== undefined) iterations.add(counter);
  }
  const bindings = new Map<Node, Step[]>();
  for (const binding of graph.bindings) {
    if (binding.from !== "element") continue;
    const list = bindings.get(binding.value.node) ?? [];
    list.push({ kind: "bind", binding });
    bindings.set(binding.value.node, list);
  }
  let kernels = 0;

  function kernelFor(outputs: readonly Value[], group: Group | undefined): Kernel {
    const first = outputs[0];
    if (first === undefined) throw new Bug("schedule", "a kernel without outputs");
    const nodes: Node[] = [];
    const inputs: Value[] = [];
    const seen = new Set<Node>();
    const views = group?.pooling?.views ?? [];
    const visit = (v: Value): void => {
      if (!outputs.includes(v) && !views.includes(v) && inMemory(v, fusion, iterations)) {
        if (!inputs.includes(v)) inputs.push(v);
        return;
      }
      if (seen.has(v.node)) return;
      seen.add(v.node);
      for (const x of v.node.inputs) visit(x);
      nodes.push(v.node);
    };
    visit(first);
    const anchor = group?.anchor ?? first.node;
    const bytes = fusion.byteRows.rows.get(anchor) ?? null;
    for (const v of operandsInMemory(anchor, bytes)) if (!inputs.includes(v)) inputs.push(v);
    const { template, choices } = fusion.byteRows.widenings.has(first.node)
      ? { template: "widen" as const, choices: {} }
      : templateOf(group, first.node, tiles);
    const name = `k${kernels++}_${nameOf(template, nodes)}`;
    const kernel: Kernel = {
      name,
      template,
      anchor,
      nodes,
      inputs,
      outputs,
      choices,
      attention: group?.attention ?? null,
      bytes,
      scratch: 0,
    };
    const chosen = { ...choices, ...tuned(kernel) };
    return { ...kernel, choices: chosen, scratch: scratchOf(kernel, group, chosen) };
  }

  function stepsOf(scope: Scope): Step[] {
    const steps: Step[] = [];
    for (const node of scope.nodes) {
      if (isOp(node, "if")) steps.push(branchStep(node, scope));
      else if (isOp(node, "loop")) steps.push(...loopSteps(node, scope));
      else {
        const outputs = node.outputs.filter((v) => fusion.buffered.has(v));
        if (outputs.length > 0) {
          const group = fusion.groupOf.get(node);
          const own = group !== undefined && group.exit.node === node ? group : undefined;
          steps.push({
            kind: "kernel",
            kernel: kernelFor(outputs.length < node.outputs.length ? node.outputs : outputs, own),
          });
        }
      }
      steps.push(...(bindings.get(node) ?? []));
    }
    return steps;
  }

  function branchStep(node: NodeOf<"if"> & Node, scope: Scope): Step {
    const children = scope.children.get(node) ?? [];
    const ownSymbols = new Set(
      graph.bindings.filter((b) => b.from === "axis" && b.value.node === node).map((b) => b.symbol),
    );
    const branches = node.regions.map((region, i) => {
      const child = children[i];
      const steps = child === undefined ? [] : stepsOf(child);
      for (const [j, v] of region.results.entries()) {
        const to = node.outputs[j];
        if (to === undefined) continue;
        for (const [axis, symbol] of to.type.shape.entries())
          if (ownSymbols.has(symbol)) steps.push({ kind: "assign", symbol, value: v.type.shape[axis] ?? 0 });
        steps.push({ kind: "copy", from: v, to, row: null });
      }
      return steps;
    });
    return { kind: "if", node, branches };
  }

  function loopSteps(node: NodeOf<"loop"> & Node, scope: Scope): Step[] {
    const [region] = node.regions;
    const [child] = scope.children.get(node) ?? [];
    if (region === undefined || child === undefined) throw new Bug("schedule", "a loop without a body");
    const { carried } = node.attrs;
    const before: Step[] = [];
    for (let i = 0; i < carried; i++) {
      const from = node.inputs[i + 2];
      const to = region.params[i + 1];
      if (from !== undefined && to !== undefined) before.push({ kind: "copy", from, to, row: null });
    }
    const iteration = iterationOf(node);
    const body = stepsOf(child);
    const [counter] = region.params;
    // A counter that is a result, not only an index, needs memory.
    if (counter !== undefined && uses.rooted.has(counter))
      body.unshift({ kind: "kernel", kernel: kernelFor([counter], undefined) });
    for (const [i, v] of region.results.slice(carried + 1).entries()) {
      const to = node.outputs[carried + i];
      if (to !== undefined) body.push({ kind: "copy", from: v, to, row: iteration });
    }
    for (let i = 0; i < carried; i++) {
      const from = region.results[i + 1];
      const to = region.params[i + 1];
      if (from !== undefined && to !== undefined && holder(from) !== to)
        body.push({ kind: "copy", from, to, row: null });
    }
    return [...before, { kind: "loop", node, iteration, body }];
  }

  const steps = stepsOf(scopes.root);
  for (const slot of graph.states)
    if (holder(slot.next) !== slot.current) steps.push({ kind: "copy", from: slot.next, to: slot.current, row: null });
  return { graph, steps, constraints: graph.constraints };
}

/** The symbol that counts a loop's iterations, below its trip count's bound. */
export function iterationOf(node: NodeOf<"loop">): Dim {
  const counter = node.regions[0]?.params[0]?.node;
  const uid = counter?.op === "param" ? counter.attrs.uid : 0;
  const trips = node.inputs[0] === undefined ? undefined : constantOf(node.inputs[0]);
  const bound = trips === undefined ? range(node.attrs.count).hi : Number(trips.elements[0] ?? 0);
  if (Number.isFinite(bound)) return indexVar(`iteration${uid}`, Math.max(1, bound));
  return sym(`iteration${uid}`, 0, 2 ** 31 - 1);
}

/** Operands that a kernel reads from memory whatever they are: contractions' constants, and the bytes of their rows. */
function operandsInMemory(anchor: Node, bytes: Value | null): Value[] {
  if (anchor.op === "blockMatmul")
    return anchor.inputs.filter((v) => v.type.shape.length > 0 && constantOf(v) !== undefined);
  if (anchor.op !== "matmul" && anchor.op !== "conv") return [];
  const constants = contractionOperands(anchor).filter((v) => constantOf(v) !== undefined);
  return bytes === null ? constants : [...constants, ...contractionOperands(anchor, bytes).slice(0, 1)];
}

function templateOf(
  group: Group | undefined,
  node: Node,
  tiles: TileChooser,
): { template: Template; choices: Choices } {
  const anchor = group?.anchor ?? node;
  const attention = group?.attention ?? null;
  if (attention !== null) return { template: "attention", choices: attentionChoices(attention, anchor, tiles) };
  switch (anchor.op) {
    case "matmul":
    case "conv": {
      const form = blockForm(anchor);
      return form === null ? chooseTile(anchor, tiles) : blockChoices(form, tiles);
    }
    case "blockMatmul": {
      const form = blockForm(anchor);
      if (form === null) throw new Bug("schedule", "a blockMatmul that no kernel computes was not decomposed");
      return blockChoices(form, tiles);
    }
    case "reduce":
      return { template: reductionOf(group), choices: {} };
    case "concat":
    case "pad":
    case "scatter":
    case "sort":
    case "argreduce":
    case "cumulate":
    case "nonzero":
      return { template: anchor.op, choices: {} };
    default:
      return { template: "map", choices: {} };
  }
}

function reductionOf(group: Group | undefined): Template {
  if (group === undefined) return "reduce";
  return group.pooling !== null ? "pool" : group.rows ? "rows" : "reduce";
}

function scratchOf({ template, nodes, anchor, bytes }: Kernel, group: Group | undefined, choices: Choices): Dim {
  const attention = group?.attention ?? null;
  if (attention !== null && group !== undefined) return attentionScratchBytes(attention, group.anchor, choices, nodes);
  const blocks = template === "blockMatmul" && group !== undefined ? blockForm(group.anchor) : null;
  if (blocks !== null) return blockScratchBytes(blocks, choices);
  const product = template === "matmul" && choices["copied"] === 1 ? matmulForm(anchor) : null;
  if (product !== null) return copiedPanelBytes(product, Number(choices["nr"]));
  if (template === "matmul" || template === "conv")
    return widenedPanelBytes(anchor, template, choices, bytes === null ? 2 : 4);
  if (template === "rows" && group !== undefined) {
    const from = group.anchor.inputs[0]?.type.shape ?? [];
    const axes = isOp(group.anchor, "reduce") ? group.anchor.attrs.axes : [];
    const inner = mul(1, ...axes.map((axis) => from[axis] ?? 1));
    const spilled = nodes.filter((n) => isElementwise(n)).length;
    return add(mul(inner, 8, Math.min(spilled, 8)), mul(4, stageElements(nodes)));
  }
  const pooling = group?.pooling ?? null;
  if (pooling !== null) return poolScratchBytes(pooling);
  if (template === "map") return mul(4, stageElements(nodes));
  if (isOp(anchor, "sort")) return sortScratch(anchor).bytes;
  return 0;
}

function nameOf(template: Template, nodes: readonly Node[]): string {
  const ops: string[] = nodes.filter((n) => !isSource(n) && n.op !== "reshape").map((n) => n.op);
  const shown = ops.length > 4 ? [...ops.slice(0, 3), `${ops.length - 3}more`] : ops;
  const text = shown.join("_");
  return template === "map" || shown.includes(template) ? (text === "" ? "copy" : text) : `${template}_${text}`;
}

// Values that stay after their buffer is overwritten get a buffer of their own. At the end of an iteration the carried
// values, and at the end of a run the states, take their next values one after the other, in place. What is a carried
// value or a state itself and is still wanted then (as another's next value, as a loop's next condition, as an output of
// the model) would be read too late. In: a graph that is ready to be scheduled. Out: the same with such values behind a
// copy, a concatenation of one operand, which passes would remove again: so this is the last step before scheduling.

import * as ir from "../ir/build.js";
import { type Builder, type Graph, isOp, type NodeOf, type Region, type Value } from "../ir/graph.js";
import { mapGraph } from "../ir/map-graph.js";
import { holder } from "./views.js";

export function separate(b: Builder, graph: Graph): Graph {
  const loops = mapGraph(b, graph, (node, inputs, regions) => {
    const [region] = regions;
    const changed = isOp(node, "loop") && region !== undefined ? separateLoop(b, node, region) : region;
    if (changed !== region && changed !== undefined) return b.op(node.op, inputs, node.attrs, [changed]);
    const same = inputs.every((v, i) => v === node.inputs[i]) && regions.every((r, i) => r === node.regions[i]);
    return same ? node.outputs : b.op(node.op, inputs, node.attrs, regions);
  });
  return separateStates(b, loops);
}

function separateLoop(b: Builder, node: NodeOf<"loop">, region: Region): Region {
  const { params, results } = region;
  const replaced = new Set<Value>();
  for (let i = 1; i <= node.attrs.carried; i++) {
    const [param, result] = [params[i], results[i]];
    if (param !== undefined && result !== undefined && holder(result) !== param) replaced.add(param);
  }
  const out = results.map((v, i) => {
    const own = i > 0 && i <= node.attrs.carried ? params[i] : undefined;
    const isEarly = i > node.attrs.carried;
    return !isEarly && holder(v) !== own && replaced.has(holder(v)) ? copied(b, v) : v;
  });
  return out.every((v, i) => v === results[i]) ? region : { params, results: out };
}

function separateStates(b: Builder, graph: Graph): Graph {
  const replaced = new Set(graph.states.filter((s) => holder(s.next) !== s.current).map((s) => s.current));
  if (replaced.size === 0) return graph;
  return {
    ...graph,
    outputs: graph.outputs.map((o) => (replaced.has(holder(o.value)) ? { ...o, value: copied(b, o.value) } : o)),
    states: graph.states.map((s) =>
      holder(s.next) !== s.current && replaced.has(holder(s.next)) ? { ...s, next: copied(b, s.next) } : s,
    ),
  };
}

function copied(b: Builder, v: Value): Value {
  const { shape } = v.type;
  const copy = b.one("concat", [shape.length > 0 ? v : ir.reshape(b, v, [1])], { axis: 0 });
  return shape.length > 0 ? copy : ir.reshape(b, copy, []);
}

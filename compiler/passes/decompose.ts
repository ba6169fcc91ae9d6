// Composite ops become what they mean, except those that the target takes whole.

import type { AttrValues } from "../ir/attrs.js";
import type { Builder, Node, NodeOf, Value } from "../ir/graph.js";
import { OPS, type OpAttrs, type OpName } from "../ir/ops.js";
import { rewrite, ruleFor } from "../ir/rewrite.js";
import type { Pass } from "./pass.js";

function expand<K extends OpName>(b: Builder, node: NodeOf<K>): readonly Value[] | null {
  const attrs: AttrValues<OpAttrs[K]> = node.attrs;
  return OPS[node.op].decompose?.(b, node.inputs, attrs) ?? null;
}

export const decompose: Pass = {
  name: "decompose",
  after: {},
  run(b, graph, { keeps = () => false }) {
    const ops = (Object.keys(OPS) as OpName[]).filter((op) => OPS[op].class === "composite");
    return rewrite(
      b,
      graph,
      ruleFor("decompose", ops, (node: Node) => (keeps(node) ? null : expand(b, node))),
    );
  },
};

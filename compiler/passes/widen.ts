// Sums and products that gather up in memory do so in f32 where the elements are narrower floats, and are rounded once
// at the end, as the op is defined: a scatter that adds or multiplies becomes the same scatter of f32.

import { DTYPES, isFloat } from "../ir/dtype.js";
import { type Rule, rewrite, rule } from "../ir/rewrite.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

const widenRules: readonly Rule[] = [
  rule("widen-scatter", "scatter", (node, { b }) => {
    const x = inputOf(node);
    const { dtype } = x.type;
    const { mode } = node.attrs;
    if (!isFloat(dtype) || DTYPES[dtype].bits >= 32 || (mode !== "add" && mode !== "mul")) return null;
    const wide = (i: number) => b.one("cast", [inputOf(node, i)], { to: "f32", saturate: false });
    const sums = b.one("scatter", [wide(0), inputOf(node, 1), wide(2)], { mode });
    return b.one("cast", [sums], { to: dtype, saturate: false });
  }),
];

export const widen: Pass = {
  name: "widen",
  after: {},
  run: (b, graph) => rewrite(b, graph, widenRules),
};

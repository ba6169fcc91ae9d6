// Everything that makes a graph smaller without a view on how it will run, until nothing changes: canonical forms,
// folding, identities, known control flow, known symbols. Together, since each gives the others something to do.

import { Bug } from "../ir/errors.js";
import type { Builder, Graph } from "../ir/graph.js";
import { sameRoots } from "../ir/map-graph.js";
import { rewrite } from "../ir/rewrite.js";
import { algebraRules } from "./algebra.js";
import { foldBranches } from "./branches.js";
import { canonicalizeRules } from "./canonicalize.js";
import { foldRules } from "./fold.js";
import type { Pass } from "./pass.js";
import { foldSymbols } from "./symbols.js";

const MOST_ROUNDS = 64;

const rules = [...foldRules, ...canonicalizeRules, ...algebraRules];

function simplified(b: Builder, graph: Graph): Graph {
  let before = graph;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const after = foldSymbols(b, foldBranches(b, rewrite(b, before, rules)));
    if (sameRoots(before, after)) return after;
    before = after;
  }
  throw new Bug("simplify", `does not settle in ${MOST_ROUNDS} rounds`);
}

export const simplify: Pass = {
  name: "simplify",
  after: { decompose: "a decomposition leaves constants and identities behind" },
  run: simplified,
};

/** Once more, for what affine and layout leave behind: constants to fold and transposes that move nothing. */
export const tidy: Pass = {
  name: "tidy",
  after: { layout: "it must still see transposes of size-1 axes, which this makes reshapes" },
  run: simplified,
};

// The tree ensembles of ai.onnx.ml against onnxruntime.

import test from "ava";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { type Attribute, agrees, floats, ints, matches, type OneNode, oracle, refusalOf, sample } from "./one-node.js";

const FEATURES = 4;
const x = sample("f32", [7, FEATURES]);

interface Trees {
  readonly nodes: Record<string, Attribute>;
  /** Tree and node of each leaf. */
  readonly leaves: readonly (readonly [number, number])[];
}

/** Trees of these depths, whole but for the last: its right side ends early. */
function grown(depths: readonly number[], modes: readonly string[], missing = false): Trees {
  const trees: number[] = [];
  const ids: number[] = [];
  const kinds: string[] = [];
  const features: number[] = [];
  const values: number[] = [];
  const yes: number[] = [];
  const no: number[] = [];
  const tracks: number[] = [];
  const leaves: [number, number][] = [];
  for (const [tree, depth] of depths.entries()) {
    const count = 2 ** (depth + 1) - 1;
    const early = tree === depths.length - 1 && depth > 1;
    for (let i = 0; i < count; i++) {
      if (early && i > 4 && insideOf(2, i)) continue;
      const leaf = i >= 2 ** depth - 1 || (early && i === 2);
      trees.push(tree);
      ids.push(i);
      kinds.push(leaf ? "LEAF" : (modes[(i + tree) % modes.length] ?? "BRANCH_LEQ"));
      features.push(leaf ? 0 : (i * 3 + tree) % FEATURES);
      values.push(leaf ? 0 : Math.fround(Math.sin(i * 7 + tree * 3)));
      yes.push(leaf ? 0 : 2 * i + 1);
      no.push(leaf ? 0 : 2 * i + 2);
      tracks.push(Number(missing && i % 2 === 0));
      if (leaf) leaves.push([tree, i]);
    }
  }
  return {
    nodes: {
      nodes_treeids: trees,
      nodes_nodeids: ids,
      nodes_modes: kinds,
      nodes_featureids: features,
      nodes_values: { fs: values },
      nodes_truenodeids: yes,
      nodes_falsenodeids: no,
      ...(missing ? { nodes_missing_value_tracks_true: tracks } : {}),
    },
    leaves,
  };
}

/** Whether node i of a whole binary tree lies below `root`. */
function insideOf(root: number, i: number): boolean {
  let at = i;
  while (at > root) at = Math.floor((at - 1) / 2);
  return at === root && i !== root;
}

function weighted(
  kind: "target" | "class",
  g: Trees,
  targets: readonly number[],
  lo = -1,
  hi = 1,
): Record<string, Attribute> {
  const all = g.leaves.flatMap((leaf, i) =>
    (targets.length > 1 && i % 3 === 0 ? targets : [targets[i % targets.length] ?? 0]).map((target) => ({
      leaf,
      target,
    })),
  );
  return {
    [`${kind}_treeids`]: all.map((w) => w.leaf[0]),
    [`${kind}_nodeids`]: all.map((w) => w.leaf[1]),
    [`${kind}_ids`]: all.map((w) => w.target),
    [`${kind}_weights`]: { fs: sample("f32", [all.length], 9, lo, hi).numbers() },
  };
}

function regressor(g: Trees, targets: number, attributes: Record<string, Attribute> = {}, input = x): OneNode {
  const ids = Array.from({ length: targets }, (_, i) => i);
  return {
    op: "TreeEnsembleRegressor",
    domain: "ai.onnx.ml",
    version: 3,
    inputs: [input],
    attributes: { ...g.nodes, ...weighted("target", g, ids), n_targets: targets, ...attributes },
    dims: { 0: ["n", null] },
  };
}

const LEQ = ["BRANCH_LEQ"];

test("TreeEnsembleRegressor", (t) => agrees(t, regressor(grown([2, 3, 1], LEQ), 1)));
test("TreeEnsembleRegressor with a tree that is a leaf", (t) => agrees(t, regressor(grown([0, 2], LEQ), 1)));
test("TreeEnsembleRegressor of deep trees", (t) => agrees(t, regressor(grown([6, 5], LEQ), 1)));
test("TreeEnsembleRegressor of three targets", (t) =>
  agrees(t, regressor(grown([2, 3, 3], LEQ), 3, { base_values: { fs: [0.5, -1, 2] } })));
for (const aggregate_function of ["AVERAGE", "MIN", "MAX"])
  for (const targets of [1, 3])
    test(`TreeEnsembleRegressor, ${aggregate_function} of ${targets}`, (t) =>
      agrees(t, regressor(grown([2, 3, 2], LEQ), targets, { aggregate_function })));
for (const mode of ["BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"])
  test(`TreeEnsembleRegressor, ${mode}`, (t) => agrees(t, regressor(grown([2, 3], [mode]), 1)));
test("TreeEnsembleRegressor of mixed modes", (t) =>
  agrees(t, regressor(grown([3, 3], ["BRANCH_LEQ", "BRANCH_GT", "BRANCH_EQ", "BRANCH_LT"]), 2)));
test("TreeEnsembleRegressor with missing values", (t) => {
  const holes = floats(
    x.shape,
    x.numbers().map((v, i) => (i % 3 === 0 ? Number.NaN : v)),
  );
  return agrees(t, regressor(grown([3, 3], LEQ, true), 1, {}, holes));
});
test("TreeEnsembleRegressor of integers", async (t) => {
  const values = [1, 0, -1, 2, 0, 0, 0, 0, -1, -2, 1, 1];
  const want = await oracle(regressor(grown([3, 3], LEQ), 1, {}, floats([3, FEATURES], values)));
  await matches(t, regressor(grown([3, 3], LEQ), 1, {}, ints("i64", [3, FEATURES], values)), want);
});
test("TreeEnsembleRegressor with a softmax", (t) =>
  agrees(t, regressor(grown([2, 3, 3], LEQ), 3, { post_transform: "SOFTMAX" })));

function classifier(
  g: Trees,
  labels: readonly number[],
  ids: readonly number[],
  lo: number,
  attributes: Record<string, Attribute> = {},
): OneNode {
  return {
    op: "TreeEnsembleClassifier",
    domain: "ai.onnx.ml",
    version: 3,
    inputs: [x],
    attributes: { ...g.nodes, ...weighted("class", g, ids, lo), classlabels_int64s: labels, ...attributes },
    outputs: ["label", "scores"],
    dims: { 0: ["n", null] },
  };
}

const forest = grown([2, 3, 3], LEQ);
for (const post_transform of ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]) {
  test(`TreeEnsembleClassifier of three classes, ${post_transform}`, (t) =>
    agrees(t, classifier(forest, [4, 2, 7], [0, 1, 2], -1, { post_transform })));
  test(`TreeEnsembleClassifier of three classes with base values, ${post_transform}`, (t) =>
    agrees(t, classifier(forest, [0, 1, 2], [0, 1, 2], -1, { post_transform, base_values: { fs: [0.1, 0.5, -0.2] } })));
  for (const lo of [-1, 0])
    for (const [only, base] of [
      [0, []],
      [0, [0.3]],
      [1, []],
    ] as const)
      test(`TreeEnsembleClassifier of the score of class ${only}, from ${lo}, ${base.length} base values, ${post_transform}`, (t) =>
        agrees(
          t,
          classifier(forest, [4, 2], [only], lo, {
            post_transform,
            ...(base.length > 0 ? { base_values: { fs: base } } : {}),
          }),
        ));
}
// onnxruntime's label is not the top class here.
for (const lo of [-1, 0])
  test(`TreeEnsembleClassifier of two scores from ${lo}`, (t) =>
    agrees(t, classifier(forest, [0, 1], [0, 1], lo), { only: ["scores"] }));
test("TreeEnsembleClassifier of two classes with two base values is refused", (t) => {
  t.is(refusalOf(classifier(forest, [0, 1], [0, 1], 0, { base_values: { fs: [0.1, 0.3] } })).code, "unsupported_op");
});

function modern(attributes: Record<string, Attribute>, input = x): OneNode {
  return {
    op: "TreeEnsemble",
    domain: "ai.onnx.ml",
    version: 5,
    inputs: [input],
    attributes: {
      n_targets: 2,
      nodes_featureids: [0, 1, 2],
      nodes_modes: tensorFrom("u8", [3], [0, 0, 3]),
      nodes_splits: tensorFrom("f32", [3], [0.2, -0.5, 0.7]),
      nodes_truenodeids: [1, 0, 2],
      nodes_trueleafs: [0, 1, 1],
      nodes_falsenodeids: [2, 1, 3],
      nodes_falseleafs: [0, 1, 1],
      tree_roots: [0],
      leaf_targetids: [0, 1, 0, 1],
      leaf_weights: tensorFrom("f32", [4], [5.2, 1.5, -3, 2.25]),
      ...attributes,
    },
    dims: { 0: ["n", null] },
  };
}

test("TreeEnsemble", (t) => agrees(t, modern({})));
for (const aggregate_function of [0, 2, 3])
  test(`TreeEnsemble, aggregate ${aggregate_function}`, (t) => agrees(t, modern({ aggregate_function })));
test("TreeEnsemble with sets", (t) =>
  agrees(
    t,
    modern(
      {
        nodes_modes: tensorFrom("u8", [3], [0, 6, 6]),
        membership_values: tensorFrom("f32", [6], [1, 3, Number.NaN, 2, 4, Number.NaN]),
      },
      floats([4, FEATURES], [0, 1, 2, 0, 0, 2, 2, 0, 1, 1, 4, 0, 1, 1, 5, 0]),
    ),
  ));
test("TreeEnsemble of f64", (t) => {
  const wide = tensorFrom("f64", x.shape, x.numbers());
  const attributes = {
    nodes_splits: tensorFrom("f64", [3], [0.2, -0.5, 0.7]),
    leaf_weights: tensorFrom("f64", [4], [5.2, 1.5, -3, 2.25]),
  };
  return agrees(t, modern(attributes, wide));
});

// The tree ensembles of ai.onnx.ml: TreeEnsemble, and the regressor and classifier that it replaces.

import * as ir from "../../../ir/build.js";
import type { DType } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import type { Tensor } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import {
  constantOf,
  labelAt,
  labelsOf,
  POST_TRANSFORMS,
  postTransformOf,
  rowsOf,
  transformed,
  transformedTargets,
} from "./ml-common.js";
import { type Forest, type Leaf, leavesOf, MODES, type Mode, type TreeNode } from "./ml-forest.js";

type Aggregate = "SUM" | "AVERAGE" | "MIN" | "MAX";

interface Weights {
  /** [leaves, targets]; null: this leaf says nothing about this target. */
  readonly rows: readonly (readonly (number | null)[])[];
  readonly targets: number;
}

/** [n, targets] from the leaves that each row ends at. */
function aggregated(cx: NodeContext, leaves: Value, weights: Weights, how: Aggregate, dtype: DType): Value {
  const { b } = cx;
  const none = how === "MIN" ? Number.POSITIVE_INFINITY : how === "MAX" ? Number.NEGATIVE_INFINITY : 0;
  const flat = weights.rows.flatMap((row) => row.map((w) => w ?? none));
  const table = constantOf(b, dtype, [weights.rows.length, weights.targets], flat);
  const found = ir.gather(b, table, leaves, 0);
  if (how === "MIN" || how === "MAX") {
    const best = how === "MIN" ? ir.reduceMin(b, found, [1]) : ir.reduceMax(b, found, [1]);
    return ir.select(b, ir.eq(b, best, none), 0, best);
  }
  const total = ir.sum(b, found, [1]);
  return how === "SUM" ? total : ir.div(b, total, ir.cast(b, ir.dimValue(b, cx.dim(leaves, 1)), dtype));
}

/** A list attribute of floats, or the tensor that may stand in its place. */
function numbersOf(cx: NodeContext, name: string): readonly number[] {
  return cx.optFloats(name) ?? cx.optTensor(`${name}_as_tensor`)?.numbers() ?? [];
}

function modeOf(cx: NodeContext, word: string): Mode | "LEAF" {
  const found = [...MODES, "LEAF" as const].find((m) => word === (m === "LEAF" ? m : `BRANCH_${m}`));
  return found ?? cx.malformed(`has a node of mode "${word}"`);
}

interface Parts {
  readonly forest: Forest;
  readonly weights: Weights;
  /** The targets or classes that weights name. */
  readonly named: ReadonlySet<number>;
  readonly positive: boolean;
}

/** Nodes and weights of the regressor's and classifier's attributes; `kind` is the prefix of the weights'. */
function ensemble(cx: NodeContext, kind: "target" | "class", targets: number, dtype: DType): Parts {
  const [trees, ids] = [cx.intList("nodes_treeids"), cx.intList("nodes_nodeids")];
  const modes = cx.optStrings("nodes_modes") ?? cx.malformed('attribute "nodes_modes" is missing');
  const [features, yes, no] = [
    cx.intList("nodes_featureids"),
    cx.intList("nodes_truenodeids"),
    cx.intList("nodes_falsenodeids"),
  ];
  const values = numbersOf(cx, "nodes_values");
  const missing = cx.optInts("nodes_missing_value_tracks_true") ?? [];
  if ([ids, modes, features, yes, no, values].some((l) => l.length !== trees.length))
    cx.malformed("has lists of nodes that differ in length");
  const place = new Map(trees.map((t, i) => [`${t}.${ids[i] ?? 0}`, i]));
  if (place.size !== trees.length) cx.malformed("names a node twice");
  const find = (tree: number | undefined, id: number | undefined): number =>
    place.get(`${tree ?? 0}.${id ?? 0}`) ?? cx.malformed(`has no node ${id ?? 0} in tree ${tree ?? 0}`);
  const rowOf = new Map<number, number>();
  const nodes = trees.map((tree, i): TreeNode | Leaf => {
    const mode = modeOf(cx, modes[i] ?? "");
    if (mode === "LEAF") {
      const row = rowOf.size;
      rowOf.set(i, row);
      return { row };
    }
    const threshold = values[i] ?? 0;
    const rest = { mode, threshold, members: [], feature: features[i] ?? 0, missing: (missing[i] ?? 0) !== 0 };
    return { ...rest, yes: find(tree, yes[i]), no: find(tree, no[i]) };
  });
  const children = new Set(nodes.flatMap((n) => ("row" in n ? [] : [n.yes, n.no])));
  const roots = nodes.flatMap((_, i) => (children.has(i) ? [] : [i]));
  const weightTrees = cx.intList(`${kind}_treeids`);
  const weightNodes = cx.intList(`${kind}_nodeids`);
  const weightIds = cx.intList(`${kind}_ids`);
  const numbers = numbersOf(cx, `${kind}_weights`);
  const rows = Array.from({ length: rowOf.size }, () => Array.from({ length: targets }, (): number | null => null));
  for (const [i, w] of numbers.entries()) {
    const row = rows[rowOf.get(find(weightTrees[i], weightNodes[i])) ?? -1];
    const id = weightIds[i] ?? 0;
    if (row === undefined) cx.malformed(`gives a weight to node ${weightNodes[i] ?? 0}, which is no leaf`);
    else if (id < 0 || id >= targets) cx.malformed(`gives a weight to ${kind} ${id} of ${targets}`);
    else row[id] = (row[id] ?? 0) + w;
  }
  return {
    forest: { nodes, roots, dtype },
    weights: { rows, targets },
    named: new Set(weightIds),
    positive: numbers.every((w) => w >= 0),
  };
}

/** Features are compared as doubles only where they are, as the runtime does. */
function comparedIn(cx: NodeContext): DType {
  return cx.in(0).type.dtype === "f64" ? "f64" : "f32";
}

const treeEnsembleRegressor: Translator = (cx) => {
  const { b } = cx;
  const dtype = comparedIn(cx);
  const targets = cx.int("n_targets");
  const { forest, weights } = ensemble(cx, "target", targets, dtype);
  const how = cx.word("aggregate_function", ["SUM", "AVERAGE", "MIN", "MAX"], "SUM");
  const found = aggregated(cx, leavesOf(cx, forest, rowsOf(cx, dtype)), weights, how, dtype);
  const base = numbersOf(cx, "base_values");
  if (base.length !== 0 && base.length !== targets)
    cx.malformed(`has ${base.length} base values for ${targets} targets`);
  const y = base.length === 0 ? found : ir.add(b, found, ir.vector(b, dtype, base));
  return ir.cast(b, transformedTargets(cx, y, postTransformOf(cx)), "f32");
};

const treeEnsembleClassifier: Translator = (cx) => {
  const { b } = cx;
  const dtype = comparedIn(cx);
  const labels = labelsOf(cx, "classlabels_int64s", "classlabels_strings");
  const classes = labels.size;
  if (classes < 2) return cx.fail("unsupported_op", `has ${classes} class labels, takes two and up`);
  const { forest, weights, named, positive } = ensemble(cx, "class", classes, dtype);
  const leaves = leavesOf(cx, forest, rowsOf(cx, dtype));
  const how = postTransformOf(cx);
  const base = numbersOf(cx, "base_values");
  if (classes === 2 && base.length === 2)
    return cx.fail(
      "unsupported_op",
      "has a base value per class for two classes, which runtimes add differently",
      "add them to the leaves of one tree",
    );
  const [only = 0, ...others] = named;
  if (classes === 2 && others.length === 0) {
    const column = { rows: weights.rows.map((r) => [r[only] ?? null]), targets: 1 };
    const sum = aggregated(cx, leaves, column, "SUM", dtype);
    return binaryScores(cx, base[0] === undefined ? sum : ir.add(b, sum, base[0]), only, positive, labels);
  }
  if (base.length !== 0 && base.length !== classes)
    cx.malformed(`has ${base.length} base values for ${classes} classes`);
  const sums = aggregated(cx, leaves, weights, "SUM", dtype);
  const scores = base.length === 0 ? sums : ir.add(b, sums, ir.vector(b, dtype, base));
  return [labelAt(b, labels, ir.argreduce(b, "max", scores, 1)), ir.cast(b, transformed(b, scores, how), "f32")];
};

/**
 * Two classes of one score. The other's is its complement, or its negative where weights have both signs; it is 0 where the
 * weights name the second class.
 */
function binaryScores(cx: NodeContext, score: Value, only: number, positive: boolean, labels: Tensor): Value[] {
  const { b } = cx;
  const how = postTransformOf(cx);
  const wins = ir.gt(b, ir.squeeze(b, score, [1]), positive ? 0.5 : 0);
  const label = labelAt(b, labels, ir.cast(b, wins, "i64"));
  const done = (first: Value, second: Value): Value[] => [label, ir.cast(b, ir.concat(b, [first, second], 1), "f32")];
  if (how === "PROBIT") return cx.fail("unsupported_op", "applies PROBIT to two classes of one score");
  if (only === 1) {
    const both = ir.concat(b, [ir.mul(b, score, 0), score], 1);
    return [label, ir.cast(b, transformed(b, both, how), "f32")];
  }
  if (how === "LOGISTIC") return done(ir.sigmoid(b, ir.neg(b, score)), ir.sigmoid(b, score));
  if (positive) return done(ir.sub(b, 1, score), score);
  return done(ir.neg(b, score), score);
}

/** Version 5: nodes and leaves are lists of their own, and a node may ask for membership of a set. */
const treeEnsemble: Translator = (cx) => {
  const { b } = cx;
  const { dtype } = cx.in(0).type;
  if (dtype !== "f32" && dtype !== "f64" && dtype !== "f16") return cx.fail("unsupported_dtype", `takes ${dtype}`);
  const tensor = (name: string): number[] =>
    cx.optTensor(name)?.numbers() ?? cx.malformed(`attribute "${name}" is missing`);
  const [features, modes, splits] = [cx.intList("nodes_featureids"), tensor("nodes_modes"), tensor("nodes_splits")];
  const [yes, yesLeaf] = [cx.intList("nodes_truenodeids"), cx.intList("nodes_trueleafs")];
  const [no, noLeaf] = [cx.intList("nodes_falsenodeids"), cx.intList("nodes_falseleafs")];
  const missing = cx.optInts("nodes_missing_value_tracks_true") ?? [];
  const leafTargets = cx.intList("leaf_targetids");
  const leafWeights = tensor("leaf_weights");
  const targets = cx.int("n_targets", 1);
  const sets = setsOf(cx.optTensor("membership_values")?.numbers() ?? []);
  const count = features.length;
  if ([modes, splits, yes, yesLeaf, no, noLeaf].some((l) => l.length !== count))
    cx.malformed("has lists of nodes that differ in length");
  const inner = features.map((feature, i): TreeNode => {
    const mode = MODES[modes[i] ?? -1] ?? cx.malformed(`has a node of mode ${modes[i] ?? "none"}`);
    const members =
      mode === "MEMBER" ? (sets.shift() ?? cx.malformed("has fewer sets than nodes that ask for one")) : [];
    const child = (at: readonly number[], leaf: readonly number[]): number =>
      (at[i] ?? 0) + (leaf[i] === 1 ? count : 0);
    const threshold = splits[i] ?? 0;
    return {
      mode,
      feature,
      threshold,
      members,
      missing: (missing[i] ?? 0) !== 0,
      yes: child(yes, yesLeaf),
      no: child(no, noLeaf),
    };
  });
  const leaves = leafWeights.map((_, row): Leaf => ({ row }));
  // A tree that is a leaf alone: its root points to it both ways, through a node that counts for nothing.
  const alone = inner.map((n) => (n.yes === n.no && n.yes >= count ? n.yes : null));
  const nodes = [
    ...inner.map((n, i): TreeNode | Leaf => (alone[i] === null ? n : (leaves[(alone[i] ?? 0) - count] ?? n))),
    ...leaves,
  ];
  const rows = leafWeights.map((w, i) => Array.from({ length: targets }, (_, t) => (t === leafTargets[i] ? w : null)));
  const wide: DType = dtype === "f64" ? "f64" : "f32";
  const how =
    (["AVERAGE", "SUM", "MIN", "MAX"] as const)[cx.int("aggregate_function", 1)] ??
    cx.malformed("has an unknown aggregate_function");
  const at = leavesOf(cx, { nodes, roots: cx.intList("tree_roots"), dtype: wide }, rowsOf(cx, wide));
  const y = aggregated(cx, at, { rows, targets }, how, wide);
  const post = POST_TRANSFORMS[cx.int("post_transform", 0)] ?? cx.malformed("has an unknown post_transform");
  return ir.cast(b, transformedTargets(cx, y, post), dtype);
};

/** Sets of numbers, each ended by NaN. */
function setsOf(values: readonly number[]): number[][] {
  const sets: number[][] = [];
  let open: number[] = [];
  for (const v of values) {
    if (Number.isNaN(v)) {
      sets.push(open);
      open = [];
    } else open.push(v);
  }
  if (open.length > 0) sets.push(open);
  return sets;
}

export const mlTree: Translators = {
  TreeEnsemble: treeEnsemble,
  TreeEnsembleClassifier: treeEnsembleClassifier,
  TreeEnsembleRegressor: treeEnsembleRegressor,
};

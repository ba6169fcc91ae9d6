// Strings that a model looks up, compares and moves, judged against onnxruntime: strings that the model knows, strings
// that it does not, the empty one, and ones beyond ASCII.

import test from "ava";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { type Attribute, agrees, floats, ints, matches, type OneNode, refusalOf, sample, words } from "./one-node.js";

const node = (
  domain: string,
  version: number,
  op: string,
  inputs: OneNode["inputs"],
  attributes: Record<string, Attribute> = {},
  more: Partial<OneNode> = {},
): OneNode => ({ op, domain, version, inputs, attributes, ...more });

const main = (op: string, inputs: OneNode["inputs"], attributes?: Record<string, Attribute>, more?: Partial<OneNode>) =>
  node("", 17, op, inputs, attributes, more);
const ml = (
  version: number,
  op: string,
  inputs: OneNode["inputs"],
  attributes: Record<string, Attribute>,
  more?: Partial<OneNode>,
) => node("ai.onnx.ml", version, op, inputs, attributes, more);

const fruit = words([2, 4], ["pear", "", "never seen", "äpfel", "pear", "🍒", "Pear", "pear "]);
const rows = { dims: { 0: ["n", null] } } as const;
const keys = ["pear", "🍒", "äpfel", "", "plum"];

test("LabelEncoder of strings", async (t) => {
  await agrees(t, ml(2, "LabelEncoder", [fruit], { keys_strings: keys, values_int64s: [7, 8, 9, 10, 11] }, rows));
  await agrees(
    t,
    ml(2, "LabelEncoder", [fruit], {
      keys_strings: keys,
      values_floats: { fs: [0.5, -1, 2, 3, 4] },
      default_float: { f: 1.5 },
    }),
  );
  await agrees(
    t,
    ml(2, "LabelEncoder", [fruit], { keys_strings: keys, values_strings: ["1", "🍐", "", "pear", "5"] }, rows),
  );
  await agrees(
    t,
    ml(2, "LabelEncoder", [fruit], { keys_strings: ["pear"], values_strings: [""], default_string: "otherwise" }),
  );
  const tensors = {
    keys_tensor: words([2], ["pear", "🍒"]),
    values_tensor: tensorFrom("f64", [2], [0.25, 8]),
    default_tensor: tensorFrom("f64", [1], [-3]),
  };
  await matches(t, ml(4, "LabelEncoder", [fruit], tensors), {
    out: tensorFrom("f64", [2, 4], [0.25, -3, -3, -3, 0.25, 8, -3, -3]),
  });
});

test("LabelEncoder to strings", async (t) => {
  const numbers = ints("i64", [2, 3], [1, 2, 9, 4, 1, 0]);
  await agrees(t, ml(2, "LabelEncoder", [numbers], { keys_int64s: [1, 2, 4], values_strings: ["a", "", "ü"] }, rows));
  const reals = floats([3], [0.5, 1.5, 3]);
  await agrees(
    t,
    ml(2, "LabelEncoder", [reals], {
      keys_floats: { fs: [0.5, 3] },
      values_strings: ["half", "three"],
      default_string: "no",
    }),
  );
});

test("CategoryMapper", async (t) => {
  const table = { cats_strings: ["pear", "plum", "🍒"], cats_int64s: [4, 5, 6] };
  await agrees(t, ml(1, "CategoryMapper", [fruit], { ...table, default_int64: 99 }, rows));
  await agrees(t, ml(1, "CategoryMapper", [ints("i64", [4], [4, 6, 5, 0])], { ...table, default_string: "none" }));
  await agrees(t, ml(1, "CategoryMapper", [ints("i64", [2], [4, 1])], table));
});

test("OneHotEncoder of strings", (t) => agrees(t, ml(1, "OneHotEncoder", [fruit], { cats_strings: keys }, rows)));

const x = sample("f32", [5, 3]);
const coefficients = { fs: [0.3, -0.2, 0.5, -1, 0.2, 0.4, 0.8, -0.9, 0.1] };
const outputs = ["label", "scores"];

test("LinearClassifier with labels that are strings", async (t) => {
  const intercepts = { fs: [0.1, 0.2, -0.3] };
  const three = { coefficients, intercepts, classlabels_strings: ["low", "mid", "hoch"], post_transform: "SOFTMAX" };
  await agrees(t, ml(1, "LinearClassifier", [x], three, { outputs, ...rows }));
  await agrees(
    t,
    ml(
      1,
      "LinearClassifier",
      [x],
      {
        coefficients: { fs: [0.3, -0.2, 0.5] },
        intercepts: { fs: [0.1] },
        classlabels_strings: ["no", "yes"],
        post_transform: "LOGISTIC",
      },
      { outputs },
    ),
  );
});

test("SVMClassifier with labels that are strings", (t) =>
  agrees(
    t,
    ml(
      1,
      "SVMClassifier",
      [x],
      {
        classlabels_strings: ["a", "b"],
        coefficients: { fs: [0.5, -0.7, 0.3] },
        kernel_params: { fs: [0.4, 0.5, 3] },
        kernel_type: "RBF",
        rho: { fs: [0.1] },
        support_vectors: { fs: [0.3, -0.2, 0.5, -1, 0.2, 0.4, 0.8, -0.9, 0.1] },
        vectors_per_class: [2, 1],
      },
      { outputs },
    ),
  ));

test("TreeEnsembleClassifier with labels that are strings", (t) =>
  agrees(
    t,
    ml(
      1,
      "TreeEnsembleClassifier",
      [x],
      {
        class_ids: [0, 1, 2],
        class_nodeids: [1, 3, 4],
        class_treeids: [0, 0, 0],
        class_weights: { fs: [1, 1, 1] },
        classlabels_strings: ["setosa", "versicolor", "virginica"],
        nodes_falsenodeids: [2, 0, 4, 0, 0],
        nodes_featureids: [0, 0, 1, 0, 0],
        nodes_modes: ["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_nodeids: [0, 1, 2, 3, 4],
        nodes_treeids: [0, 0, 0, 0, 0],
        nodes_truenodeids: [1, 0, 3, 0, 0],
        nodes_values: { fs: [0, 0, 0.2, 0, 0] },
        post_transform: "NONE",
      },
      { outputs, ...rows },
    ),
  ));

test("TfIdfVectorizer on strings", (t) => {
  const text = words([2, 6], ["a", "b", "a", "c", "new", "b", "b", "c", "a", "b", "other", "a"]);
  const attributes = {
    max_gram_length: 2,
    max_skip_count: 1,
    min_gram_length: 1,
    mode: "TF",
    ngram_counts: [0, 3],
    ngram_indexes: [0, 1, 2, 3, 4],
    pool_strings: ["a", "b", "c", "a", "b", "b", "c"],
  };
  return agrees(t, main("TfIdfVectorizer", [text], attributes));
});

test("strings are compared", async (t) => {
  const other = words([4], ["pear", "", "never seen", "Äpfel"]);
  await agrees(t, main("Equal", [fruit, other], {}, { version: 19, ...rows }));
  await agrees(t, main("Equal", [fruit, words([1], ["pear"])], {}, { version: 19, weights: [1] }));
});

test("strings are moved, known or not", async (t) => {
  await agrees(t, main("Identity", [fruit], {}, rows));
  await agrees(t, main("Gather", [fruit, ints("i64", [3], [3, -1, 0])], { axis: 1 }, rows));
  await agrees(t, main("Where", [ints("bool", [4], [1, 0, 0, 1]), fruit, words([1], ["none"])], {}, { weights: [2] }));
  await agrees(t, main("Transpose", [fruit], { perm: [1, 0] }));
  await agrees(t, main("Reshape", [fruit, ints("i64", [2], [-1, 2])], {}, { weights: [1] }));
  await agrees(t, main("Concat", [fruit, words([1, 4], ["p", "q", "", "pear"])], { axis: 0 }));
  await agrees(t, main("Unsqueeze", [fruit, ints("i64", [1], [0])], {}, { weights: [1] }));
  await agrees(t, main("Shape", [fruit]));
  await agrees(t, ml(1, "ArrayFeatureExtractor", [fruit, ints("i64", [1, 2], [2, 0])], {}));
});

test("Unique in the order of first occurrence", (t) => {
  const n = main("Unique", [words([6], ["b", "new", "a", "b", "a", ""])], { sorted: 0 });
  const names = ["values", "first", "inverse", "counts"];
  return matches(
    t,
    { ...n, outputs: names },
    {
      values: words([4], ["b", "new", "a", ""]),
      first: ints("i64", [4], [0, 1, 2, 5]),
      inverse: ints("i64", [6], [0, 1, 2, 0, 2, 3]),
      counts: ints("i64", [4], [2, 1, 2, 1]),
    },
  );
});

test("constants are parsed at import", (t) =>
  agrees(t, main("Cast", [words([4], ["1", "-2.5", "NaN", "1e3"])], { to: 1 }, { weights: [0] })));

test("a key that begins with a byte order mark is another key", (t) =>
  matches(t, ml(2, "LabelEncoder", [words([2], ["\uFEFFa", "a"])], { keys_strings: ["\uFEFFa"], values_int64s: [3] }), {
    out: ints("i64", [2], [3, -1]),
  }));

test("what makes or orders strings is refused", (t) => {
  const refusals = [
    main("StringConcat", [fruit, fruit], {}, { version: 20 }),
    main("StringSplit", [fruit], {}, { version: 20, outputs: ["parts", "counts"] }),
    main("RegexFullMatch", [fruit], { pattern: "a+" }, { version: 20 }),
    main("StringNormalizer", [words([2], ["a", "b"])]),
    main("Unique", [fruit]),
    main("Cast", [fruit], { to: 1 }),
    main("Cast", [x], { to: 8 }),
    main("Add", [fruit, fruit]),
    main("Less", [fruit, fruit]),
    main("MatMul", [fruit, fruit]),
    main("ReduceMax", [fruit]),
    main("TopK", [fruit, ints("i64", [1], [1])], {}, { outputs: ["values", "at"] }),
    main("NonZero", [fruit]),
    main("Softmax", [fruit]),
    main("ScatterND", [fruit, ints("i64", [1, 1], [0]), words([1, 4], ["", "", "", ""])], { reduction: "max" }),
  ].map((n) => [n.op, refusalOf(n)] as const);
  for (const [op, refusal] of refusals) {
    t.is(refusal.code, "unsupported_dtype", op);
    t.is(refusal.subject, op);
    t.regex(refusal.hint, /./, op);
  }
});

test("as many values as keys", (t) => {
  const wrong = ml(2, "LabelEncoder", [fruit], { keys_strings: ["a"], values_int64s: [1, 2] });
  t.is(refusalOf(wrong).code, "malformed_input");
});

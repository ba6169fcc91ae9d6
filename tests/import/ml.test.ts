// ai.onnx.ml against onnxruntime: preparation of features, linear models, support vector machines.

import test from "ava";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { type Attribute, agrees, floats, ints, type OneNode, refusalOf, sample } from "./one-node.js";

function ml(
  op: string,
  inputs: readonly (Tensor | null)[],
  attributes: Record<string, Attribute> = {},
  more: Partial<OneNode> = {},
): OneNode {
  return { op, domain: "ai.onnx.ml", version: 3, inputs, attributes, ...more };
}

const x = sample("f32", [4, 3]);
const rows = { dims: { 0: ["n", null] } };

test("Scaler", async (t) => {
  await agrees(t, ml("Scaler", [x], { offset: { fs: [0.1, 0.2, 0.3] }, scale: { fs: [2, 3, 4] } }, rows));
  await agrees(
    t,
    ml("Scaler", [ints("i64", [2, 3], [1, 2, 3, 4, 5, 6])], { offset: { fs: [1] }, scale: { fs: [0.5] } }),
  );
});
for (const norm of ["MAX", "L1", "L2"])
  test(`Normalizer ${norm}`, (t) =>
    agrees(t, ml("Normalizer", [floats([4, 3], [1, -2, 3, 0, 0, 0, -1, -2, -0.5, 4, 0, 1])], { norm }, rows)));
test("Binarizer", (t) => agrees(t, ml("Binarizer", [x], { threshold: { f: 0.5 } }, rows)));
test("Imputer", async (t) => {
  const holes = floats([2, 3], [1, Number.NaN, 3, Number.NaN, 5, 6]);
  await agrees(
    t,
    ml("Imputer", [holes], { imputed_value_floats: { fs: [7, 8, 9] }, replaced_value_float: { f: Number.NaN } }, rows),
  );
  await agrees(t, ml("Imputer", [x], { imputed_value_floats: { fs: [7] }, replaced_value_float: { f: x.at(4) } }));
  await agrees(
    t,
    ml("Imputer", [ints("i64", [2, 2], [1, -1, -1, 4])], { imputed_value_int64s: [5, 6], replaced_value_int64: -1 }),
  );
});
test("OneHotEncoder", async (t) => {
  const categories = { cats_int64s: [3, 1, 7] };
  await agrees(t, ml("OneHotEncoder", [ints("i64", [2, 2], [1, 2, 7, 3])], { ...categories, zeros: 1 }, rows));
  await agrees(t, ml("OneHotEncoder", [ints("i64", [3], [1, 7, 3])], { ...categories, zeros: 0 }));
  await agrees(t, ml("OneHotEncoder", [floats([3], [1, 7, 9])], categories));
  t.is(refusalOf(ml("OneHotEncoder", [x], { cats_strings: ["a"] })).code, "malformed_input");
});
test("LabelEncoder", async (t) => {
  const keys = ints("i64", [2, 3], [1, 2, 9, 4, 1, 0]);
  await agrees(t, ml("LabelEncoder", [keys], { keys_int64s: [1, 2, 4], values_floats: { fs: [0.5, 1.5, 2.5] } }, rows));
  await agrees(
    t,
    ml("LabelEncoder", [keys], { keys_int64s: [1, 2, 4], values_int64s: [10, 20, 40], default_int64: 99 }),
  );
  const reals = floats([4], [0.5, 1.5, Number.NaN, 3]);
  await agrees(
    t,
    ml(
      "LabelEncoder",
      [reals],
      { keys_floats: { fs: [0.5, 1.5, Number.NaN] }, values_int64s: [1, 2, 3] },
      { version: 4 },
    ),
  );
  const tensors = {
    keys_tensor: ints("i64", [2], [4, 1]),
    values_tensor: tensorFrom("f64", [2], [0.25, 8]),
    default_tensor: tensorFrom("f64", [1], [-3]),
  };
  await agrees(t, ml("LabelEncoder", [keys], tensors, { version: 4 }));
  t.is(refusalOf(ml("LabelEncoder", [keys], { keys_int64s: [1], values_strings: ["a", "b"] })).code, "malformed_input");
});
test("FeatureVectorizer", (t) =>
  agrees(
    t,
    ml(
      "FeatureVectorizer",
      [x, sample("f32", [4, 2], 2)],
      { inputdimensions: [3, 2] },
      { dims: { 0: ["n", null], 1: ["n", null] } },
    ),
  ));
test("ArrayFeatureExtractor", async (t) => {
  await agrees(t, ml("ArrayFeatureExtractor", [x, ints("i64", [1, 2], [2, 0])], {}, rows));
  await agrees(t, ml("ArrayFeatureExtractor", [sample("f32", [5]), ints("i64", [2], [4, 1])]));
});
test("ZipMap is refused with a way out", (t) => {
  const refusal = refusalOf(ml("ZipMap", [x], { classlabels_int64s: [0, 1, 2] }));
  t.is(refusal.code, "unsupported_layout");
  t.regex(refusal.hint, /zipmap=False/);
});

test("LinearRegressor", async (t) => {
  await agrees(
    t,
    ml("LinearRegressor", [x], { coefficients: { fs: [0.3, -0.2, 0.5] }, intercepts: { fs: [0.1] } }, rows),
  );
  await agrees(
    t,
    ml("LinearRegressor", [x], {
      coefficients: { fs: [0.3, -0.2, 0.5, 1, 2, -1] },
      intercepts: { fs: [0.1, 0.2] },
      targets: 2,
      post_transform: "SOFTMAX",
    }),
  );
});

const coefficients = { fs: [0.3, -0.2, 0.5, -1, 0.2, 0.4, 0.8, -0.9, 0.1] };
for (const post_transform of ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]) {
  test(`LinearClassifier of three classes, ${post_transform}`, (t) =>
    agrees(
      t,
      ml(
        "LinearClassifier",
        [x],
        { coefficients, intercepts: { fs: [0.1, 0.2, -0.3] }, classlabels_ints: [7, 4, 9], post_transform },
        { outputs: ["label", "scores"], ...rows },
      ),
    ));
  test(`LinearClassifier of one score, ${post_transform}`, (t) =>
    agrees(
      t,
      ml(
        "LinearClassifier",
        [x],
        { coefficients: { fs: [0.3, -0.2, 0.5] }, intercepts: { fs: [0.1] }, classlabels_ints: [7, 4], post_transform },
        { outputs: ["label", "scores"], ...rows },
      ),
    ));
}
test("LinearClassifier with PROBIT", (t) =>
  agrees(
    t,
    ml(
      "LinearClassifier",
      [sample("f32", [4, 3], 3, 0, 0.3)],
      {
        coefficients: { fs: [0.3, 0.2, 0.5, 1, 0.2, 0.4] },
        intercepts: { fs: [0.1, 0.2] },
        classlabels_ints: [0, 1],
        post_transform: "PROBIT",
      },
      { outputs: ["label", "scores"] },
    ),
  ));
const kernels = [
  ["LINEAR", [0, 0, 0]],
  ["POLY", [0.4, 0.5, 3]],
  ["RBF", [0.3, 0, 0]],
  ["SIGMOID", [0.2, 0.1, 0]],
] as const;

for (const [kernel_type, params] of kernels) {
  const kernel = { kernel_type, kernel_params: { fs: params } };
  test(`SVMRegressor ${kernel_type}`, (t) =>
    agrees(
      t,
      ml(
        "SVMRegressor",
        [x],
        {
          ...kernel,
          support_vectors: { fs: sample("f32", [5, 3], 4).numbers() },
          coefficients: { fs: [0.5, -0.3, 0.2, 0.9, -0.7] },
          rho: { fs: [0.3] },
          n_supports: 5,
        },
        rows,
      ),
    ));
  for (const [classes, perClass] of [
    [2, [3, 2]],
    [3, [2, 2, 1]],
  ] as const)
    test(`SVMClassifier ${kernel_type} of ${classes} classes`, (t) =>
      agrees(
        t,
        ml(
          "SVMClassifier",
          [x],
          {
            ...kernel,
            support_vectors: { fs: sample("f32", [5, 3], 5).numbers() },
            coefficients: { fs: sample("f32", [(classes - 1) * 5], 6).numbers() },
            rho: { fs: [0.3, -0.2, 0.1].slice(0, (classes * (classes - 1)) / 2) },
            vectors_per_class: perClass,
            classlabels_ints: [5, 3, 8].slice(0, classes),
          },
          { outputs: ["label", "scores"], ...rows },
        ),
      ));
}
test("SVMRegressor without support vectors, and of one class", async (t) => {
  await agrees(
    t,
    ml("SVMRegressor", [x], {
      kernel_type: "LINEAR",
      kernel_params: { fs: [0, 0, 0] },
      coefficients: { fs: [0.5, -0.3, 0.2] },
      rho: { fs: [0.3] },
    }),
  );
  await agrees(
    t,
    ml("SVMRegressor", [x], {
      kernel_type: "RBF",
      kernel_params: { fs: [0.3, 0, 0] },
      support_vectors: { fs: sample("f32", [2, 3], 4).numbers() },
      coefficients: { fs: [0.5, -0.9] },
      rho: { fs: [0.1] },
      n_supports: 2,
      one_class: 1,
    }),
  );
});
test("SVMClassifier without support vectors", (t) =>
  agrees(
    t,
    ml(
      "SVMClassifier",
      [x],
      {
        kernel_type: "LINEAR",
        kernel_params: { fs: [0, 0, 0] },
        coefficients,
        rho: { fs: [0.2] },
        classlabels_ints: [5, 3, 8],
        post_transform: "SOFTMAX",
      },
      { outputs: ["label", "scores"] },
    ),
  ));
for (const classes of [2, 3, 4])
  test(`SVMClassifier with probabilities of ${classes} classes`, (t) => {
    const pairs = (classes * (classes - 1)) / 2;
    return agrees(
      t,
      ml(
        "SVMClassifier",
        [sample("f32", [6, 3], 8)],
        {
          kernel_type: "RBF",
          kernel_params: { fs: [0.4, 0, 3] },
          support_vectors: { fs: sample("f32", [8, 3], 4).numbers() },
          coefficients: { fs: sample("f32", [(classes - 1) * 8], 5).numbers() },
          rho: { fs: sample("f32", [pairs], 6, -0.5, 0.5).numbers() },
          vectors_per_class: [3, 2, 2, 1]
            .slice(0, classes - 1)
            .concat(8 - [3, 2, 2, 1].slice(0, classes - 1).reduce((n, c) => n + c, 0)),
          classlabels_ints: [5, 3, 8, 1].slice(0, classes),
          prob_a: { fs: sample("f32", [pairs], 7, -3, -1).numbers() },
          prob_b: { fs: sample("f32", [pairs], 9, -0.3, 0.3).numbers() },
        },
        { outputs: ["label", "scores"], ...rows },
      ),
    );
  });

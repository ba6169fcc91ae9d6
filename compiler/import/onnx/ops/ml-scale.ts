// Feature preparation of ai.onnx.ml: scaling, normalizing, imputing, encoding and putting columns together.

import * as ir from "../../../ir/build.js";
import { type Dim, sub } from "../../../ir/dim.js";
import { type DType, isFloat } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import { tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { constantOf, floatsOf } from "./ml-common.js";
import { wrapped } from "./position.js";

/** One value for all features, or one for each. */
function perFeature(cx: NodeContext, dtype: DType, values: readonly (number | bigint)[]): Value {
  const { b } = cx;
  const x = cx.in(0);
  const [only] = values;
  if (values.length === 1 && only !== undefined) return ir.scalar(b, dtype, only);
  const width = cx.dim(x, cx.rank(x) - 1);
  if (width !== values.length) cx.malformed(`has ${values.length} values for ${String(width)} features`);
  return ir.vector(b, dtype, values);
}

const scaler: Translator = (cx) => {
  const { b } = cx;
  const x = ir.cast(b, cx.in(0), "f32");
  const offset = perFeature(cx, "f32", floatsOf(cx, "offset"));
  return ir.mul(b, ir.sub(b, x, offset), perFeature(cx, "f32", floatsOf(cx, "scale")));
};

const normalizer: Translator = (cx) => {
  const { b } = cx;
  const x = ir.cast(b, cx.in(0), "f32");
  const norm = cx.word("norm", ["MAX", "L1", "L2"], "MAX");
  const axes = [cx.rank(x) === 1 ? 0 : 1];
  if (cx.rank(x) < 1 || cx.rank(x) > 2) cx.malformed(`takes rank 1 or 2, has ${cx.rank(x)}`);
  if (norm === "MAX") return divided(cx, x, ir.reduceMax(b, x, axes, true));
  if (norm === "L1") return divided(cx, x, ir.sum(b, ir.abs(b, x), axes, true));
  return divided(cx, x, ir.sqrt(b, ir.sum(b, ir.square(b, x), axes, true)));
};

/** x / by, and x itself where that is 0. */
function divided(cx: NodeContext, x: Value, by: Value): Value {
  return ir.div(cx.b, x, ir.select(cx.b, ir.eq(cx.b, by, 0), 1, by));
}

const binarizer: Translator = (cx) => {
  const x = cx.in(0);
  return ir.cast(cx.b, ir.gt(cx.b, x, cx.float("threshold", 0)), x.type.dtype);
};

const imputer: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const { dtype } = x.type;
  const float = isFloat(dtype);
  const values = float ? floatsOf(cx, "imputed_value_floats") : cx.intList("imputed_value_int64s");
  const fill = perFeature(cx, dtype, values);
  const replaced = float ? cx.float("replaced_value_float", 0) : cx.int("replaced_value_int64", 0);
  const missing = Number.isNaN(replaced) ? ir.isnan(b, x) : ir.eq(b, x, replaced);
  return ir.select(b, missing, fill, x);
};

/** One more axis, with 1 at the category's place. */
const oneHotEncoder: Translator = (cx) => {
  const { b } = cx;
  const words = cx.optStrings("cats_strings") ?? [];
  const x = cx.in(0);
  const isText = x.type.dtype === "str";
  if (isText !== words.length > 0) cx.malformed(`has ${words.length} categories that are strings for ${x.type.dtype}`);
  const numbers = isText ? [] : cx.intList("cats_int64s");
  const categories = isText ? cx.strings(words) : tensorFrom("i64", [numbers.length], numbers);
  const rank = cx.rank(x);
  const whole = ir.unsqueeze(b, isText ? x : ir.cast(b, x, "i64"), [rank]);
  const hits = ir.eq(b, whole, ir.constant(b, categories));
  if (cx.flag("zeros", true)) return ir.cast(b, hits, "f32");
  // What is no category stops the run with an index out of range.
  const found = ir.reduceMax(b, ir.cast(b, hits, "i64"), [rank]);
  const index = ir.select(b, ir.eq(b, found, 0), -1, ir.argreduce(b, "max", ir.cast(b, hits, "i64"), rank));
  const n = categories.size;
  const table = Array.from({ length: n * n }, (_, i) => (Math.floor(i / n) === i % n ? 1 : 0));
  return ir.gather(b, constantOf(b, "f32", [n, n], table), index, 0);
};

/** Inputs side by side, each cut or filled with zeros to its width. */
const featureVectorizer: Translator = (cx) => {
  const { b } = cx;
  const widths = cx.intList("inputdimensions");
  if (widths.length !== cx.arity) cx.malformed(`has ${widths.length} widths for ${cx.arity} inputs`);
  const parts = cx.all().map((v, i) => {
    const real = ir.cast(b, v, "f32");
    const rows = cx.rank(real) === 1 ? ir.unsqueeze(b, real, [0]) : real;
    if (cx.rank(rows) !== 2) cx.malformed(`takes rank 1 or 2, has ${cx.rank(rows)}`);
    const width = widths[i] ?? 0;
    const have = cx.size(rows, 1, "the number of features");
    return have >= width ? ir.sliceAxis(b, rows, 1, 0, width) : ir.pad(b, rows, 0, [0, 0], [0, sub(width, have)]);
  });
  return ir.concat(b, parts, 1);
};

/** The columns that the indices name; a vector gives one row. */
const arrayFeatureExtractor: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const indices = ir.flatten(b, cx.in(1));
  const last = cx.rank(x) - 1;
  const size: Dim = cx.dim(x, last);
  const y = ir.gather(b, x, wrapped(b, indices, size), last);
  return cx.rank(x) === 1 ? ir.unsqueeze(b, y, [0]) : y;
};

const zipMap: Translator = (cx) =>
  cx.fail(
    "unsupported_layout",
    "gives a sequence of maps, which is no tensor",
    "export the model without it (zipmap=False), or make the scores that it takes an output",
  );

export const mlScale: Translators = {
  ArrayFeatureExtractor: arrayFeatureExtractor,
  Binarizer: binarizer,
  FeatureVectorizer: featureVectorizer,
  Imputer: imputer,
  Normalizer: normalizer,
  OneHotEncoder: oneHotEncoder,
  Scaler: scaler,
  ZipMap: zipMap,
};

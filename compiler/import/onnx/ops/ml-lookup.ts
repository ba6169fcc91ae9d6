// Tables of ai.onnx.ml: a value for each key, and one for everything else.

import * as ir from "../../../ir/build.js";
import { isFloat } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import { type Tensor, tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";

interface Table {
  /** Keys and values: vectors of one length, of at least 1. */
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly otherwise: Tensor;
}

/** The value of each element's key; of equal keys the first counts. */
function lookedUp(cx: NodeContext, x: Value, { keys, values, otherwise }: Table): Value {
  const { b } = cx;
  if (x.type.dtype !== keys.dtype) cx.malformed(`takes ${keys.dtype}, has ${x.type.dtype}`);
  if (keys.size !== values.size || keys.size === 0) cx.malformed(`has ${keys.size} keys and ${values.size} values`);
  const rest = ir.constant(b, otherwise.reshaped([]));
  const list = ir.constant(b, values.reshaped([values.size]));
  if (keys.dtype === "str") return byNumber(cx, x, keys, list, rest);
  const rank = cx.rank(x);
  const one = ir.unsqueeze(b, x, [rank]);
  const key = ir.constant(b, keys.reshaped([keys.size]));
  const same = ir.eq(b, one, key);
  // NaN is a key like others.
  const hits = isFloat(keys.dtype) ? ir.or(b, same, ir.and(b, ir.isnan(b, one), ir.isnan(b, key))) : same;
  const marks = ir.cast(b, hits, "i32");
  const picked = ir.take(b, list, ir.argreduce(b, "max", marks, rank));
  return ir.select(b, ir.gt(b, ir.reduceMax(b, marks, [rank]), 0), picked, rest);
}

/** A string's number is its place in a table: no key is compared. Numbers behind the last key's are no key's. */
function byNumber(cx: NodeContext, x: Value, keys: Tensor, values: Value, rest: Value): Value {
  const { b } = cx;
  const numbers = keys.numbers();
  const none = numbers.reduce((most, n) => Math.max(most, n), 0) + 1;
  cx.limit(none + 1, "its table");
  const places = new Int32Array(none + 1).fill(numbers.length);
  for (const [i, n] of numbers.entries()) if (places[n] === numbers.length) places[n] = i;
  const number = ir.min(b, ir.bitcast(b, x, "i32"), none);
  const place = ir.take(b, ir.constant(b, tensorFrom("i32", [none + 1], places)), number);
  return ir.take(b, ir.concat(b, [values, ir.reshape(b, rest, [1])], 0), place);
}

/** What a string is where nothing is found and nothing is said. */
const UNUSED = "_Unused";

/** Keys, values and the default of a LabelEncoder, from whichever attributes it has. */
function encoderTable(cx: NodeContext): Table {
  const list = (part: "keys" | "values"): Tensor => {
    const whole = cx.optTensor(`${part}_tensor`);
    if (whole !== undefined) return whole;
    const ints = cx.optInts(`${part}_int64s`);
    if (ints !== undefined) return tensorFrom("i64", [ints.length], cx.attribute(`${part}_int64s`)?.ints ?? []);
    const floats = cx.optFloats(`${part}_floats`);
    if (floats !== undefined) return tensorFrom("f32", [floats.length], floats);
    return cx.strings(cx.optStrings(`${part}_strings`) ?? cx.malformed(`has no ${part}`));
  };
  const [keys, values] = [list("keys"), list("values")];
  return { keys, values, otherwise: cx.optTensor("default_tensor") ?? otherwiseOf(cx, values) };
}

function otherwiseOf(cx: NodeContext, values: Tensor): Tensor {
  if (values.dtype === "str") return cx.strings([cx.str("default_string", UNUSED)], []);
  const number = isFloat(values.dtype) ? cx.float("default_float", -0) : cx.int("default_int64", -1);
  return tensorFrom(values.dtype, [], [number]);
}

/** Numbers to strings or strings to numbers, whichever the input has not. */
function categories(cx: NodeContext, x: Value, words: readonly string[], ints: readonly number[]): Value {
  const [strings, numbers] = [cx.strings(words), tensorFrom("i64", [ints.length], ints)];
  const [keys, values] = x.type.dtype === "str" ? [strings, numbers] : [numbers, strings];
  return lookedUp(cx, x, { keys, values, otherwise: otherwiseOf(cx, values) });
}

const labelEncoder: Translator = (cx) => {
  const x = cx.in(0);
  const classes = cx.optStrings("classes_strings");
  return classes === undefined ? lookedUp(cx, x, encoderTable(cx)) : categories(cx, x, classes, [...classes.keys()]);
};

const categoryMapper: Translator = (cx) =>
  categories(cx, cx.in(0), cx.optStrings("cats_strings") ?? [], cx.intList("cats_int64s", []));

export const mlLookup: Translators = { CategoryMapper: categoryMapper, LabelEncoder: labelEncoder };

// TfIdfVectorizer, on integers or the numbers of strings: how often each n-gram of a pool occurs in a row, with gaps up to a limit.

import * as ir from "../../../ir/build.js";
import type { Value } from "../../../ir/graph.js";
import { tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";

interface Grams {
  readonly length: number;
  /** Values of each gram, and the output column that counts it. */
  readonly grams: readonly (readonly number[])[];
  readonly columns: readonly number[];
}

function gramsOf(cx: NodeContext): { readonly groups: Grams[]; readonly width: number } {
  const words = cx.optStrings("pool_strings");
  const pool = words === undefined ? cx.intList("pool_int64s") : cx.strings(words).numbers();
  const starts = cx.intList("ngram_counts");
  const indexes = cx.intList("ngram_indexes");
  const groups: Grams[] = [];
  let column = 0;
  for (const [i, from] of starts.entries()) {
    const length = i + 1;
    const part = pool.slice(from, starts[i + 1] ?? pool.length);
    const count = part.length / length;
    if (!Number.isInteger(count)) cx.malformed(`has ${part.length} values for ${length}-grams`);
    const grams = Array.from({ length: count }, (_, k) => part.slice(k * length, (k + 1) * length));
    groups.push({
      length,
      grams,
      columns: grams.map((_, k) => indexes[column + k] ?? cx.malformed("has too few ngram_indexes")),
    });
    column += count;
  }
  return { groups, width: indexes.length === 0 ? 0 : Math.max(...indexes) + 1 };
}

/** [rows, grams]: occurrences with `gap` between neighbours. */
function occurrences(cx: NodeContext, x: Value, g: Grams, gap: number): Value | null {
  const { b } = cx;
  const span = (g.length - 1) * gap + 1;
  if (span > cx.size(x, 1, "the length of a row")) return null;
  const seen = ir.window(b, x, { axes: [1], lengths: [g.length], dilations: [gap] });
  const table = ir.constant(b, tensorFrom("i64", [g.grams.length, g.length], g.grams.flat()));
  const equal = ir.cast(b, ir.eq(b, ir.unsqueeze(b, seen, [2]), table), "i64");
  return ir.sum(b, ir.reduce(b, "min", equal, [3]), [1]);
}

const tfIdf: Translator = (cx) => {
  const { b } = cx;
  const given = cx.in(0);
  if ((given.type.dtype === "str") !== cx.hasAttribute("pool_strings"))
    cx.malformed(`takes ${given.type.dtype}, which its pool is not`);
  const source = ir.cast(b, given.type.dtype === "str" ? ir.bitcast(b, given, "i32") : given, "i64");
  const flat = cx.rank(source) === 1;
  const x = flat ? ir.unsqueeze(b, source, [0]) : source;
  const { groups, width } = gramsOf(cx);
  const [least, most, skips] = [cx.int("min_gram_length"), cx.int("max_gram_length"), cx.int("max_skip_count")];
  const mode = cx.word("mode", ["TF", "IDF", "TFIDF"]);
  let counts = ir.full(b, "f32", [cx.dim(x, 0), width], 0);
  for (const g of groups) {
    if (g.length < least || g.length > most || g.grams.length === 0) continue;
    let total: Value | null = null;
    for (let gap = 1; gap <= (g.length === 1 ? 1 : skips + 1); gap++) {
      const found = occurrences(cx, x, g, gap);
      if (found !== null) total = total === null ? found : ir.add(b, total, found);
    }
    if (total === null) continue;
    // Columns of this group, placed by a matrix of zeros and ones.
    const place = new Float32Array(g.grams.length * width);
    for (const [i, column] of g.columns.entries()) place[i * width + column] = 1;
    const matrix = ir.constant(b, tensorFrom("f32", [g.grams.length, width], place));
    counts = ir.add(b, counts, ir.matmul(b, ir.cast(b, total, "f32"), matrix));
  }
  if (mode !== "TF") {
    const weights = cx.optFloats("weights");
    // Weights are listed in the order of ngram_indexes.
    const byColumn = Array.from({ length: width }, () => 1);
    for (const [i, column] of cx.intList("ngram_indexes").entries()) byColumn[column] = weights?.[i] ?? 1;
    const scale = ir.vector(b, "f32", byColumn);
    counts = mode === "TFIDF" ? ir.mul(b, counts, scale) : ir.select(b, ir.gt(b, counts, 0), scale, 0);
  }
  return flat ? ir.squeeze(b, counts, [0]) : counts;
};

/** New strings out of those of a run: a compiled model has only their numbers. */
const refused =
  (what: string): Translator =>
  (cx) =>
    cx.fail(
      "unsupported_dtype",
      what,
      "do this before or after the model: it moves strings, compares and looks them up",
    );

export const textOps: Translators = { TfIdfVectorizer: tfIdf };

/** Known and always refused, with the reason. */
export const refusedTextOps: Translators = {
  RegexFullMatch: refused("matches strings against a pattern"),
  StringConcat: refused("joins strings"),
  StringNormalizer: refused("changes strings"),
  StringSplit: refused("splits strings"),
};

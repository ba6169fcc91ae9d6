// Sequences and optionals exist at import time only: lists of values whose length and positions must be known there.

import * as ir from "../../../ir/build.js";
import type { Dim } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { describe, type Item, type SequenceItem, tensorItem } from "../items.js";
import { dtypeOf } from "../tensor-data.js";

function sequence(cx: NodeContext, i: number): SequenceItem {
  const item = cx.item(i);
  const inner = item.kind === "optional" && item.item !== null ? item.item : item;
  return inner.kind === "sequence" ? inner : cx.malformed(`input ${i} is ${describe(item)}, takes a sequence`);
}

function position(cx: NodeContext, i: number, length: number, what: string): number {
  const at = cx.number(cx.in(i), what);
  const from = at < 0 ? at + length : at;
  return from >= 0 && from <= length ? from : cx.malformed(`${what} ${at} of a sequence of ${length}`);
}

const at: Translator = (cx) => {
  const { items } = sequence(cx, 0);
  return items[position(cx, 1, items.length, "position")] ?? cx.malformed("its position is past the end");
};

const insert: Translator = (cx): Item => {
  const { items, dtype } = sequence(cx, 0);
  const where = cx.has(2) ? position(cx, 2, items.length, "position") : items.length;
  return { kind: "sequence", items: items.toSpliced(where, 0, cx.item(1)), dtype };
};

const erase: Translator = (cx): Item => {
  const { items, dtype } = sequence(cx, 0);
  if (items.length === 0) cx.malformed("erases from an empty sequence");
  const where = cx.has(1) ? position(cx, 1, items.length, "position") : items.length - 1;
  return { kind: "sequence", items: items.toSpliced(where, 1), dtype };
};

const construct: Translator = (cx): Item => ({
  kind: "sequence",
  items: Array.from({ length: cx.arity }, (_, i) => cx.item(i)),
  dtype: null,
});

const splitToSequence: Translator = (cx): Item => {
  const { b } = cx;
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", 0), cx.rank(x));
  const d = cx.size(x, axis, "the axis to split");
  const given = cx.opt(1);
  // A part takes about as much as 256 elements do.
  cx.limit(d * 256, "its list of parts");
  let sizes: readonly Dim[] = Array.from({ length: d }, () => 1);
  if (given !== undefined && cx.rank(given) === 0) {
    const chunk = cx.number(given, "split");
    if (chunk < 1) cx.malformed(`splits by ${chunk}`);
    sizes = Array.from({ length: Math.ceil(d / chunk) }, (_, i) => Math.min(chunk, d - i * chunk));
  } else if (given !== undefined) sizes = cx.numbers(given, "split");
  const parts: Value[] = [];
  let start = 0;
  for (const size of sizes) {
    parts.push(ir.sliceAxis(b, x, axis, start, size));
    start += Number(size);
  }
  if (start !== d) cx.malformed(`parts of ${start} in all of an axis of ${d}`);
  const keep = given !== undefined || cx.flag("keepdims", true);
  return {
    kind: "sequence",
    items: parts.map((v) => tensorItem(keep ? v : ir.squeeze(b, v, [axis]))),
    dtype: x.type.dtype,
  };
};

const concatFromSequence: Translator = (cx) => {
  const { b } = cx;
  const values = sequence(cx, 0).items.map((item) =>
    item.kind === "tensor" ? item.value : cx.malformed(`joins ${describe(item)}`),
  );
  const [first] = values;
  if (first === undefined) return cx.malformed("joins an empty sequence");
  const stacking = cx.flag("new_axis");
  const axis = cx.axis(cx.int("axis"), cx.rank(first) + (stacking ? 1 : 0));
  return ir.concat(b, stacking ? values.map((v) => ir.unsqueeze(b, v, [axis])) : values, axis);
};

/** The body runs once per element; sequences are walked together, tensors are passed whole. */
const sequenceMap: Translator = (cx): Item[] => {
  const body = cx.graph("body");
  const first = sequence(cx, 0);
  const lists = Array.from({ length: cx.arity }, (_, i) => cx.item(i));
  const results = first.items.map((item, i) => {
    const inputs = lists.map((l, j) =>
      j === 0 ? item : l.kind === "sequence" ? (l.items[i] ?? cx.malformed("sequences differ in length")) : l,
    );
    return cx.translateGraph(body, cx.scope.subgraph(false), inputs);
  });
  return body.output.map((_, j) => ({
    kind: "sequence",
    items: results.map((r) => r[j] ?? cx.malformed("body gives too few results")),
    dtype: null,
  }));
};

const optional: Translator = (cx): Item => ({ kind: "optional", item: cx.has(0) ? cx.item(0) : null });

const optionalHasElement: Translator = (cx) => {
  const item = cx.has(0) ? cx.item(0) : null;
  return ir.scalar(cx.b, "bool", item !== null && (item.kind !== "optional" || item.item !== null));
};

const optionalGetElement: Translator = (cx): Item => {
  const item = cx.item(0);
  if (item.kind !== "optional") return item;
  return item.item ?? cx.malformed("takes the element of an empty optional");
};

export const sequenceOps: Translators = {
  ConcatFromSequence: concatFromSequence,
  Optional: optional,
  OptionalGetElement: optionalGetElement,
  OptionalHasElement: optionalHasElement,
  SequenceAt: at,
  SequenceConstruct: construct,
  SequenceEmpty: (cx): Item => ({ kind: "sequence", items: [], dtype: dtypeOf(cx.int("dtype", 1)) }),
  SequenceErase: erase,
  SequenceInsert: insert,
  SequenceLength: (cx) => ir.scalar(cx.b, "i64", sequence(cx, 0).items.length),
  SequenceMap: sequenceMap,
  SplitToSequence: splitToSequence,
};

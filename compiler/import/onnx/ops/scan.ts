// Scan: a loop over the slices of its inputs along their scan axes, whose results are stacked.

import * as ir from "../../../ir/build.js";
import { type Dim, provenEqual, sub } from "../../../ir/dim.js";
import { TypeIssue, type Value } from "../../../ir/graph.js";
import { formatType } from "../../../ir/types.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { tensorItem } from "../items.js";
import { MAX_UNROLLED, tensorsOf } from "./control.js";

const scan: Translator = (cx) => {
  if (cx.opset >= 9)
    return scanOnce(
      cx,
      Array.from({ length: cx.arity }, (_, i) => cx.in(i)),
      0,
    );
  // Operator set 8: everything has a batch axis in front, and the body sees one batch row.
  if (cx.has(0)) return cx.fail("unsupported_op", "takes sequence lengths, a form of operator set 8 only");
  const { b } = cx;
  const all = Array.from({ length: cx.arity - 1 }, (_, i) => cx.in(i + 1));
  const [first] = all;
  if (first === undefined) return cx.malformed("has no inputs");
  const rows = cx.size(first, 0, "the batch");
  if (rows < 1 || rows > MAX_UNROLLED) return cx.unknownSize(`a batch of ${rows}`);
  const parts: (readonly Value[])[] = [];
  for (let i = 0; i < rows; i++)
    parts.push(
      scanOnce(
        cx,
        all.map((v) => ir.squeeze(b, ir.sliceAxis(b, v, 0, i, 1), [0])),
        8,
      ),
    );
  return (parts[0] ?? []).map((_, j) =>
    ir.concat(
      b,
      parts.map((p) => ir.unsqueeze(b, p[j] ?? cx.malformed("rows differ"), [0])),
      0,
    ),
  );
};

function scanOnce(cx: NodeContext, inputs: readonly Value[], version: number): readonly Value[] {
  const { b } = cx;
  const body = cx.graph("body");
  const n = cx.int("num_scan_inputs");
  const carriedCount = inputs.length - n;
  if (n < 1 || carriedCount < 0) cx.malformed(`num_scan_inputs is ${n} of ${inputs.length} inputs`);
  const carried = inputs.slice(0, carriedCount);
  const scans = inputs.slice(carriedCount);
  const outputs = body.output.length - carriedCount;
  const list = (name: string, length: number): readonly number[] => cx.optInts(name) ?? Array.from({ length }, () => 0);
  const inAxes = version === 8 ? scans.map(() => 0) : list("scan_input_axes", n);
  const inDirections = version === 8 ? list("directions", n) : list("scan_input_directions", n);
  const outAxes = list("scan_output_axes", outputs);
  const outDirections = list("scan_output_directions", outputs);
  const axes = scans.map((v, i) => cx.axis(inAxes[i] ?? 0, cx.rank(v)));
  let count: Dim | null = null;
  for (const [i, v] of scans.entries()) {
    const d = cx.dim(v, axes[i] ?? 0);
    if (count !== null && !provenEqual(count, d)) b.require(count, d, "Scan: inputs have one length");
    count ??= d;
  }
  const length = count ?? 0;
  const out = ir.loop(b, {
    trips: ir.dimValue(b, length),
    count: length,
    carried,
    body: (iteration, params) => {
      const steps = scans.map((v, i) => {
        const at = inDirections[i] === 1 ? ir.sub(b, ir.dimValue(b, sub(length, 1)), iteration) : iteration;
        return ir.gather(b, v, at, axes[i] ?? 0);
      });
      const items = [...params, ...steps].map(tensorItem);
      const given = cx.session.inIteration(iteration, () => cx.translateGraph(body, cx.scope.subgraph(true), items));
      const results = tensorsOf(cx, given, "result");
      for (const [i, p] of params.entries()) {
        const r = results[i];
        if (r === undefined || r.type.dtype !== p.type.dtype || cx.rank(r) !== cx.rank(p))
          throw new TypeIssue(
            `carried value ${i} is ${formatType(p.type)} and becomes ${r === undefined ? "nothing" : formatType(r.type)}`,
          );
      }
      return { carried: results.slice(0, carriedCount), scanned: results.slice(carriedCount) };
    },
  });
  const stacked = out.slice(carriedCount).map((v, i) => {
    const ordered = outDirections[i] === 1 ? ir.flip(b, v, [0]) : v;
    const axis = cx.axis(outAxes[i] ?? 0, cx.rank(v));
    const perm = [...v.type.shape.keys()].slice(1);
    perm.splice(axis, 0, 0);
    return ir.transpose(b, ordered, perm);
  });
  return [...out.slice(0, carriedCount), ...stacked];
}

export const scanOps: Translators = { Scan: scan };

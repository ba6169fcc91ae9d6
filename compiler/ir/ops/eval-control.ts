// The reference meaning of control flow: regions run through the interpreter's `call`; sizes are what happened.

import type { AttrValues } from "../attrs.js";
import { bytesOf } from "../dtype.js";
import type { EvalContext } from "../op-spec.js";
import { RunIssue } from "../run-issue.js";
import { scalarTensor, Tensor } from "../tensor.js";
import { inputOf } from "./eval-scalar.js";
import type { controlAttrs } from "./schemas.js";

type Attrs = typeof controlAttrs;

const holds = (condition: Tensor): boolean => condition.bytes[0] !== 0;

export function branch(cx: EvalContext<AttrValues<Attrs["if"]>>): readonly Tensor[] {
  const region = cx.regions[holds(inputOf(cx, 0)) ? 0 : 1];
  if (region === undefined) throw new RangeError("if has two regions");
  return cx.call(region, []);
}

export function loop(cx: EvalContext<AttrValues<Attrs["loop"]>>): readonly Tensor[] {
  const [region] = cx.regions;
  if (region === undefined) throw new RangeError("loop has a region");
  const { carried } = cx.attrs;
  const trips = BigInt(inputOf(cx, 0).elements[0] ?? 0);
  let go = holds(inputOf(cx, 1));
  let values: readonly Tensor[] = cx.inputs.slice(2);
  const scanned: Tensor[][] = region.results.slice(carried + 1).map(() => []);
  for (let i = 0n; i < trips && go; i++) {
    const [condition, ...rest] = cx.call(region, [scalarTensor("i64", i), ...values]);
    if (condition === undefined) throw new RangeError("a loop's body has a condition");
    go = holds(condition);
    values = rest.slice(0, carried);
    for (const [j, list] of scanned.entries()) {
      const t = rest[carried + j];
      if (t !== undefined) list.push(t);
    }
  }
  const stacked = scanned.map((list, j) => stack(cx, list, carried + j));
  return [...values, ...stacked];
}

/** Tensors of one shape along a new first axis; the declared sizes where none ran. */
function stack(cx: EvalContext<AttrValues<Attrs["loop"]>>, list: readonly Tensor[], output: number): Tensor {
  const [first] = list;
  const type = cx.outputs[output];
  if (type === undefined) throw new RangeError(`loop has no output ${output}`);
  if (first === undefined) {
    const rest = cx.sizes(type.shape.slice(1));
    return new Tensor(type.dtype, [0, ...rest], new Uint8Array(0));
  }
  for (const t of list)
    if (t.shape.some((d, i) => d !== first.shape[i]))
      throw new RunIssue(
        "size_mismatch",
        `loop: scanned value ${output} is [${first.shape.join(", ")}], then [${t.shape.join(", ")}]`,
      );
  const run = first.size * bytesOf(first.dtype);
  const bytes = new Uint8Array(run * list.length);
  for (const [i, t] of list.entries()) bytes.set(t.bytes, i * run);
  return new Tensor(first.dtype, [list.length, ...first.shape], bytes);
}

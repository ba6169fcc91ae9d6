// The reference meaning of ops that move elements: each is a list of source positions.

import type { AttrValues } from "../attrs.js";
import { bytesOf } from "../dtype.js";
import type { EvalContext } from "../op-spec.js";
import { RunIssue } from "../run-issue.js";
import { sizeOf, Tensor, tensorOf } from "../tensor.js";
import { inputOf, workspace, wrapSmall } from "./eval-scalar.js";
import type { shapeAttrs } from "./schemas.js";
import { broadcastStrides, move, pick, stridesOf, viewPositions } from "./strided.js";

type Cx<K extends keyof typeof shapeAttrs> = EvalContext<AttrValues<(typeof shapeAttrs)[K]>>;

export function dims(cx: Cx<"dims">): readonly Tensor[] {
  const values = BigInt64Array.from(cx.sizes(cx.attrs.of), BigInt);
  return [tensorOf("i64", [values.length], values)];
}

export function reshape(cx: Cx<"reshape">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  const shape = nonNegative(cx.sizes(cx.attrs.shape), "reshape");
  if (sizeOf(shape) !== x.size)
    throw new RunIssue("size_mismatch", `reshape of [${x.shape.join(", ")}] to [${shape.join(", ")}]`);
  return [x.reshaped(shape)];
}

export function transpose(cx: Cx<"transpose">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  return [permuted(x, cx.attrs.perm)];
}

/** Axis i of the result is axis perm[i] of x. */
export function permuted(x: Tensor, perm: readonly number[]): Tensor {
  const strides = stridesOf(x.shape);
  const shape = perm.map((p) => x.shape[p] ?? 1);
  return pick(
    x,
    shape,
    viewPositions(
      shape,
      perm.map((p) => strides[p] ?? 0),
    ),
  );
}

export function broadcast(cx: Cx<"broadcast">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  const shape = nonNegative(cx.sizes(cx.attrs.shape), "broadcast");
  return [pick(x, shape, viewPositions(shape, broadcastStrides(x.shape, shape)))];
}

export function slice(cx: Cx<"slice">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  const { steps } = cx.attrs;
  const starts = cx.sizes(cx.attrs.starts);
  const sizes = nonNegative(cx.sizes(cx.attrs.sizes), "slice");
  const strides = stridesOf(x.shape);
  const empty = sizes.includes(0);
  let base = 0;
  for (const [i, d] of x.shape.entries()) {
    const start = starts[i] ?? 0;
    const last = start + ((sizes[i] ?? 0) - 1) * (steps[i] ?? 1);
    if (!empty && (Math.min(start, last) < 0 || Math.max(start, last) >= d))
      throw new RunIssue("index_out_of_range", `slice of axis ${i} reads ${start} to ${last}, has 0 to ${d - 1}`);
    base += start * (strides[i] ?? 0);
  }
  return [
    pick(
      x,
      sizes,
      viewPositions(
        sizes,
        strides.map((s, i) => s * (steps[i] ?? 1)),
        base,
      ),
    ),
  ];
}

export function pad(cx: Cx<"pad">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  const value = inputOf(cx, 1);
  const { interior } = cx.attrs;
  const low = nonNegative(cx.sizes(cx.attrs.low), "pad");
  const high = nonNegative(cx.sizes(cx.attrs.high), "pad");
  const shape = x.shape.map((d, i) => {
    const between = interior[i] ?? 0;
    return (low[i] ?? 0) + d + Math.max(0, d - 1) * between + (high[i] ?? 0);
  });
  const width = bytesOf(x.dtype);
  const bytes = new Uint8Array(sizeOf(shape) * width);
  for (let at = 0; at < bytes.length; at += width) bytes.set(value.bytes, at);
  const strides = stridesOf(shape);
  const base = low.reduce((sum, l, i) => sum + l * (strides[i] ?? 0), 0);
  const steps = strides.map((s, i) => s * ((interior[i] ?? 0) + 1));
  move(x.bytes, null, bytes, viewPositions(x.shape, steps, base), width);
  return [new Tensor(x.dtype, shape, bytes)];
}

export function concat(cx: Cx<"concat">): readonly Tensor[] {
  const { axis } = cx.attrs;
  const first = inputOf(cx, 0);
  const shape = [...first.shape];
  shape[axis] = 0;
  for (const t of cx.inputs) {
    for (const [i, d] of t.shape.entries())
      if (i !== axis && d !== shape[i])
        throw new RunIssue("size_mismatch", `concat along axis ${axis}: axis ${i} is ${shape[i]} and ${d}`);
    shape[axis] += t.shape[axis] ?? 0;
  }
  const width = bytesOf(first.dtype);
  const outer = sizeOf(shape.slice(0, axis));
  const bytes = new Uint8Array(sizeOf(shape) * width);
  let at = 0;
  for (let i = 0; i < outer; i++)
    for (const t of cx.inputs) {
      const run = t.bytes.byteLength / outer;
      bytes.set(t.bytes.subarray(i * run, (i + 1) * run), at);
      at += run;
    }
  return [new Tensor(first.dtype, shape, bytes)];
}

export function window(cx: Cx<"window">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  const { axes, strides, dilations } = cx.attrs;
  const lengths = nonNegative(cx.sizes(cx.attrs.lengths), "window");
  const own = stridesOf(x.shape);
  const shape = [...x.shape];
  const steps = [...own];
  for (const [j, axis] of axes.entries()) {
    const reach = (dilations[j] ?? 1) * ((lengths[j] ?? 1) - 1) + 1;
    const left = (x.shape[axis] ?? 0) - reach;
    const stride = strides[j] ?? 1;
    shape[axis] = Math.floor(left / stride) + 1;
    if ((shape[axis] ?? 0) < 0)
      throw new RunIssue("size_mismatch", `window of ${reach} elements does not fit axis ${axis} of ${x.shape[axis]}`);
    steps[axis] = (own[axis] ?? 0) * stride;
  }
  for (const [j, axis] of axes.entries()) {
    shape.push(lengths[j] ?? 1);
    steps.push((own[axis] ?? 0) * (dilations[j] ?? 1));
  }
  return [pick(x, shape, viewPositions(shape, steps))];
}

export function iota(cx: Cx<"iota">): readonly Tensor[] {
  const { axis, dtype } = cx.attrs;
  const shape = nonNegative(cx.sizes(cx.attrs.shape), "iota");
  const out = workspace(dtype, sizeOf(shape));
  const positions = viewPositions(
    shape,
    shape.map((_, i) => (i === axis ? 1 : 0)),
  );
  if (out instanceof BigInt64Array || out instanceof BigUint64Array)
    for (let i = 0; i < out.length; i++) out[i] = BigInt(positions[i] ?? 0);
  else for (let i = 0; i < out.length; i++) out[i] = wrapSmall(dtype, positions[i] ?? 0);
  return [tensorOf(dtype, shape, out)];
}

function nonNegative(sizes: number[], what: string): number[] {
  for (const n of sizes)
    if (n < 0) throw new RunIssue("size_mismatch", `${what}: a size or edge is ${n}, wants 0 or more`);
  return sizes;
}

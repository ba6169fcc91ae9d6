// depthwise: one filter per channel over NHWC data, vectors over channels. Taps inside the image are unrolled; at the
// border each tap is tested.

import { add, type Dim, indexVar, mul, range, sub } from "../../../compiler/ir/dim.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp } from "../../../compiler/ir/graph.js";
import { holder, ravel } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, LANES } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { lowerContractionScalar } from "./contraction-scalar.js";
import { storeTile, tileKind, tiles } from "./tile.js";

const MAX_UNROLLED_TAPS = 49;

export function lowerDepthwise(frame: Frame): Stmt[] {
  const { kernel, pool } = frame;
  const { anchor } = kernel;
  const [x, w] = anchor.inputs;
  const result = anchor.outputs[0];
  if (!isOp(anchor, "conv") || x === undefined || w === undefined || result === undefined)
    throw new Bug("loops", "depthwise without its operands");
  const { strides, dilations, low, high, groups } = anchor.attrs;
  const spatial = strides.length;
  const window = w.type.shape.slice(0, spatial);
  const taps = mul(1, ...window);
  const element = { a: x.type.dtype, b: w.type.dtype, sum: result.type.dtype };
  const kind = tileKind(element);
  const lengths = window.map(Number);
  if (kind === null || groups < LANES || typeof taps !== "number" || taps > MAX_UNROLLED_TAPS || element.a !== "f32")
    return lowerContractionScalar(frame);
  const image = x.type.shape;
  const out = result.type.shape;
  const nr = groups % 8 === 0 ? 8 : 4;
  const n = indexVar("n", image[0] ?? 1);
  const pixel = Array.from({ length: spatial }, (_, j) => indexVar(`y${j}`, out[j + 1] ?? 1));
  const [source, filter] = [frame.buffer(holder(x)), frame.buffer(holder(w))];
  const type = { kind, lanes: LANES };
  const acc = Array.from({ length: nr / LANES }, (_, j) => pool.variable(type, `acc${j}`));
  const origin = (j: number): Dim => sub(mul(pixel[j] ?? 0, strides[j] ?? 1), low[j] ?? 0);
  const reach = (j: number): number => ((lengths[j] ?? 1) - 1) * (dilations[j] ?? 1);
  const padded = [...low, ...high].some((p) => p > 0);

  const allTaps = positions(lengths);
  const tapStep = (tap: readonly number[], channel: Dim): Stmt[] => {
    const at = tap.map((t, j) => add(origin(j), t * (dilations[j] ?? 1)));
    const base = add(ravel([n, ...at], image.slice(0, -1)), 0);
    return acc.map((target, j): Stmt => {
      const c = add(channel, j * LANES);
      const a = pool.load(source, element.a, type, add(mul(base, groups), c), 1);
      const b = pool.load(filter, element.b, type, add(mul(ravel(tap, lengths), groups), c), 1);
      return { kind: "set", target, value: pool.same("madd", a, b, target) };
    });
  };
  const inside = (j: number): Expr => {
    const size = image[j + 1] ?? 1;
    // One unsigned test says 0 <= origin and origin + reach < size.
    return pool.compare("ltU", pool.index(origin(j)), pool.index(sub(size, reach(j))));
  };
  const large = image.slice(1, -1).every((size, j) => range(sub(size, reach(j))).lo > 0);
  const block = (channel: Dim): Stmt[] => {
    const clear: Stmt[] = acc.map((target) => ({ kind: "set", target, value: pool.constant(type, 0) }));
    const full = allTaps.flatMap((tap) => tapStep(tap, channel));
    const store = storeTile(frame, result, [acc], channel, (_, c) =>
      add(mul(ravel([n, ...pixel], out.slice(0, -1)), groups), c),
    );
    if (!padded) return [...clear, ...full, ...store];
    const t = lengths.map((length, j) => indexVar(`tap${j}`, length));
    const at = t.map((v, j) => add(origin(j), mul(v, dilations[j] ?? 1)));
    let tested: Stmt[] = acc.map((target, j): Stmt => {
      const c = add(channel, j * LANES);
      const a = pool.load(source, element.a, type, add(mul(ravel([n, ...at], image.slice(0, -1)), groups), c), 1);
      const b = pool.load(filter, element.b, type, add(mul(ravel(t, lengths), groups), c), 1);
      return { kind: "set", target, value: pool.same("madd", a, b, target) };
    });
    for (let j = spatial - 1; j >= 0; j--) {
      const mask = pool.compare("ltU", pool.index(at[j] ?? 0), pool.index(image[j + 1] ?? 1));
      tested = [forLoop(t[j] ?? 0, lengths[j] ?? 1, [{ kind: "if", mask, yes: tested, no: [] }])];
    }
    if (!large) return [...clear, ...tested, ...store];
    const mask = lengths.map((_, j) => inside(j)).reduce((a, b) => pool.op("and", a.type, a, b));
    return [...clear, { kind: "if", mask, yes: full, no: tested }, ...store];
  };
  let body = tiles(frame, "channels", nr, groups, block);
  for (let j = spatial - 1; j >= 0; j--) body = [forLoop(pixel[j] ?? 0, out[j + 1] ?? 1, body)];
  return [forLoop(n, image[0] ?? 1, body)];
}

function positions(lengths: readonly number[]): number[][] {
  let all: number[][] = [[]];
  for (const length of lengths) all = all.flatMap((p) => Array.from({ length }, (_, i) => [...p, i]));
  return all;
}

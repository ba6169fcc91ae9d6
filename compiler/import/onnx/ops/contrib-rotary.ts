// Rotary positions of com.microsoft: pairs of elements turned by an angle that grows with the position.

import * as ir from "../../../ir/build.js";
import { floordiv } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";

/**
 * x[batch, steps, heads, size] turned; cos and sin are rows of the caches, [batch or 1, steps, half]. Pairs are neighbours
 * where `interleaved`, else half the rotated part apart; elements behind it stay.
 */
export function rotated(cx: NodeContext, x: Value, cos: Value, sin: Value, interleaved: boolean): Value {
  const { b } = cx;
  const size = cx.size(x, 3, "the head size");
  const half = cx.size(cos, 2, "the width of the cache");
  if (2 * half > size) cx.malformed(`rotates ${2 * half} of ${size} elements`);
  const [c, s] = [ir.unsqueeze(b, cos, [2]), ir.unsqueeze(b, sin, [2])];
  const part = (i: number): Value => ir.sliceAxis(b, x, 3, interleaved ? i : i * half, half, interleaved ? 2 : 1);
  const [x1, x2] = [part(0), part(1)];
  const real = ir.sub(b, ir.mul(b, x1, c), ir.mul(b, x2, s));
  const imaginary = ir.add(b, ir.mul(b, x1, s), ir.mul(b, x2, c));
  const lead = x.type.shape.slice(0, 3);
  const pairs = [ir.unsqueeze(b, real, [4]), ir.unsqueeze(b, imaginary, [4])];
  const turned = interleaved
    ? ir.reshape(b, ir.concat(b, pairs, 4), [...lead, 2 * half])
    : ir.concat(b, [real, imaginary], 3);
  return 2 * half === size ? turned : ir.concat(b, [turned, ir.sliceAxis(b, x, 3, 2 * half, size - 2 * half)], 3);
}

/** (input, position ids, cos cache, sin cache); one position is that of the first step. */
const rotaryEmbedding: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  if (cx.float("scale", 1) !== 1) cx.fail("unsupported_op", "scales positions");
  if (cx.flag("is_packed_batching"))
    cx.fail("unsupported_layout", "takes batches of different lengths packed into one");
  const flat = cx.rank(x) === 3;
  if (!flat && cx.rank(x) !== 4) cx.malformed(`takes rank 3 or 4, has ${cx.rank(x)}`);
  const cache = cx.size(cx.in(2), 1, "the width of the cache");
  const part = cx.int("rotary_embedding_dim", 0);
  const heads = cx.int("num_heads", 0);
  if (flat && part !== 0 && heads < 1) cx.malformed("takes the number of heads where it rotates a part of each");
  const size = flat && heads < 1 ? cache * 2 : null;
  const perHead = flat
    ? ir.reshape(b, x, [
        cx.dim(x, 0),
        cx.dim(x, 1),
        size === null ? heads : floordiv(cx.dim(x, 2), size),
        size ?? floordiv(cx.dim(x, 2), heads),
      ])
    : ir.transpose(b, x, [0, 2, 1, 3]);
  const ids = cx.in(1);
  const steps = cx.dim(perHead, 1);
  const single = cx.rank(ids) < 2;
  const first = (): Value => ir.reshape(b, ids, []);
  const positions = single ? ir.add(b, ir.iota(b, "i64", [1, steps], 1), first()) : ids;
  const rows = (i: number): Value => ir.gather(b, cx.in(i), positions, 0);
  const turned = rotated(cx, perHead, rows(2), rows(3), cx.flag("interleaved"));
  return flat ? ir.reshape(b, turned, x.type.shape) : ir.transpose(b, turned, [0, 2, 1, 3]);
};

export const contribRotary: Translators = { RotaryEmbedding: rotaryEmbedding };

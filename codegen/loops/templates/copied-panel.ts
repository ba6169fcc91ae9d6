// A panel of a right operand that lies row by row in memory, copied to scratch as tiles read it: one row's columns behind
// another's. Its rows may be pages apart and share few lines of a cache; many tiles of rows then read the copy.

import type { Dim } from "../../../compiler/ir/dim.js";
import { mul } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { type Expr, I32 } from "../expr.js";
import type { Frame } from "../frame.js";
import type { Stmt } from "../stmt.js";
import { tileLanes } from "./tile.js";

const BYTES = bytesOf("f32");

/** Fills the scratch's first `steps` * `nr` elements: rows of `nr` elements that lie `stride` bytes apart from `panel` on. */
export function copyPanel(frame: Frame, panel: Expr, stride: Expr, steps: Dim, nr: number): Stmt[] {
  const { pool, scratch } = frame;
  const lanes = tileLanes(frame, nr);
  const [from, end, to] = [pool.variable(I32, "cf"), pool.variable(I32, "cend"), pool.variable(I32, "ct")];
  const row = Array.from({ length: nr / lanes }, (_, j): Stmt => {
    const offset = j * lanes * BYTES;
    const value = pool.loadAt(from, offset, "f32", { kind: "f32", lanes });
    return { kind: "storeAt", dtype: "f32", address: to, offset, value };
  });
  return [
    { kind: "set", target: from, value: panel },
    { kind: "set", target: to, value: pool.address(scratch, 0, 1) },
    { kind: "set", target: end, value: pool.same("add", to, pool.index(mul(steps, nr * BYTES))) },
    {
      kind: "while",
      mask: pool.compare("ltU", to, end),
      body: [
        ...row,
        { kind: "set", target: from, value: pool.same("add", from, stride) },
        { kind: "set", target: to, value: pool.same("add", to, pool.i32(nr * BYTES)) },
      ],
    },
  ];
}

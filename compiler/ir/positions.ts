// Positions: where an element of a value lies. Views (reshape, transpose, broadcast, slice, window) only change the
// position, so that their elements can be found without computing them.

import { add, type Dim, floordiv, mod, mul } from "./dim.js";
import type { Value } from "./graph.js";

export type Position = readonly Dim[];

/** Row-major element offset of a position. */
export function ravel(position: Position, shape: readonly Dim[]): Dim {
  let flat: Dim = 0;
  for (const [axis, size] of shape.entries()) flat = add(mul(flat, size), position[axis] ?? 0);
  return flat;
}

/** Position of a row-major element offset below the shape's element count. */
export function unravel(flat: Dim, shape: readonly Dim[]): Dim[] {
  const position = new Array<Dim>(shape.length).fill(0);
  // A shape without elements has no positions; loops over it do not run.
  if (shape.includes(0)) return position;
  const lead = shape.findIndex((size) => size !== 1);
  let rest = flat;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    if (size === 1) continue;
    // The leading axis takes what is left: it is below its size.
    position[axis] = axis === lead ? rest : mod(rest, size);
    if (axis > lead) rest = floordiv(rest, size);
  }
  return position;
}

/** Position in an operand of a broadcast result. */
export function broadcastPosition(position: Position, shape: readonly Dim[]): Dim[] {
  const offset = position.length - shape.length;
  return shape.map((size, axis) => (size === 1 ? 0 : (position[axis + offset] ?? 0)));
}

export function isView(op: string): boolean {
  return op === "reshape" || op === "transpose" || op === "broadcast" || op === "slice" || op === "window";
}

/** The operand of a view and the position in it; null where the value is no view. */
export function throughView(v: Value, position: Position): { source: Value; position: Dim[] } | null {
  const { node } = v;
  const source = node.inputs[0];
  if (source === undefined) return null;
  const { shape } = source.type;
  switch (node.op) {
    case "reshape":
      return { source, position: unravel(ravel(position, v.type.shape), shape) };
    case "transpose": {
      const out = new Array<Dim>(shape.length).fill(0);
      for (const [axis, from] of node.attrs.perm.entries()) out[from] = position[axis] ?? 0;
      return { source, position: out };
    }
    case "broadcast":
      return { source, position: broadcastPosition(position, shape) };
    case "slice": {
      const { starts, steps } = node.attrs;
      return { source, position: position.map((p, axis) => add(starts[axis] ?? 0, mul(p, steps[axis] ?? 1))) };
    }
    case "window": {
      const { axes, strides, dilations } = node.attrs;
      const out = position.slice(0, shape.length);
      for (const [j, axis] of axes.entries())
        out[axis] = add(
          mul(position[axis] ?? 0, strides[j] ?? 1),
          mul(position[shape.length + j] ?? 0, dilations[j] ?? 1),
        );
      return { source, position: out };
    }
    default:
      return null;
  }
}

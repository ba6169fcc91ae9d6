// Views (reshape, transpose, broadcast, slice, window) only change the position of an element, so a chain of them is
// followed to the value that holds the elements.

import type { Dim } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { type Position, ravel, throughView } from "../ir/positions.js";

export { broadcastPosition, isView, type Position, ravel, throughView, unravel } from "../ir/positions.js";

/** The value whose buffer holds `v` as it is: reshapes do not move elements. */
export function holder(v: Value): Value {
  let at = v;
  while (at.node.op === "reshape") {
    const next = at.node.inputs[0];
    if (next === undefined) break;
    at = next;
  }
  return at;
}

/** Row-major offset in the buffer of the value that views lead to, or the first of them that `stops`. */
export function locate(
  v: Value,
  position: Position,
  stops: (v: Value) => boolean = () => false,
): { source: Value; offset: Dim } {
  let at = v;
  let where: Position = position;
  while (!stops(at)) {
    const next = throughView(at, where);
    if (next === null) break;
    at = next.source;
    where = next.position;
  }
  return { source: at, offset: ravel(where, at.type.shape) };
}

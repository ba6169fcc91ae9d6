// NumPy broadcasting of symbolic shapes: axes align at the right; a dimension of 1 stretches; others must be equal.

import type { Dim } from "../dim.js";

/** The common shape. `unify` settles two dimensions that must be equal. */
export function broadcastShapes(
  shapes: readonly (readonly Dim[])[],
  unify: (a: Dim, b: Dim, what: string) => Dim,
): readonly Dim[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    let common: Dim = 1;
    for (const shape of shapes) {
      const d = shape[axis - (rank - shape.length)];
      if (d === undefined || d === 1 || d === common) continue;
      common = common === 1 ? d : unify(common, d, `broadcast of axis ${axis}`);
    }
    out.push(common);
  }
  return out;
}

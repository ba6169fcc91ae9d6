// Kernels that go along one axis: each line of elements by itself.

import { type Dim, indexVar } from "../../../compiler/ir/dim.js";
import { parallelLoop } from "../nest.js";
import type { Stmt } from "../stmt.js";

export interface Lines {
  /** The position of an element of the line. */
  position(at: Dim): Dim[];
  /** Loops over all lines. */
  wrap(body: Stmt[]): Stmt[];
}

/** Loop variables for all axes of a shape but one. */
export function around(shape: readonly Dim[], axis: number): Lines {
  const vars = shape.map((size, i) => (i === axis ? 0 : indexVar(`o${i}`, size)));
  return {
    position: (at) => vars.map((v, i) => (i === axis ? at : v)),
    wrap: (body) => {
      let out = body;
      for (let i = shape.length - 1; i >= 0; i--)
        if (i !== axis) out = [parallelLoop(vars[i] ?? 0, shape[i] ?? 1, out)];
      return out;
    },
  };
}

// The passes in order. Why a pass stands after another is data, in its `after`, and is checked.

import { Bug } from "../ir/errors.js";
import { affine } from "./affine.js";
import { algebra } from "./algebra.js";
import { blocks } from "./blocks.js";
import { branches } from "./branches.js";
import { byteRows, bytes } from "./bytes.js";
import { canonicalize } from "./canonicalize.js";
import { deadcode } from "./deadcode.js";
import { decompose } from "./decompose.js";
import { extremes } from "./extremes.js";
import { fold } from "./fold.js";
import { integers } from "./integers.js";
import { layout } from "./layout.js";
import type { Pass } from "./pass.js";
import { phases } from "./phases.js";
import { places } from "./places.js";
import { positions } from "./positions.js";
import { quantized } from "./quantized.js";
import { simplify, tidy } from "./simplify.js";
import { solitary } from "./solitary.js";
import { symbols } from "./symbols.js";
import { widen } from "./widen.js";
import { winograd } from "./winograd.js";

/** What a compilation runs. */
export const PIPELINE: readonly Pass[] = [
  decompose,
  quantized,
  blocks,
  simplify,
  widen,
  bytes,
  integers,
  affine,
  phases,
  solitary,
  layout,
  byteRows,
  positions,
  places,
  extremes,
  tidy,
  winograd,
  deadcode,
];

/** Every pass by name: those of the pipeline, and the parts of `simplify`, which filetests run alone. */
export const PASSES: ReadonlyMap<string, Pass> = new Map(
  [...PIPELINE, canonicalize, fold, algebra, branches, symbols].map((p) => [p.name, p]),
);

/** Throws Bug where a list of passes does not keep the order that its passes ask for. */
export function checkOrder(passes: readonly Pass[]): void {
  const names = passes.map((p) => p.name);
  for (const [i, p] of passes.entries())
    for (const [before, why] of Object.entries(p.after)) {
      const at = names.indexOf(before);
      if (at > i) throw new Bug("passes", `"${p.name}" must run after "${before}": ${why}`);
    }
}

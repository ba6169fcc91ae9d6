// What is worth measuring for a kernel: legal choices other than its own. Register tiles first, since the block's best size
// depends on the tile; blocks around a given tile.

import { range } from "../ir/dim.js";
import { CHOICES, choiceOf, kernelIssue, TUNABLE } from "./choices.js";
import { matmulForm } from "./contraction.js";
import type { Kernel } from "./schedule.js";

export type TunedChoices = Readonly<Record<string, number>>;

/** Tiles whose sums and operands fit the sixteen vector registers of common machines, or nearly. */
const TILES: readonly (readonly [mr: number, nr: number])[] = [
  [4, 8],
  [2, 16],
  [3, 12],
  [5, 8],
  [6, 8],
  [8, 4],
  [3, 8],
  [2, 8],
  [1, 16],
  [1, 32],
  [6, 4],
  [4, 4],
  [1, 8],
];

const ROW_TILES: readonly (readonly [mr: number, nr: number])[] = [
  [1, 32],
  [1, 16],
  [1, 12],
  [1, 8],
  [1, 4],
];

const DEPTHWISE_TILES: readonly (readonly [mr: number, nr: number])[] = [
  [4, 4],
  [2, 8],
  [6, 4],
  [3, 4],
  [2, 4],
  [8, 4],
  [4, 8],
  [3, 8],
  [1, 8],
];

/** The kernel's own tunable choices, all of them. */
export function ownChoices(kernel: Kernel): TunedChoices {
  return Object.fromEntries((TUNABLE[kernel.template] ?? []).map((name) => [name, choiceOf(kernel, name)]));
}

/** Tiles other than the kernel's own, most promising first; none where it cannot choose. */
export function candidatesOf(kernel: Kernel): readonly TunedChoices[] {
  if (TUNABLE[kernel.template] === undefined) return [];
  const rows = rowsOf(kernel);
  const own = ownChoices(kernel);
  const tiles = kernel.template === "depthwise" ? DEPTHWISE_TILES : rows === 1 ? ROW_TILES : TILES;
  return tiles
    .map(([mr, nr]) => ({ mr, nr }))
    .filter(({ mr, nr }) => mr <= rows && !(mr === own["mr"] && nr === own["nr"]))
    .filter((choices) => kernelIssue(kernel, choices) === null);
}

/** Other blocks for a tile; none where the template has no blocks. */
export function blocksAround(kernel: Kernel, tile: TunedChoices): readonly TunedChoices[] {
  if (!(TUNABLE[kernel.template] ?? []).includes("block")) return [];
  const own = tile["block"] ?? choiceOf(kernel, "block");
  return CHOICES.block.values.filter((block) => block !== own).map((block) => ({ ...tile, block }));
}

/** Rows along which a tile's mr runs, at most. */
function rowsOf(kernel: Kernel): number {
  const form = matmulForm(kernel.anchor);
  if (form !== null) return range(form.m).hi;
  return range(kernel.anchor.outputs[0]?.type.shape.at(-2) ?? 1).hi;
}

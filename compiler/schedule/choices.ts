// What a kernel's schedule may choose, by name: the one table that schedules, tuning files and the search read. A choice
// changes speed and nothing else: whatever would change the order of a sum (and so its bits) is no choice.

import { range } from "../ir/dim.js";
import { isOp } from "../ir/graph.js";
import { groupForm, matmulForm } from "./contraction.js";
import type { Choices, Kernel, Template } from "./schedule.js";
import { isPadded } from "./tiles.js";

export interface Choice {
  /** What it decides, for messages and documents. */
  readonly about: string;
  readonly values: readonly number[];
  /** What a kernel does whose schedule does not say. */
  readonly otherwise: number;
}

export const CHOICES = {
  mr: {
    about: "rows (pixels) of a register tile",
    values: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    otherwise: 1,
  },
  nr: { about: "columns (channels) of a register tile", values: [4, 8, 12, 16, 24, 32, 48], otherwise: 8 },
  block: {
    about: "KiB of rows that stay in cache while the other operand's panels pass by",
    values: [32, 64, 128, 256, 512, 1024, 2048, 4096],
    otherwise: 256,
  },
} as const satisfies Readonly<Record<string, Choice>>;

export type ChoiceName = keyof typeof CHOICES;

/** What each template's kernels can choose; the others choose nothing. */
export const TUNABLE: Readonly<Partial<Record<Template, readonly ChoiceName[]>>> = {
  matmul: ["mr", "nr", "block"],
  conv: ["mr", "nr", "block"],
  depthwise: ["mr", "nr"],
};

/** A tile of more elements than this keeps its sums in memory instead of registers. */
const MAX_TILE = 64;

/** What a kernel's schedule says, or what holds without it. */
export function choiceOf(kernel: Kernel, name: ChoiceName): number {
  const given = kernel.choices[name];
  return typeof given === "number" ? given : CHOICES[name].otherwise;
}

function isName(name: string): name is ChoiceName {
  return Object.hasOwn(CHOICES, name);
}

/** Why a template cannot have a choice, whatever the kernel; null where it can. */
export function choiceIssue(template: Template, name: string, value: number): string | null {
  const names = TUNABLE[template] ?? [];
  if (!isName(name) || !names.includes(name))
    return `${template} has no choice "${name}"; it has ${names.join(", ") || "none"}`;
  const values: readonly number[] = CHOICES[name].values;
  return values.includes(value) ? null : `${name}=${value}: want ${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}

/** Why a kernel cannot have these choices, which each for itself are its template's; null where it can. */
export function kernelIssue(kernel: Kernel, choices: Choices): string | null {
  const chosen: Kernel = { ...kernel, choices: { ...kernel.choices, ...choices } };
  if (!(TUNABLE[kernel.template] ?? []).includes("mr")) return null;
  const [mr, nr] = [choiceOf(chosen, "mr"), choiceOf(chosen, "nr")];
  if (mr * nr > MAX_TILE) return `a tile of ${mr} by ${nr}: want at most ${MAX_TILE} elements`;
  const results = kernel.template === "depthwise" ? (groupForm(kernel.anchor)?.results ?? 1) : 1;
  if (nr % results !== 0) return `nr=${nr}, but a group has ${results} results: want whole groups`;
  const columns = columnsOf(kernel);
  const pads = kernel.choices["packed"] === 1 && isPadded(nr, columns);
  return nr > columns && !pads ? `nr=${nr}, but there are ${columns} columns` : null;
}

/** Columns of a contraction's result, at most: output channels per group, or channels of a depthwise convolution. */
function columnsOf(kernel: Kernel): number {
  const { anchor, template } = kernel;
  const form = matmulForm(anchor);
  if (form !== null) return range(form.n).hi;
  const outs = range(anchor.inputs[1]?.type.shape.at(-1) ?? 1).hi;
  return template === "depthwise" || !isOp(anchor, "conv") ? outs : outs / anchor.attrs.groups;
}

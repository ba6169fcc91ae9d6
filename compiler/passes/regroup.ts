// A reshape of a transposed value as a transpose of a reshaped value: possible where the reshape only splits axes and
// merges neighbours, and the axes that it merges are neighbours before the transpose too.

import { type Dim, floordiv, mul, provenEqual } from "../ir/dim.js";

interface Group {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** Whether a is the smaller side: what it lacks of b are further axes. */
function isFactor(a: Dim, b: Dim): boolean {
  if (typeof a === "number" && typeof b === "number") return a < b;
  if (a === 0 || b === 0) return false;
  const times = floordiv(b, a);
  return mul(times, a) === b;
}

/**
 * Runs of axes of both shapes with equal products, as short as they can be; null where they do not match up. Axes of
 * size 1 hold nothing: those of `from` are left out, those of `to` go with the axis before
 * them, or first.
 */
function groupsOf(from: readonly Dim[], to: readonly Dim[]): readonly Group[] | null {
  const some = (shape: readonly Dim[]): number[] => [...shape.keys()].filter((i) => shape[i] !== 1);
  const left = some(from);
  const right = some(to);
  if (from.includes(0) || to.includes(0)) return null;
  const groups: { from: number[]; to: number[] }[] = [];
  while (left.length > 0 || right.length > 0) {
    const group = { from: left.splice(0, 1), to: right.splice(0, 1) };
    const product = (shape: readonly Dim[], axes: readonly number[]): Dim => mul(1, ...axes.map((i) => shape[i] ?? 1));
    for (;;) {
      const a = product(from, group.from);
      const b = product(to, group.to);
      if (a === b || provenEqual(a, b)) break;
      if (right.length > 0 && isFactor(b, a)) group.to.push(...right.splice(0, 1));
      else if (left.length > 0) group.from.push(...left.splice(0, 1));
      else if (right.length > 0) group.to.push(...right.splice(0, 1));
      else return null;
    }
    groups.push(group);
  }
  const leading: number[] = [];
  for (const [i, d] of to.entries()) {
    if (d !== 1) continue;
    const owner = groups.findLast((g) => (g.to[0] ?? Infinity) < i);
    (owner?.to ?? leading).push(i);
    owner?.to.sort((x, y) => x - y);
  }
  return [{ from: [], to: leading }, ...groups];
}

/**
 * For reshape(transpose(x, perm), to) with x of shape `shape`: the shape and permutation of the same value as
 * transpose(reshape(x, shape'), perm'). null where there is none.
 */
export function regrouped(
  shape: readonly Dim[],
  perm: readonly number[],
  to: readonly Dim[],
): { readonly shape: readonly Dim[]; readonly perm: readonly number[] } | null {
  const groups = groupsOf(
    perm.map((p) => shape[p] ?? 1),
    to,
  );
  if (groups === null) return null;
  // Where each group's axes lie in x: they must be one run, in order.
  const placed: { readonly at: number; readonly to: readonly number[] }[] = [];
  for (const g of groups) {
    const axes = g.from.map((i) => perm[i] ?? 0);
    if (axes.some((a, i) => i > 0 && a !== (axes[i - 1] ?? 0) + 1)) return null;
    placed.push({ at: axes[0] ?? -1, to: g.to });
  }
  const order = placed.toSorted((x, y) => x.at - y.at).flatMap((p) => p.to);
  const back = new Array<number>(to.length).fill(0);
  for (const [i, axis] of order.entries()) back[axis] = i;
  return { shape: order.map((axis) => to[axis] ?? 1), perm: back };
}

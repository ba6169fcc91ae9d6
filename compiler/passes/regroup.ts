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

/** Runs of axes of both shapes with equal products, as short as they can be; null where they do not match up. */
export function groupsOf(from: readonly Dim[], to: readonly Dim[]): readonly Group[] | null {
  const groups: Group[] = [];
  let i = 0;
  let j = 0;
  while (i < from.length || j < to.length) {
    const group = { from: [] as number[], to: [] as number[] };
    let left: Dim = 1;
    let right: Dim = 1;
    const takeLeft = (): void => {
      left = mul(left, from[i] ?? 1);
      group.from.push(i++);
    };
    const takeRight = (): void => {
      right = mul(right, to[j] ?? 1);
      group.to.push(j++);
    };
    if (i < from.length) takeLeft();
    if (j < to.length && (group.from.length === 0 || left !== 1 || to[j] === 1)) takeRight();
    while (!(left === right || provenEqual(left, right))) {
      if (isFactor(right, left) && j < to.length) takeRight();
      else if (i < from.length) takeLeft();
      else if (j < to.length) takeRight();
      else return null;
    }
    groups.push(group);
  }
  return groups;
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
    // New axes of size 1 go to the end; there they disturb nothing.
    placed.push({ at: axes[0] ?? shape.length, to: g.to });
  }
  const order = placed.toSorted((x, y) => x.at - y.at).flatMap((p) => p.to);
  const back = new Array<number>(to.length).fill(0);
  for (const [i, axis] of order.entries()) back[axis] = i;
  return { shape: order.map((axis) => to[axis] ?? 1), perm: back };
}

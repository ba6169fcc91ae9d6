// Tensors in the shapes that user functions take and give: one tensor, a list, or a record of these. Flattened for the
// graph and put back together for the user.

import { isTensor } from "./promote.js";
import { refuseTrace } from "./site.js";
import type { Tensor } from "./tensor.js";

export type Tree = Tensor | readonly Tree[] | { readonly [name: string]: Tree };

export interface Leaf {
  /** Place in the tree, such as "h" or "layers.0"; "" for a single tensor. */
  readonly name: string;
  readonly tensor: Tensor;
}

/** Every tensor with its name, in order. Refuses what is not a tensor. */
export function leavesOf(tree: unknown, subject: string, name = ""): Leaf[] {
  if (isTensor(tree)) return [{ name, tensor: tree }];
  const below = (key: string): string => (name === "" ? key : `${name}.${key}`);
  if (Array.isArray(tree)) return tree.flatMap((t, i) => leavesOf(t, subject, below(String(i))));
  if (tree instanceof Promise)
    refuseTrace(
      "malformed_input",
      subject,
      `${subject}: the function is async`,
      "a traced function runs at once: await nothing in it",
    );
  if (typeof tree === "object" && tree !== null)
    return Object.entries(tree).flatMap(([key, t]) => leavesOf(t, subject, below(key)));
  return refuseTrace(
    "malformed_input",
    subject,
    `${subject}: ${name === "" ? "the result" : `"${name}"`} is ${describe(tree)}, not a tensor`,
    "give tensors, lists or records of tensors; full([], 1) makes a tensor of a number",
  );
}

function describe(x: unknown): string {
  if (x === undefined) return "undefined (is there a return?)";
  return x === null ? "null" : `a ${typeof x}`;
}

/** A tree of the same form with these tensors, in order. */
export function rebuild<T extends Tree>(form: T, tensors: readonly Tensor[]): T {
  const rest = [...tensors];
  // The form decides the type: every tensor in it is replaced by the next one.
  return build(form, rest) as T;
}

function build(form: Tree, rest: Tensor[]): Tree {
  if (isTensor(form)) {
    const next = rest.shift();
    if (next === undefined) throw new RangeError("fewer tensors than the tree has places");
    return next;
  }
  if (isList(form)) return form.map((t) => build(t, rest));
  return Object.fromEntries(Object.entries(form).map(([key, t]) => [key, build(t, rest)]));
}

function isList(tree: Tree): tree is readonly Tree[] {
  return Array.isArray(tree);
}

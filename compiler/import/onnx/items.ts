// What a name in an ONNX graph stands for while it is imported. Only tensors are in the compiled graph; sequences,
// optionals exist at import time, so their structure must be known there.

import type { DType } from "../../ir/dtype.js";
import type { Value } from "../../ir/graph.js";

export interface TensorItem {
  readonly kind: "tensor";
  readonly value: Value;
}

export interface SequenceItem {
  readonly kind: "sequence";
  readonly items: readonly Item[];
  /** Element type, where it was declared. */
  readonly dtype: DType | null;
}

export interface OptionalItem {
  readonly kind: "optional";
  readonly item: Item | null;
}

export type Item =
  | TensorItem
  | SequenceItem
  | OptionalItem
  /** The output of a node that was refused. */
  | { readonly kind: "unknown" };

export const UNKNOWN: Item = { kind: "unknown" };

export function tensorItem(value: Value): TensorItem {
  return { kind: "tensor", value };
}

export function describe(item: Item): string {
  return item.kind === "sequence"
    ? `a sequence of ${item.items.length}`
    : `${item.kind === "optional" ? "an" : "a"} ${item.kind}`;
}

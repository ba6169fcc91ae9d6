// The op table: everything that the compiler knows of an op, in one row. Rows live by group in ops/; their attribute
// schemas in ops/schemas.ts.

import type { AttrSchema } from "./attrs.js";
import type { OpSpec } from "./op-spec.js";
import { compositeRows } from "./ops/composite.js";
import { contractRows } from "./ops/contract.js";
import { controlRows } from "./ops/control.js";
import { convertRows } from "./ops/convert.js";
import { indexRows } from "./ops/index.js";
import { reduceRows } from "./ops/reduce.js";
import { scalarRows } from "./ops/scalar-rows.js";
import { type OpAttrs, type OpName, opAttrs } from "./ops/schemas.js";
import { shapeRows } from "./ops/shape.js";
import { sourceRows } from "./ops/source.js";

export type { OpAttrs, OpName } from "./ops/schemas.js";

type Rows = { readonly [K in OpName]: Omit<OpSpec<OpAttrs[K]>, "attrs"> };
type Table = { readonly [K in OpName]: OpSpec<OpAttrs[K]> };

const rows: Rows = {
  ...sourceRows,
  ...scalarRows,
  ...convertRows,
  ...shapeRows,
  ...indexRows,
  ...reduceRows,
  ...contractRows,
  ...controlRows,
  ...compositeRows,
};

function join<K extends OpName>(op: K): OpSpec<OpAttrs[K]> {
  return { ...rows[op], attrs: opAttrs[op] };
}

// Object.fromEntries forgets which key has which row.
export const OPS = Object.fromEntries(Object.keys(opAttrs).map((op) => [op, join(op as OpName)])) as unknown as Table;

/** The row of a node's op. A node's attributes fit its op's schema by construction; the union over ops cannot say so. */
export function specOf(node: { readonly op: OpName }): OpSpec<AttrSchema> {
  return OPS[node.op] as unknown as OpSpec<AttrSchema>;
}

export function isOpName(op: string): op is OpName {
  return Object.hasOwn(OPS, op);
}

// Kernels that place elements: concat and pad write regions of their output, scatter writes where indices say.

import { add, type Dim, mul } from "../../../compiler/ir/dim.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp } from "../../../compiler/ir/graph.js";
import { broadcastPosition, ravel } from "../../../compiler/schedule/views.js";
import type { Frame } from "../frame.js";
import { forLoop, inOrder, mergeAxes, stored, storeNest } from "../nest.js";
import { combine, fromAccumulator, type ReduceKind, toAccumulator } from "../reduction.js";
import type { Stmt } from "../stmt.js";
import { loadElement } from "../value-at.js";

export function lowerConcat(frame: Frame): Stmt[] {
  const { pool, reader, kernel, output, buffer } = frame;
  const { anchor } = kernel;
  if (!isOp(anchor, "concat")) throw new Bug("loops", "concat without its node");
  const { axis } = anchor.attrs;
  const { shape, dtype } = output.type;
  const out: Stmt[] = [];
  let offset: Dim = 0;
  for (const [part, v] of anchor.inputs.entries()) {
    const start = offset;
    const place = (p: readonly Dim[]): Dim =>
      ravel(
        p.map((d, i) => (i === axis ? add(d, start) : d)),
        shape,
      );
    // Merged axes must stay linear in what is read and in where it goes.
    const nest = mergeAxes(pool, v.type.shape, `p${part}_`, (p) => pool.lanes([reader.at(v, p), pool.index(place(p))]));
    out.push(...storeNest(pool, nest, buffer(output), dtype, place, reader.at(v, nest.position)));
    offset = add(offset, v.type.shape[axis] ?? 0);
  }
  return out;
}

export function lowerPad(frame: Frame): Stmt[] {
  const { pool, reader, kernel, output, buffer } = frame;
  const { anchor } = kernel;
  const [x, value] = anchor.inputs;
  if (!isOp(anchor, "pad") || x === undefined || value === undefined) throw new Bug("loops", "pad without its node");
  const { low, interior } = anchor.attrs;
  const { shape, dtype } = output.type;
  const fill = mergeAxes(pool, shape, "f", () => reader.at(value, []));
  const place = (p: readonly Dim[]): Dim =>
    ravel(
      p.map((d, i) => add(low[i] ?? 0, mul(d, (interior[i] ?? 0) + 1))),
      shape,
    );
  const copy = mergeAxes(pool, x.type.shape, "c", (p) => pool.lanes([reader.at(x, p), pool.index(place(p))]));
  return inOrder([
    ...storeNest(pool, fill, buffer(output), dtype, (p) => ravel(p, shape), reader.at(value, [])),
    ...storeNest(pool, copy, buffer(output), dtype, place, reader.at(x, copy.position)),
  ]);
}

export function lowerScatter(frame: Frame): Stmt[] {
  const { pool, reader, kernel, output, buffer } = frame;
  const { anchor } = kernel;
  const [x, indices, updates] = anchor.inputs;
  if (!isOp(anchor, "scatter") || x === undefined || indices === undefined || updates === undefined)
    throw new Bug("loops", "scatter without its node");
  const { shape, dtype } = output.type;
  const size = mul(1, ...shape);
  const copy = mergeAxes(pool, shape, "c", (p) => reader.at(x, p));
  const nest = mergeAxes(pool, indices.type.shape, "u", (p) =>
    reader.at(updates, broadcastPosition(p, updates.type.shape)),
  );
  const at = reader.indexAt(indices, nest.position, size);
  const update = reader.at(updates, nest.position);
  const { mode } = anchor.attrs;
  let value = update;
  if (mode !== "set") {
    const kind: ReduceKind = mode === "add" ? "sum" : mode === "mul" ? "prod" : mode;
    const old = toAccumulator(pool, dtype, loadElement(pool, buffer(output), dtype, at));
    value = fromAccumulator(pool, dtype, combine(pool, kind, dtype, old, toAccumulator(pool, dtype, update)));
  }
  let body: Stmt[] = [{ kind: "store", buffer: buffer(output), dtype, index: at, value: stored(pool, dtype, value) }];
  for (let i = nest.vars.length - 1; i >= 0; i--) body = [forLoop(nest.vars[i] ?? 0, nest.sizes[i] ?? 1, body)];
  return inOrder([
    ...storeNest(pool, copy, buffer(output), dtype, (p) => ravel(p, shape), reader.at(x, copy.position)),
    ...body,
  ]);
}

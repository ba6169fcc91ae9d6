// Kernels that place elements: concat and pad write regions of their output, scatter writes where indices say.

import { add, type Dim, mul, sub } from "../../../compiler/ir/dim.js";
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
  const filled = ({ from, sizes }: Box, prefix: string): Stmt[] => {
    const place = (p: readonly Dim[]): Dim =>
      ravel(
        p.map((d, i) => add(d, from[i] ?? 0)),
        shape,
      );
    const nest = mergeAxes(pool, sizes, prefix, (p) => pool.lanes([reader.at(value, []), pool.index(place(p))]));
    return storeNest(pool, nest, buffer(output), dtype, place, reader.at(value, []));
  };
  const place = (p: readonly Dim[]): Dim =>
    ravel(
      p.map((d, i) => add(low[i] ?? 0, mul(d, (interior[i] ?? 0) + 1))),
      shape,
    );
  const nest = mergeAxes(pool, x.type.shape, "c", (p) => pool.lanes([reader.at(x, p), pool.index(place(p))]));
  const copied = storeNest(pool, nest, buffer(output), dtype, place, reader.at(x, nest.position));
  // What lies between elements is written over; edges are apart from what they surround, so that all can go in parallel.
  if (interior.some((n) => n > 0)) return inOrder([...filled({ from: [], sizes: shape }, "f"), ...copied]);
  return [...edges(x.type.shape, low, shape).flatMap((box, i) => filled(box, `f${i}_`)), ...copied];
}

/** A region of a tensor: where it starts and how large it is on each axis. */
interface Box {
  readonly from: readonly Dim[];
  readonly sizes: readonly Dim[];
}

/** What surrounds a tensor of shape `inner` that lies at `low` in one of shape `outer`, in boxes that are apart. */
function edges(inner: readonly Dim[], low: readonly Dim[], outer: readonly Dim[]): Box[] {
  return outer.flatMap((size, axis) => {
    const start = low[axis] ?? 0;
    const end = add(start, inner[axis] ?? 0);
    const across = (from: Dim, length: Dim): Box => ({
      from: outer.map((_, i) => (i < axis ? (low[i] ?? 0) : i === axis ? from : 0)),
      sizes: outer.map((d, i) => (i < axis ? (inner[i] ?? 0) : i === axis ? length : d)),
    });
    return [across(0, start), across(end, sub(size, end))].filter((box) => box.sizes[axis] !== 0);
  });
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

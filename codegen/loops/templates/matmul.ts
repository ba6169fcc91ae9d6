// matmul: a matrix product (or a pointwise convolution) in register tiles, with its epilogue. Constant right operands
// are read from panels packed at compile time; others where they lie, contiguous in n.

import {
  add,
  ceildiv,
  type Dim,
  floordiv,
  indexVar,
  linearIn,
  max,
  mul,
  range,
  symOf,
} from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { constantOf, type Value } from "../../../compiler/ir/graph.js";
import { panelElements } from "../../../compiler/plan/pack.js";
import { choiceOf } from "../../../compiler/schedule/choices.js";
import { type MatmulForm, matmulForm, tileShape } from "../../../compiler/schedule/contraction.js";
import { fitTile, type Tile } from "../../../compiler/schedule/tiles.js";
import { type Position, ravel, throughView } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { parallelLoop } from "../nest.js";
import type { Panels, Stmt } from "../stmt.js";
import { lowerContractionScalar } from "./contraction-scalar.js";
import { copyPanel } from "./copied-panel.js";
import { closeSums, depthBlocks, depthStart, openSums, overDepth } from "./depth-blocks.js";
import { closeDots, dotUnit, sumDots, sumRows } from "./dot-sums.js";
import {
  type Ahead,
  accumulate,
  accumulators,
  blockedTiles,
  clearTile,
  dotWidth,
  type Element,
  outputTarget,
  panelParts,
  panelTiles,
  rowsAt,
  rowTiles,
  storeTile,
  tileKind,
  tileLanes,
  whenAtLeast,
} from "./tile.js";
import { dotSteps, isWidened, panelGroup, rowsOf, widened, widenPanel } from "./widened.js";

/** Rows of a product that waits for memory whatever it asks for. */
const FEW_ROWS = 8;

export function lowerMatmul(frame: Frame): Stmt[] {
  const { kernel } = frame;
  const product = matmulForm(kernel.anchor);
  const form = product === null ? null : { ...product, a: rowsOf(frame, product.a) };
  const result = kernel.anchor.outputs[0];
  if (form === null || result === undefined) throw new Bug("loops", "matmul without its operands");
  const element: Element = { a: form.a.type.dtype, b: form.b.type.dtype, sum: result.type.dtype };
  const kind = tileKind(element);
  // Panels have the schedule's columns; a tile that the registers cannot hold takes a part of them.
  const panel: Tile = { mr: choiceOf(kernel, "mr"), nr: choiceOf(kernel, "nr") };
  const tile = fitTile(dotUnit(frame, element, constantOf(form.b) !== undefined), panel, tileShape(kernel.anchor));
  const scalar = (): Stmt[] => lowerContractionScalar(frame);
  if (kind === null) return scalar();
  const k0 = indexVar("k", form.k);
  const at = operandReader(frame);
  const batch = form.batch.map((size, axis) => indexVar(`batch${axis}`, size));
  const batchFlat = ravel(batch, form.batch);
  const stepOf = (offset: Dim): Dim => {
    const s = symOf(k0);
    return (s === undefined ? null : linearIn(offset, s)?.coeff) ?? 1;
  };
  const packed = constantOf(form.b) !== undefined;
  if (packed && (typeof form.n !== "number" || typeof form.k !== "number")) return scalar();
  const strideA = stepOf(at.locate(form.a, form.positionA(batch, 0, k0)).offset);
  const dot = strideA === 1 ? dotWidth(element, packed) : 1;
  const group = panelGroup(frame, dot);
  let layout: Panels | null = null;
  if (packed && typeof form.n === "number" && typeof form.k === "number") {
    const { shape } = form.b.type;
    const matrices = shape.slice(0, -2).reduce<number>((n, d) => n * Number(d), 1);
    layout = {
      nr: panel.nr,
      batch: matrices,
      k: form.k,
      n: form.n,
      batchStride: form.k * form.n,
      rowStride: form.n,
      pair: group,
      run: form.k,
    };
    frame.pack(form.b, layout);
  }
  const strideB = packed ? panel.nr : stepOf(at.locate(form.b, form.positionB(batch, k0, 0)).offset);
  const copied = kernel.choices["copied"] === 1;
  const panelIndex = indexVar("panel", typeof form.n === "number" ? Math.max(1, Math.ceil(form.n / panel.nr)) : 1);
  const deep = dot > 1 ? null : depthBlocks(frame, form, result, { mr: tile.mr, nr: panel.nr });
  const from0 = depthStart(deep);
  const steps = deep?.length ?? form.k;
  /** The first element of a packed panel. */
  const panelStart = (t: Dim): Dim => {
    const panels = Math.ceil(Number(form.n) / panel.nr);
    // Batches that the constant does not have share its one matrix.
    const own = form.batch.length === 0 ? 0 : batchOfConstant(form, batch);
    return mul(add(mul(own, panels), t), layout === null ? 0 : panelElements(layout));
  };
  /** Where the panel of these columns starts, `part` columns into it. */
  const panelOf = (column: Dim, part: Dim): Expr => {
    if (!packed) {
      const { source, offset } = at.locate(form.b, form.positionB(batch, from0, add(column, part)));
      return frame.pool.address(frame.buffer(source), offset, bytesOf(element.b));
    }
    const start = panelStart(typeof column === "number" ? 0 : panelIndex);
    const index = add(start, mul(from0, panel.nr), mul(part, dot));
    return frame.pool.address(frame.buffer(form.b), index, bytesOf(element.b));
  };

  /** `from`: where the tile's columns start, which are those of a panel's from `part` on. */
  const block = (
    mr: number,
    row: Dim,
    first: Dim,
    part: Dim,
    element: Element,
    from: Expr,
    apart: Dim,
    ahead: Ahead | null,
  ): Stmt[] => {
    const column = part === 0 ? first : frame.reader.dynamicIndex(frame.pool.index(add(first, part)), form.n);
    const acc = accumulators(frame, kind, { mr: dot > 1 ? sumRows(frame, element, mr) : mr, nr: tile.nr });
    const places = Array.from({ length: mr }, (_, i) => at.locate(form.a, form.positionA(batch, add(row, i), from0)));
    const source = places[0]?.source ?? form.a;
    const starts = places.map((p) => p.offset);
    const rows = rowsAt(frame, frame.buffer(source), starts, bytesOf(element.a));
    const flat = (i: number, c: Dim): Dim => add(mul(add(mul(batchFlat, form.m), row, i), form.n), c);
    const vector = (i: number, j: number): Dim => flat(i, add(column, j * tileLanes(frame, tile.nr)));
    const columns = packed ? Number(form.n) : tile.nr;
    const finish = storeTile(frame, result, acc.slice(0, mr), column, flat, outputTarget(frame), columns);
    return [
      ...(deep === null ? clearTile(frame, acc) : openSums(frame, deep, acc, vector)),
      ...(dot > 1
        ? [
            ...sumDots(frame, element, acc, rows, from, dotSteps(form.k, dot, group), panel.nr, ahead),
            ...closeDots(frame, element, acc, mr),
          ]
        : accumulate(
            frame,
            element,
            acc,
            rows,
            from,
            steps,
            bytes(frame, strideA, element.a),
            bytes(frame, apart, element.b),
            ahead,
          )),
      ...(deep === null ? finish : closeSums(frame, deep, acc, vector, finish)),
    ];
  };
  const depth = range(steps).hi;
  /** The share of the next panel that the `at`-th tile of `inBlock` asks for: all of them ask for all of it. */
  const nextPanel = (column: Dim, part: Dim, at: Dim, inBlock: Dim): Ahead | null => {
    if (!frame.unit.prefetches || layout === null || typeof column === "number" || range(form.m).hi <= FEW_ROWS)
      return null;
    const tilesOfPanel = max(1, mul(inBlock, panel.nr / tile.nr));
    const stride = ceildiv(panel.nr * dot * bytesOf(element.b), tilesOfPanel);
    const before = add(mul(floordiv(part, tile.nr), inBlock), at);
    const next = mul(panelStart(add(panelIndex, 1)), bytesOf(element.b));
    const from = add(next, mul(before, ceildiv(form.k, dot), stride));
    return { from: frame.pool.address(frame.buffer(form.b), from, 1), stride: frame.pool.index(stride) };
  };
  const widens = dot > 1 && isWidened(frame, element, packed);
  const panels = (length: number, name: string): Stmt[] =>
    blockedTiles(frame, name, length, form.m, length * depth * bytesOf(element.a), (rows, inBlock) => {
      const body = panelTiles(frame, panel.nr, form.n, (column) => {
        const parts = (element: Element, from: (part: Dim) => Expr, apart = strideB): Stmt[] =>
          panelParts(frame, panel.nr, tile.nr, form.n, (part) =>
            rows((row, at) =>
              block(length, row, column, part, element, from(part), apart, nextPanel(column, part, at, inBlock)),
            ),
          );
        if (copied && length > 1) {
          const stride = bytes(frame, strideB, element.b);
          const copy = (part: Dim): Expr => frame.pool.address(frame.scratch, part, bytesOf(element.b));
          return [...copyPanel(frame, panelOf(column, 0), stride, form.k, panel.nr), ...parts(element, copy, panel.nr)];
        }
        if (!widens || (length === 1 && group === dot) || layout === null)
          return parts(element, (part) => panelOf(column, part));
        const scratch = (part: Dim): Expr => frame.pool.address(frame.scratch, mul(part, 2), bytesOf("i16"));
        return [...widenPanel(frame, panelOf(column, 0), layout), ...parts(widened(element), scratch)];
      });
      return deep === null ? body : overDepth(deep, body);
    });
  const tiled = (): Stmt[] => {
    let body = rowTiles(frame, form.m, tile.mr, (mr) => panels(mr, mr === 1 ? "row" : `tile${mr}_`));
    for (let axis = batch.length - 1; axis >= 0; axis--)
      body = [parallelLoop(batch[axis] ?? 0, form.batch[axis] ?? 1, body)];
    return body;
  };
  return packed ? tiled() : whenAtLeast(frame, form.n, panel.nr, tiled, scalar);
}

function batchOfConstant(form: MatmulForm, batch: readonly Dim[]): Dim {
  const { shape } = form.b.type;
  const position = form.positionB(batch, 0, 0);
  return ravel(position.slice(0, -2), shape.slice(0, -2));
}

function bytes(frame: Frame, elements: Dim, dtype: Parameters<typeof bytesOf>[0]): Expr {
  return frame.pool.index(mul(elements, bytesOf(dtype)));
}

/** Follows views to the buffer that the kernel reads. */
export function operandReader(frame: Frame): { locate(v: Value, position: Position): { source: Value; offset: Dim } } {
  return {
    locate: (v, position) => {
      let at = v;
      let where = position;
      while (!frame.kernel.inputs.includes(at)) {
        const next = throughView(at, where);
        if (next === null) break;
        at = next.source;
        where = next.position;
      }
      return { source: at, offset: ravel(where, at.type.shape) };
    },
  };
}

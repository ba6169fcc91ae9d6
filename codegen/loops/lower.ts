// A scheduled kernel becomes loops: one template per kind of kernel.

import type { Kernel, Template } from "../../compiler/schedule/schedule.js";
import type { VectorUnit } from "../../compiler/schedule/tiles.js";
import { type Frame, type Iterations, openFrame } from "./frame.js";
import type { LoopKernel, Stmt } from "./stmt.js";
import { lowerAttention } from "./templates/attention.js";
import { lowerBlockMatmul } from "./templates/block-matmul.js";
import { lowerConv } from "./templates/conv.js";
import { lowerDepthwise } from "./templates/depthwise.js";
import { lowerInnerProducts } from "./templates/inner-products.js";
import { lowerMap } from "./templates/map.js";
import { lowerMatmul } from "./templates/matmul.js";
import { lowerConcat, lowerPad, lowerScatter } from "./templates/movement.js";
import { lowerArgreduce, lowerCumulate, lowerNonzero } from "./templates/order.js";
import { lowerPool } from "./templates/pool.js";
import { lowerReduce } from "./templates/reduce.js";
import { lowerRows } from "./templates/rows.js";
import { lowerSort } from "./templates/sort.js";
import { lowerWiden } from "./templates/widened.js";

const TEMPLATES: Readonly<Record<Template, (frame: Frame) => Stmt[]>> = {
  map: lowerMap,
  reduce: lowerReduce,
  rows: lowerRows,
  pool: lowerPool,
  matmul: lowerMatmul,
  innerProducts: lowerInnerProducts,
  blockMatmul: lowerBlockMatmul,
  conv: lowerConv,
  depthwise: lowerDepthwise,
  attention: lowerAttention,
  concat: lowerConcat,
  pad: lowerPad,
  scatter: lowerScatter,
  sort: lowerSort,
  argreduce: lowerArgreduce,
  cumulate: lowerCumulate,
  nonzero: lowerNonzero,
  widen: lowerWiden,
};

/** Loops of a kernel for a target's vectors. `iterations`: the counters of the loops around it. */
export function lowerKernel(kernel: Kernel, iterations: Iterations, unit: VectorUnit): LoopKernel {
  const { frame, close } = openFrame(kernel, iterations, unit);
  return close(TEMPLATES[kernel.template](frame));
}

// What every kernel template starts from: the expression pool, the numbering of buffers, and a reader of values.

import type { Dim } from "../../compiler/ir/dim.js";
import { Bug } from "../../compiler/ir/errors.js";
import type { Value } from "../../compiler/ir/graph.js";
import type { Kernel } from "../../compiler/schedule/schedule.js";
import type { VectorUnit } from "../../compiler/schedule/tiles.js";
import { ExprPool } from "./expr.js";
import type { BufferUse, Layout, LoopKernel, Stmt } from "./stmt.js";
import { ValueReader } from "./value-at.js";

export interface Frame {
  readonly kernel: Kernel;
  /** The registers that tiles fill. */
  readonly unit: VectorUnit;
  readonly pool: ExprPool;
  readonly reader: ValueReader;
  /** Number of a value's buffer. */
  buffer(v: Value): number;
  /** The buffer of the kernel's scratch bytes. */
  readonly scratch: number;
  /** A buffer of at least so many zero bytes. */
  zeros(bytes: number): number;
  /** States that a constant operand is read in a packed layout. */
  pack(v: Value, layout: Layout): void;
  readonly output: Value;
}

/** Loop counters that kernels may read: the region parameter and its index variable. */
export type Iterations = ReadonlyMap<Value, Dim>;

export function openFrame(
  kernel: Kernel,
  iterations: Iterations,
  unit: VectorUnit,
): { frame: Frame; close(body: readonly Stmt[]): LoopKernel } {
  const pool = new ExprPool(unit);
  const numbers = new Map<Value, number>();
  for (const v of kernel.inputs) numbers.set(v, numbers.size);
  const inputs = new Map(numbers);
  for (const v of kernel.outputs) numbers.set(v, numbers.size);
  const layouts = new Map<Value, Layout>();
  const reader = new ValueReader(pool, inputs);
  for (const [param, v] of iterations)
    reader.held.set(param, () => pool.op("extendS", { kind: "i64", lanes: 1 }, pool.index(v)));
  const [output] = kernel.outputs;
  if (output === undefined) throw new Bug("loops", `kernel ${kernel.name} writes nothing`);
  const scratch = numbers.size;
  let zeroBytes = 0;
  const frame: Frame = {
    kernel,
    unit,
    pool,
    reader,
    scratch,
    output,
    buffer: (v) => {
      const n = numbers.get(v);
      if (n === undefined) throw new Bug("loops", `kernel ${kernel.name} has no buffer for a value of ${v.node.op}`);
      return n;
    },
    zeros: (bytes) => {
      zeroBytes = Math.max(zeroBytes, bytes);
      return scratch + 1;
    },
    pack: (v, layout) => layouts.set(v, layout),
  };
  return {
    frame,
    close: (body) => {
      const buffers: BufferUse[] = [...numbers.keys()].map((value) => ({
        role: "value",
        value,
        written: kernel.outputs.includes(value),
        layout: layouts.get(value) ?? "plain",
      }));
      buffers.push({ role: "scratch", written: true });
      if (zeroBytes > 0) buffers.push({ role: "zeros", written: false, bytes: zeroBytes });
      return { name: kernel.name, buffers, pool, body };
    },
  };
}

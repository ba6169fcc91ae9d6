// Kernels that threads share: the function behind a job, and how much work a step is.

import type { BufferUse } from "../../compiler/plan/buffers.js";
import type { DimJson } from "../../compiler/plan/plan.js";
import type { FunctionText } from "./text.js";

/** A function of the module: a kernel, in parts where it has `part` and `parts` after its frame. */
export interface KernelFunction {
  readonly buffers: readonly BufferUse[];
  readonly text: string;
  readonly inParts: boolean;
}

/**
 * Runs a part of a step whose arguments, its buffers and its frame, lie at %arguments. A worker has scratch memory of its
 * own; null: the step's.
 */
export function jobText(number: number, { buffers }: KernelFunction): string {
  const lines: string[] = [];
  const load = (i: number): string => {
    lines.push(`  %at${i} = getelementptr ptr, ptr %arguments, i64 ${i}`, `  %a${i} = load ptr, ptr %at${i}`);
    return `%a${i}`;
  };
  const args = buffers.map(({ role }, i) => {
    const given = load(i);
    if (role !== "scratch") return `ptr ${given}`;
    lines.push(`  %s${i} = select i1 %shared, ptr ${given}, ptr %scratch`);
    return `ptr %s${i}`;
  });
  const frame = load(buffers.length);
  return `define internal void @j${number}(ptr %arguments, i32 %part, i32 %parts, ptr %scratch) #1 {
  %shared = icmp eq ptr %scratch, null
${lines.join("\n")}
  call void @k${number}(${[...args, `ptr ${frame}`, "i32 %part", "i32 %parts"].join(", ")})
  ret void
}
`;
}

/** More parts than any number of threads takes. */
const MOST_GRAINS = 2 ** 20;

/** Grains of a step's work as i32 text; null where it is less than two and stays on one thread. */
export function grainsOf(
  work: DimJson,
  grain: number,
  out: FunctionText,
  symbol: (name: string) => string,
): string | null {
  if (typeof work === "number")
    return work < 2 * grain ? null : String(Math.min(Math.floor(work / grain), MOST_GRAINS));
  const grains = out.value(`fdiv double ${number(work, out, symbol)}, ${double(grain)}`);
  return out.call("i32", "llvm.fptoui.sat.i32.f64", [{ type: "double", text: grains }]);
}

const double = (value: number): string => `${value}.0`;

/** A dimension as double: work may be more than an i32 holds. */
function number(d: DimJson, out: FunctionText, symbol: (name: string) => string): string {
  if (typeof d === "number") return double(d);
  if (typeof d === "string") return out.value(`sitofp i32 ${symbol(d)} to double`);
  const [op, a, b] = d;
  const [x, y] = [number(a, out, symbol), number(b, out, symbol)];
  const quotient = (): string => {
    const exact = out.value(`fdiv double ${x}, ${y}`);
    return out.call("double", "llvm.floor.f64", [{ type: "double", text: exact }]);
  };
  switch (op) {
    case "add":
    case "mul":
      return out.value(`f${op} double ${x}, ${y}`);
    case "min":
    case "max": {
      const first = out.value(`fcmp ${op === "min" ? "olt" : "ogt"} double ${x}, ${y}`);
      return out.value(`select i1 ${first}, double ${x}, double ${y}`);
    }
    case "div":
      return quotient();
    case "mod":
      return out.value(`fsub double ${x}, ${out.value(`fmul double ${y}, ${quotient()}`)}`);
  }
}

// WebAssembly code as a plain tree, before Binaryen: what kernels emit, what identical kernels are recognized by, and what
// the assembler turns into a module. An instruction is its name and operands; `i32.const` operands may become parameters.

export type Operand = Instruction | number | bigint | string;
export type Instruction = readonly [op: string, ...operands: Operand[]];
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

export interface WasmFunction {
  readonly name: string;
  /** Number of i32 parameters, which are the first locals. */
  readonly params: number;
  /** Types of the locals after the parameters. */
  readonly locals: readonly ValueType[];
  readonly body: readonly Instruction[];
}

export const get = (local: number, type: ValueType): Instruction => ["local.get", local, type];
export const set = (local: number, value: Instruction): Instruction => ["local.set", local, value];
export const i32 = (value: number): Instruction => ["i32.const", value | 0];

export function isInstruction(x: Operand): x is Instruction {
  return Array.isArray(x);
}

// LLVM IR in, an object file's bytes out: parsed, verified, optimized and emitted in this process. Everything that is made
// on the way is freed before it returns.

import { Bug } from "../../compiler/ir/errors.js";
import { type Llvm, type Out, openLlvm, type Ref } from "./library.js";

export interface Machine {
  readonly triple: string;
  readonly cpu: string;
  /** LLVM's names with + or -, separated by commas. */
  readonly features: string;
}

const PASSES = "default<O3>";

/** LLVM 14 breaks off in passes between functions where pointers have no pointee: these stay within one. */
const PASSES_14 =
  "function(sroa,early-cse,instcombine,simplifycfg,loop-mssa(loop-rotate,licm),gvn,loop-unroll,instcombine,dse,simplifycfg)";

const RETURN_STATUS = 2;
const AGGRESSIVE = 3;
const POSITION_INDEPENDENT = 2;
const DEFAULT_MODEL = 0;
const OBJECT_FILE = 1;

/** Throws Refused where LLVM is missing, Bug where it does not take the text. */
export function compileObject(text: string, machine: Machine): Uint8Array {
  const llvm = openLlvm();
  const undo: (() => unknown)[] = [];
  const owned = (ref: unknown, dispose: (ref: Ref) => unknown): Ref => {
    if (typeof ref !== "bigint") throw new Bug("llvm", "a function of LLVM gave nothing");
    undo.push(() => dispose(ref));
    return ref;
  };
  try {
    const context = owned(llvm.call("LLVMContextCreate"), (c) => llvm.call("LLVMContextDispose", c));
    const module = owned(parse(llvm, context, text), (m) => llvm.call("LLVMDisposeModule", m));
    const made = targetMachine(llvm, machine);
    const target = owned(made, (m) => llvm.call("LLVMDisposeTargetMachine", m));
    const layout = owned(llvm.call("LLVMCreateTargetDataLayout", target), (l) => llvm.call("LLVMDisposeTargetData", l));
    llvm.call("LLVMSetTarget", module, machine.triple);
    llvm.call("LLVMSetModuleDataLayout", module, layout);
    const problem: Out = [null];
    const broken = llvm.call("LLVMVerifyModule", module, RETURN_STATUS, problem);
    const why = messageOf(llvm, problem);
    if (broken !== 0) throw new Bug("llvm", `the module is not valid: ${why}`, text);
    const options = owned(llvm.call("LLVMCreatePassBuilderOptions"), (o) =>
      llvm.call("LLVMDisposePassBuilderOptions", o),
    );
    const error = llvm.call("LLVMRunPasses", module, llvm.version === 14 ? PASSES_14 : PASSES, target, options);
    if (typeof error === "bigint") throw new Bug("llvm", `its passes failed: ${errorText(llvm, error)}`, text);
    return emit(llvm, target, module);
  } finally {
    for (const f of undo.toReversed()) f();
  }
}

function parse(llvm: Llvm, context: Ref, text: string): Ref | null {
  const bytes = new TextEncoder().encode(text);
  // The parser takes the buffer, whatever comes of it.
  const buffer = llvm.call("LLVMCreateMemoryBufferWithMemoryRangeCopy", bytes, bytes.length, "module");
  const module: Out = [null];
  const message: Out = [null];
  const failed = llvm.call("LLVMParseIRInContext", context, buffer as Ref, module, message);
  const why = messageOf(llvm, message);
  if (failed !== 0) throw new Bug("llvm", `the module cannot be read: ${why}`, text);
  return module[0];
}

function targetMachine(llvm: Llvm, { triple, cpu, features }: Machine): unknown {
  const target: Out = [null];
  const message: Out = [null];
  const failed = llvm.call("LLVMGetTargetFromTriple", triple, target, message);
  const why = messageOf(llvm, message);
  if (failed !== 0) throw new Bug("llvm", `no code for ${triple}: ${why}`);
  return llvm.call(
    "LLVMCreateTargetMachine",
    target[0],
    triple,
    cpu,
    features,
    AGGRESSIVE,
    POSITION_INDEPENDENT,
    DEFAULT_MODEL,
  );
}

function emit(llvm: Llvm, target: Ref, module: Ref): Uint8Array {
  const message: Out = [null];
  const buffer: Out = [null];
  const failed = llvm.call("LLVMTargetMachineEmitToMemoryBuffer", target, module, OBJECT_FILE, message, buffer);
  const why = messageOf(llvm, message);
  const [made] = buffer;
  if (failed !== 0 || made === null) throw new Bug("llvm", `no object was emitted: ${why}`);
  try {
    const start = llvm.call("LLVMGetBufferStart", made);
    if (typeof start !== "bigint") throw new Bug("llvm", "an object without bytes");
    return llvm.bytesAt(start, Number(llvm.call("LLVMGetBufferSize", made)));
  } finally {
    llvm.call("LLVMDisposeMemoryBuffer", made);
  }
}

/** Text that a function left, freed; empty where it left none. */
function messageOf(llvm: Llvm, [message]: Out): string {
  if (message === null) return "";
  const text = llvm.textAt(message);
  llvm.call("LLVMDisposeMessage", message);
  return text;
}

function errorText(llvm: Llvm, error: Ref): string {
  const message = llvm.call("LLVMGetErrorMessage", error);
  if (typeof message !== "bigint") return "";
  const text = llvm.textAt(message);
  llvm.call("LLVMDisposeErrorMessage", message);
  return text;
}

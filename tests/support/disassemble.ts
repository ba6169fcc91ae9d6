// The instructions of a shared library, as LLVM's disassembler names them.

import { createRequire } from "node:module";
import { openLlvm } from "../../targets/llvm/library.js";
import { NATIVE, type NativeName } from "../../targets/native-targets.js";

const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");

/** Everything that the disassembler knows. */
const KNOWN: Readonly<Record<NativeName, { readonly back: string; readonly features: string; readonly step: number }>> =
  {
    "x86-64": { back: "X86", features: "", step: 1 },
    aarch64: { back: "AArch64", features: "+v8.6a,+i8mm,+bf16,+dotprod", step: 4 },
  };

const SECTION = 64;
const PROGRAM = 1;
const EXECUTABLE = 4;

/** The bytes of an ELF file's sections that hold code. */
function codeOf(library: Uint8Array): Uint8Array[] {
  const view = new DataView(library.buffer, library.byteOffset, library.byteLength);
  const word = (at: number): number => Number(view.getBigUint64(at, true));
  const table = word(40);
  return Array.from({ length: view.getUint16(60, true) }, (_, i) => table + i * SECTION)
    .filter((at) => view.getUint32(at + 4, true) === PROGRAM && (word(at + 8) & EXECUTABLE) !== 0)
    .map((at) => library.slice(word(at + 24), word(at + 24) + word(at + 32)));
}

/** Lines of assembly, in order, without their addresses. */
export function disassemble(library: Uint8Array, target: NativeName): string[] {
  const { back, features, step } = KNOWN[target];
  const llvm = koffi.load(openLlvm().path);
  llvm.func(`void LLVMInitialize${back}Disassembler()`)();
  const open = llvm.func(
    "void *LLVMCreateDisasmCPUFeatures(const char *triple, const char *cpu, const char *features, void *info, int tag, void *op, void *symbol)",
  );
  const next = llvm.func(
    "size_t LLVMDisasmInstruction(void *from, uint8_t *bytes, uint64_t count, uint64_t at, _Out_ char *text, size_t room)",
  );
  const close = llvm.func("void LLVMDisasmDispose(void *from)");
  const { triple, baseline } = NATIVE[target];
  const from: unknown = open(triple, baseline, features, null, 0, null, null);
  const text = Buffer.alloc(256);
  const lines: string[] = [];
  for (const code of codeOf(library))
    for (let at = 0; at < code.length; ) {
      const size = Number(next(from, code.subarray(at), code.length - at, at, text, text.length));
      if (size > 0) lines.push(text.toString("latin1", 0, text.indexOf(0)).trim());
      at += size > 0 ? size : step;
    }
  close(from);
  return lines;
}

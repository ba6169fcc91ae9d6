// Finds LLVM's shared library on this machine and binds the part of its C API that compiling needs. Any version from 14
// on: PSIONIC_LLVM names one outright, else the usual places are tried, newest first.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import type { LibraryHandle } from "koffi";
import { refuse } from "../../compiler/ir/errors.js";

const VERSIONS = [21, 20, 19, 18, 17, 16, 15, 14];

/** Places where distributions and Homebrew put a version. Bare names are looked up by the system's loader. */
function placesOf(version: number): readonly string[] {
  const linux = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map((a) => `/usr/lib/${a}/libLLVM-${version}.so.1`);
  return [
    ...linux,
    `/usr/lib/llvm-${version}/lib/libLLVM.so.1`,
    `/usr/lib64/llvm${version}/lib/libLLVM-${version}.so`,
    `/opt/homebrew/opt/llvm@${version}/lib/libLLVM.dylib`,
    `/usr/local/opt/llvm@${version}/lib/libLLVM.dylib`,
  ];
}

const UNVERSIONED = ["/opt/homebrew/opt/llvm/lib/libLLVM.dylib", "/usr/local/opt/llvm/lib/libLLVM.dylib"];

/** The path of LLVM's library; null where there is none. */
export function findLlvm(): string | null {
  const named = process.env["PSIONIC_LLVM"];
  if (named !== undefined && named !== "") return named;
  return [...VERSIONS.flatMap(placesOf), ...UNVERSIONED].find((p) => existsSync(p)) ?? null;
}

/** An opaque pointer of the C API: an address. */
export type Ref = bigint;

/** Takes what a function gives through a pointer. */
export type Out = [Ref | null];

type LibraryFunction = ReturnType<LibraryHandle["func"]>;

/** The functions in use, by what they take and give. References are addresses. */
const SIGNATURES = {
  LLVMContextCreate: "void *LLVMContextCreate()",
  LLVMContextDispose: "void LLVMContextDispose(void *context)",
  LLVMCreateMemoryBufferWithMemoryRangeCopy:
    "void *LLVMCreateMemoryBufferWithMemoryRangeCopy(const uint8_t *data, size_t bytes, const char *name)",
  LLVMParseIRInContext:
    "int LLVMParseIRInContext(void *context, void *buffer, _Out_ void **module, _Out_ void **message)",
  LLVMDisposeModule: "void LLVMDisposeModule(void *module)",
  LLVMDisposeMessage: "void LLVMDisposeMessage(void *message)",
  LLVMSetTarget: "void LLVMSetTarget(void *module, const char *triple)",
  LLVMSetModuleDataLayout: "void LLVMSetModuleDataLayout(void *module, void *layout)",
  LLVMVerifyModule: "int LLVMVerifyModule(void *module, int action, _Out_ void **message)",
  LLVMGetTargetFromTriple: "int LLVMGetTargetFromTriple(const char *triple, _Out_ void **target, _Out_ void **message)",
  LLVMCreateTargetMachine:
    "void *LLVMCreateTargetMachine(void *target, const char *triple, const char *cpu, const char *features, int level, int reloc, int model)",
  LLVMDisposeTargetMachine: "void LLVMDisposeTargetMachine(void *machine)",
  LLVMCreateTargetDataLayout: "void *LLVMCreateTargetDataLayout(void *machine)",
  LLVMDisposeTargetData: "void LLVMDisposeTargetData(void *layout)",
  LLVMCreatePassBuilderOptions: "void *LLVMCreatePassBuilderOptions()",
  LLVMDisposePassBuilderOptions: "void LLVMDisposePassBuilderOptions(void *options)",
  LLVMRunPasses: "void *LLVMRunPasses(void *module, const char *passes, void *machine, void *options)",
  LLVMGetErrorMessage: "void *LLVMGetErrorMessage(void *error)",
  LLVMDisposeErrorMessage: "void LLVMDisposeErrorMessage(void *message)",
  LLVMTargetMachineEmitToMemoryBuffer:
    "int LLVMTargetMachineEmitToMemoryBuffer(void *machine, void *module, int kind, _Out_ void **message, _Out_ void **buffer)",
  LLVMGetBufferStart: "void *LLVMGetBufferStart(void *buffer)",
  LLVMGetBufferSize: "size_t LLVMGetBufferSize(void *buffer)",
  LLVMDisposeMemoryBuffer: "void LLVMDisposeMemoryBuffer(void *buffer)",
} as const;

type Argument = Ref | Out | string | number | Uint8Array | null;

export interface Llvm {
  readonly path: string;
  /** The major version; 14 stands for anything before 15. */
  readonly version: number;
  /** "LLVM 16.0.6"; the major version alone where the library does not tell more. */
  readonly name: string;
  /** Calls a function of the C API. */
  call(name: keyof typeof SIGNATURES, ...args: readonly Argument[]): unknown;
  /** The text at an address, up to its zero. */
  textAt(address: Ref): string;
  /** A copy of the bytes at an address. */
  bytesAt(address: Ref, bytes: number): Uint8Array;
}

const HINT =
  "install LLVM 14 or newer (Debian: apt install libllvm14; Homebrew: brew install llvm), or name its library in PSIONIC_LLVM";

function missing(detail: string): never {
  refuse({ code: "unsupported_backend_capability", scope: "llvm", subject: "libLLVM", detail, at: "", hint: HINT });
}

let opened: Llvm | null = null;

/** The library, opened once per process. Throws Refused where there is none. */
export function openLlvm(): Llvm {
  opened ??= bind();
  return opened;
}

const BACK_ENDS = ["X86", "AArch64"];
const PARTS = ["TargetInfo", "Target", "TargetMC", "AsmPrinter", "AsmParser"];

function bind(): Llvm {
  const path = findLlvm();
  if (path === null) return missing("native code needs LLVM's shared library, and none was found");
  // Only here: a compilation for WebAssembly does not load it.
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
  let library: LibraryHandle;
  try {
    library = koffi.load(path);
  } catch (e) {
    return missing(`${path} cannot be loaded: ${e instanceof Error ? e.message : String(e)}`);
  }
  const functions = new Map<string, LibraryFunction>();
  const find = (name: string, signature: string): LibraryFunction => {
    const known = functions.get(name);
    if (known !== undefined) return known;
    const made = tryFind(library, signature);
    if (made === null) return missing(`${path} has no ${name}: it is older than LLVM 14, or another library`);
    functions.set(name, made);
    return made;
  };
  const [version = 14, ...rest] = versionOf(library);
  // LLVM 14 reads pointers without a pointee only when told; later ones know nothing else.
  if (version === 14)
    find(
      "LLVMParseCommandLineOptions",
      "void LLVMParseCommandLineOptions(int n, const char **words, const char *text)",
    )(2, ["psionic", "-opaque-pointers"], null);
  for (const name of BACK_ENDS)
    for (const part of PARTS) find(`LLVMInitialize${name}${part}`, `void LLVMInitialize${name}${part}()`)();
  return {
    path,
    version,
    name: `LLVM ${[version, ...rest].join(".")}`,
    call: (name, ...args) => find(name, SIGNATURES[name])(...args),
    textAt: (address) => String(koffi.decode(address, "char", -1)),
    bytesAt: (address, bytes) => new Uint8Array(koffi.view(address, bytes)).slice(),
  };
}

function tryFind(library: LibraryHandle, signature: string): LibraryFunction | null {
  try {
    return library.func(signature);
  } catch {
    return null;
  }
}

/** Major, minor and patch are asked since LLVM 16; before, a function that 15 brought tells the major version. */
function versionOf(library: LibraryHandle): readonly number[] {
  const ask = tryFind(
    library,
    "void LLVMGetVersion(_Out_ uint32_t *major, _Out_ uint32_t *minor, _Out_ uint32_t *patch)",
  );
  if (ask === null)
    return [tryFind(library, "void LLVMContextSetOpaquePointers(void *context, int on)") === null ? 14 : 15];
  const parts: [number][] = [[0], [0], [0]];
  ask(...parts);
  return parts.map(([n]) => n);
}

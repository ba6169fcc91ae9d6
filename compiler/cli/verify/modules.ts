// Whether the modules of a bundle are what its target says: WebAssembly that this engine accepts, where it
// has the features for that, or shared libraries for the target's machine; with the export of every entry point.

import { hasFeature } from "../../../runtime-shim/features.js";
import type { Manifest } from "../../../runtime-shim/format.js";
import { moduleName } from "../bundle-view.js";
import { CliError } from "../failures.js";
import { isNative } from "../load-model.js";
import { readSharedLibrary } from "./elf.js";

export interface ModuleFindings {
  /** What is wrong with each module, with its place. */
  readonly issues: readonly string[];
  /** Features that this engine lacks, of each module that it therefore cannot judge. */
  readonly lacking: readonly (readonly string[])[];
}

export function judgeModules(manifest: Manifest, modules: readonly Uint8Array[]): ModuleFindings {
  const isShared = isNative(manifest.target);
  const issues: string[] = [];
  const lacking: (readonly string[])[] = [];
  for (const [i, code] of modules.entries()) {
    const spec = manifest.modules[i];
    const missing = isShared ? [] : (spec?.features ?? []).filter((f) => !hasFeature(f));
    if (missing.length > 0 && !WebAssembly.validate(Uint8Array.from(code))) {
      lacking.push(missing);
      continue;
    }
    const where = `module ${i}${spec === undefined ? "" : `, ${moduleName(spec)}`}`;
    const found = isShared ? libraryIssues(code, manifest) : wasmIssues(code, manifest);
    issues.push(...found.map((issue) => `${where}: ${issue}`));
  }
  return { issues, lacking };
}

function missing({ entries }: Manifest, exported: readonly string[]): string[] {
  return entries
    .filter((e) => !exported.includes(e.export))
    .map((e) => `no function "${e.export}" for entry "${e.name}"`);
}

function wasmIssues(code: Uint8Array, manifest: Manifest): string[] {
  const wasm = Uint8Array.from(code);
  if (!WebAssembly.validate(wasm)) return ["this engine does not accept it, and has every feature that it names"];
  const module = new WebAssembly.Module(wasm);
  const functions = WebAssembly.Module.exports(module).filter((e) => e.kind === "function");
  const issues = missing(
    manifest,
    functions.map((e) => e.name),
  );
  const imported = WebAssembly.Module.imports(module).map((x) => `${x.module}.${x.name} (${x.kind})`);
  if (imported.join() !== "env.memory (memory)")
    issues.push(`imports ${imported.join(", ") || "nothing"}, want env.memory (memory)`);
  return issues;
}

/** e_machine by target. */
const MACHINES: Readonly<Record<string, number>> = { "x86-64": 62, aarch64: 183 };

function libraryIssues(code: Uint8Array, manifest: Manifest): string[] {
  try {
    const { machine, exports } = readSharedLibrary(code);
    const want = MACHINES[manifest.target];
    const issues = missing(manifest, exports);
    if (machine !== want)
      issues.push(`it is for machine ${machine} of ELF, want ${want ?? "none"} (${manifest.target})`);
    return issues;
  } catch (e) {
    if (e instanceof CliError) return [e.message];
    throw e;
  }
}

// Programs in C for tests: the compiler, a model whose outputs are easy to tell, its library in a folder, and a program
// that is built and run there.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import type { ExecutionContext } from "ava";
import { bool, compile, dim, f32, state, tensor, trace, where } from "../../compiler/index.js";
import type { Compiled, CompileOptions } from "../../compiler/pipeline.js";
import type { NativeName } from "../../targets/native-targets.js";
import { nativeHost } from "./native.js";
import { repositoryRoot } from "./suites.js";

/** The command that makes programs of C or C++; null where this machine has none. */
export function findCompiler(language: "c" | "c++"): string | null {
  const named = language === "c" ? env["CC"] : env["CXX"];
  const names = [named, ...(language === "c" ? ["cc", "gcc", "clang"] : ["c++", "g++", "clang++"])];
  const input = "#include <stdio.h>\nint main(void) { return 0; }\n";
  const works = (name: string): boolean =>
    spawnSync(name, ["-x", language, "-o", "/dev/null", "-"], { input }).status === 0;
  return names.find((n) => n !== undefined && n !== "" && works(n)) ?? null;
}

export interface CHost {
  readonly target: NativeName;
  /** That this machine runs. */
  readonly levels: readonly string[];
  readonly cc: string;
}

/** What makes and runs programs here; else why nothing does. */
export function cHost(): CHost | string {
  const host = nativeHost();
  if (typeof host === "string") return host;
  const cc = findCompiler("c");
  return cc === null ? "this machine has no C compiler: install gcc" : { ...host, cc };
}

/** stdout of a command that succeeds. */
export function run(command: string, args: readonly string[], input: Uint8Array | string = ""): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { input, maxBuffer: 1 << 26 });
  if (status !== 0)
    throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? `${String(status)}\n${stdout}${stderr}`}`);
  return stdout.toString();
}

/** A folder that is removed when the test ends. */
export function freshFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "psionic-c-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

export const STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/** A file of tests/native/programs. */
export function programFile(name: string): string {
  return join(repositoryRoot(), "tests/native/programs", name);
}

/** Links a program with libraries that lie in a folder, and puts it there. */
export function build(
  compiler: string,
  source: string,
  at: string,
  libraries: readonly string[],
  more: readonly string[] = [],
): string {
  const program = join(at, "program");
  const linked = [`-L${at}`, ...libraries.map((l) => `-l${l}`), "-Wl,-rpath,$ORIGIN"];
  run(compiler, ["-std=c99", "-O1", ...STRICT, `-I${at}`, source, ...linked, ...more, "-o", program]);
  return program;
}

/** x + w + the number of runs where `keep` says so, else 0. The weight 42 tells where in the file the weights are. */
export function gate(w = 42) {
  const n = dim("n", 2, 5);
  const weights = tensor(new Float32Array([w, 1, 1, 1]), [4]);
  return trace({ x: f32(n, 4), keep: bool(n) }, ({ x, keep }) => {
    const runs = state("runs", f32(1));
    runs.add_(1);
    return { y: where(keep.unsqueeze(1), x.add(weights).add(runs), 0) };
  });
}

/** Writes the library, header and bundle of gate(w). */
export function writeGate(at: string, name: string, options: CompileOptions, w?: number): void {
  writeLibrary(at, name, compile(gate(w), { library: { name }, ...options }));
}

/** Writes what a compilation with a library made. */
export function writeLibrary(at: string, name: string, { bundle, library }: Compiled): void {
  if (library === undefined) throw new Error("no library was made");
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, `${name}.psn`), bundle);
  writeFileSync(join(at, `lib${name}.so`), library.library);
  writeFileSync(join(at, `${name}.h`), library.header);
}

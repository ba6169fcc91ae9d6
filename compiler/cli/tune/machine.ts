// The class of this machine: what a measurement made here is valid for.

const ISA: Readonly<Record<string, string>> = { x64: "x86-64", arm64: "aarch64" };

/** `wasm/x86-64/v8-11.3`: the target, the instruction set, the engine that compiles WebAssembly. */
export function machineClass(target: string): string {
  const [major = "0", minor = "0"] = (process.versions.v8 ?? "").split(".");
  return `${target}/${ISA[process.arch] ?? process.arch}/v8-${major}.${minor}`;
}

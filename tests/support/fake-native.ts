// The fake bundle as native code for this machine: its entries do nothing, and its library leaves a mark when it is opened,
// so that a test sees whether anything of it ran.

import type { BundleParts } from "../../codegen/bundle/write.js";
import { targetOfHost } from "../../runtime-shim/native-cpu.js";
import { libraryOf } from "./c-library.js";
import { fakeBundle, fakePlan, strictModule } from "./fake-bundle.js";

const ENTRIES = fakePlan.entries.map((e) => e.export);

/** Creates the file `mark` when it is opened. */
export function markingLibrary(mark: string): Uint8Array {
  const entry = (name: string): string =>
    `int ${name}(void *memory, const void *weights, int start, int stop, const int *symbols, void *pool) { return 0; }`;
  return libraryOf(`
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void leaveMark(void) { close(open(${JSON.stringify(mark)}, O_CREAT | O_WRONLY, 0600)); }
${ENTRIES.map(entry).join("\n")}`);
}

export function fakeNative(library: Uint8Array, changed: Partial<BundleParts> = {}): Uint8Array<ArrayBuffer> {
  const plan = { ...fakePlan, target: targetOfHost() ?? "x86-64" };
  return fakeBundle({ plan, modules: [strictModule(library)], ...changed });
}

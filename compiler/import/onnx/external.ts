// Reads tensor data from files beside a model, and from nowhere else: symbolic links are resolved before the check.

import { closeSync, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { type ReadExternal, TensorFault } from "./tensor-data.js";

/** A reader of files within `folder`. Throws TensorFault for paths that leave it and for files cut short. */
export function externalReader(folder: string): ReadExternal {
  const root = realpathSync(resolve(folder));
  return (path, offset, length) => {
    let real: string;
    try {
      real = realpathSync(join(root, path));
    } catch {
      throw new TensorFault("malformed_input", `external data file ${JSON.stringify(path)} is missing`);
    }
    const inside = relative(root, real);
    if (inside === "" || inside.startsWith(`..${sep}`) || inside === ".." || resolve(inside) === inside)
      throw new TensorFault(
        "sandbox_policy_denied",
        `external data file ${JSON.stringify(path)} leads out of the model's folder`,
      );
    const file = openSync(real, "r");
    try {
      const { size } = fstatSync(file);
      const want = length ?? size - offset;
      if (want < 0 || offset + want > size)
        throw new TensorFault(
          "malformed_input",
          `external data file ${JSON.stringify(path)} has ${size} bytes, bytes ${offset} to ${offset + want} are asked for`,
        );
      const out = new Uint8Array(want);
      for (let done = 0; done < want; ) {
        const n = readSync(file, out, done, want - done, offset + done);
        if (n === 0) throw new TensorFault("malformed_input", `external data file ${JSON.stringify(path)} ended early`);
        done += n;
      }
      return out;
    } finally {
      closeSync(file);
    }
  };
}

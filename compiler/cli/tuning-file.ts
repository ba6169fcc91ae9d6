// Tuning files on the command line: read where an option names one.

import type { CompileOptions } from "../pipeline.js";
import type { TuningLock } from "../schedule/tuning.js";
import { badInput, usage } from "./failures.js";
import { readBytes } from "./io/files.js";

export interface TuningOptions {
  readonly tuning?: string;
  readonly machine?: string;
}

export async function readLock(path: string): Promise<TuningLock> {
  const bytes = readBytes(path, "tuning file");
  const { parseTuning } = await import("../schedule/tuning.js");
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw badInput(`"${path}" is no text in UTF-8`);
  }
  return parseTuning(text);
}

/** What `compile` takes of --tuning and --machine. */
export async function tuningFrom({ tuning, machine }: TuningOptions): Promise<Pick<CompileOptions, "tuning">> {
  if (tuning !== undefined)
    return { tuning: { lock: await readLock(tuning), ...(machine === undefined ? {} : { machine }) } };
  if (machine !== undefined) throw usage("--machine is for a tuning file", "add --tuning tuning.lock");
  return {};
}

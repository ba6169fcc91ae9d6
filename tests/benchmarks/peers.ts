// The peers of one row, opened: without those that cannot run it, and those that compute something else than the judge.

import type { Elements } from "../support/onnx-writer.js";
import { largestError } from "./agree.js";
import type { Engine, Prepared } from "./engine.js";
import type { Row } from "./row.js";

/** A peer may round more than we may, with other products; what computes something else is further off. */
const LARGEST_ERROR = 0.3;

export interface OpenPeers {
  readonly peers: readonly { readonly name: string; readonly prepared: Prepared }[];
  /** The judge's results; null where it cannot run the row. */
  readonly right: ReadonlyMap<string, Elements["data"]> | null;
  /** Who is left out, and why. */
  readonly leftOut: readonly string[];
}

export async function openPeers(engines: readonly Engine[], row: Row, model: Uint8Array): Promise<OpenPeers> {
  const opened: { readonly engine: Engine; readonly prepared: Prepared }[] = [];
  const leftOut: string[] = [];
  for (const engine of engines.filter((e) => e.takes?.(row) ?? true))
    try {
      opened.push({ engine, prepared: await engine.prepare(row, model) });
    } catch (e) {
      leftOut.push(`${engine.name} failed: ${e instanceof Error ? (e.message.split("\n")[0] ?? "") : String(e)}`);
    }
  const judge = opened.find(({ engine }) => engine.judges === true);
  const right = judge === undefined ? null : await judge.prepared.outputs();
  const peers: OpenPeers["peers"][number][] = [];
  for (const { engine, prepared } of opened) {
    const error = right === null || engine === judge?.engine ? 0 : await errorOf(prepared, right);
    if (error <= LARGEST_ERROR) peers.push({ name: engine.name, prepared });
    else {
      leftOut.push(`${engine.name} is off by ${error.toExponential(0)}`);
      await prepared.release();
    }
  }
  return { peers, right, leftOut };
}

/** Of the outputs that it tells. */
async function errorOf(peer: Prepared, right: ReadonlyMap<string, Elements["data"]>): Promise<number> {
  const told = await peer.outputs();
  return largestError(told, new Map([...right].filter(([name]) => told.has(name))));
}

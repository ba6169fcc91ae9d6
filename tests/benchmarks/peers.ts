// The peers of one row, opened: without those that cannot run it, and those that compute something else than the judge.

import { largestError } from "./agree.js";
import type { Engine, Prepared } from "./engine.js";
import { firstLine } from "./first-line.js";
import type { Row } from "./row.js";

/** A peer may round more than we may, with other products; what computes something else is further off. */
const LARGEST_ERROR = 0.3;

type Outputs = Awaited<ReturnType<Prepared["outputs"]>>;

export interface OpenPeers {
  readonly peers: readonly { readonly name: string; readonly prepared: Prepared }[];
  /** The judge's results; null where it cannot run the row. */
  readonly right: Outputs | null;
  /** Who is left out, and why. */
  readonly leftOut: readonly string[];
}

export async function openPeers(engines: readonly Engine[], row: Row, model: Uint8Array): Promise<OpenPeers> {
  const opened: { readonly engine: Engine; readonly prepared: Prepared; readonly told: Outputs }[] = [];
  const leftOut: string[] = [];
  for (const engine of engines.filter((e) => e.takes?.(row) ?? true))
    try {
      opened.push({ engine, ...(await openPeer(engine, row, model)) });
    } catch (e) {
      leftOut.push(`${engine.name} ${firstLine(e)}`);
    }
  const judge = opened.find(({ engine }) => engine.judges === true);
  const right = judge?.told ?? null;
  const peers: OpenPeers["peers"][number][] = [];
  for (const { engine, prepared, told } of opened) {
    const error = right === null || engine === judge?.engine ? 0 : errorOf(told, right);
    if (error <= LARGEST_ERROR) peers.push({ name: engine.name, prepared });
    else {
      leftOut.push(`${engine.name} is off by ${error.toExponential(0)}`);
      await prepared.release();
    }
  }
  return { peers, right, leftOut };
}

/** Also run once: an engine may take a model and then fail on its inputs. */
async function openPeer(
  engine: Engine,
  row: Row,
  model: Uint8Array,
): Promise<{ readonly prepared: Prepared; readonly told: Outputs }> {
  const prepared = await engine.prepare(row, model);
  try {
    return { prepared, told: await prepared.outputs() };
  } catch (e) {
    await prepared.release();
    throw e;
  }
}

/** Of the outputs that it tells. */
function errorOf(told: Outputs, right: Outputs): number {
  return largestError(told, new Map([...right].filter(([name]) => told.has(name))));
}

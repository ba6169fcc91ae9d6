// What a run of the benchmark found, as lines for people and as JSON for a later comparison.

import type { Ceilings } from "./ceilings.js";
import type { Engine } from "./engine.js";

export interface PeerResult {
  readonly name: string;
  readonly ms: number;
  readonly coldMs: number | null;
  /** Peer's time / ours: above 1, ours is quicker. */
  readonly ratio: number;
}

export interface RowResult {
  readonly name: string;
  readonly kind: "warm" | "start";
  readonly backend: string;
  readonly tier: string;
  readonly dtype: string;
  readonly shape: string;
  readonly threads: number;
  /** Whether the inputs and weights of the run before are still in the caches, as far as they fit. */
  readonly cache: "hot" | "cold process";
  readonly ms: number;
  readonly quartiles: readonly [number, number];
  readonly rounds: number;
  readonly coldMs: number | null;
  readonly peers: readonly PeerResult[];
  /** Our own time on one thread / ours; null for rows of one thread. */
  readonly gain: number | null;
  /** "48.2 GFLOP/s", "12.0 GB/s" or empty. */
  readonly rate: string;
  /** Part of the machine's ceiling, 0 to 1; null for starts. */
  readonly ofCeiling: number | null;
  /** Greatest relative error against the judge. */
  readonly error: number | null;
  /** Peers that are not compared with, and why. */
  readonly leftOut: readonly string[];
  /** Why the row does not count, or empty. */
  readonly invalid: string;
}

/** A size rather than a time: peak memory or download. */
export interface SizeResult {
  readonly name: string;
  readonly bytes: number;
  readonly peers: readonly { readonly name: string; readonly bytes: number }[];
}

export interface Results {
  /** wasm or native. */
  readonly target: string;
  /** The target, and the level of a CPU. */
  readonly code: string;
  readonly tier: string;
  readonly node: string;
  readonly v8: string;
  readonly cpu: string;
  readonly ceilings: Ceilings;
  readonly rows: readonly RowResult[];
  readonly sizes: readonly SizeResult[];
}

/** A peer, by its name in results and in the table's head. */
export type PeerColumn = Pick<Engine, "name" | "column">;

type Columns = readonly (readonly [name: string, width: number])[];

/** A negative width aligns to the left. */
function columnsOf(peers: readonly PeerColumn[]): Columns {
  return [
    ["row", -29],
    ["dtype", -11],
    ["shape", -32],
    ["ms", 9],
    ["gain", 5],
    ...peers.flatMap(({ column }) => [[`${column} ms`, 9] as const, [column, 6] as const]),
    ["rate", 13],
    ["ceiling", 7],
    ["error", 7],
  ];
}

function line(columns: Columns, cells: readonly string[]): string {
  return columns
    .map(([, width], i) => {
      const cell = cells[i] ?? "";
      return width < 0 ? cell.padEnd(-width) : cell.padStart(width);
    })
    .join(" ")
    .trimEnd();
}

export function header(peers: readonly PeerColumn[]): string {
  const columns = columnsOf(peers);
  return line(
    columns,
    columns.map(([name]) => name),
  );
}

export function msText(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(4);
}

export function rowLine(r: RowResult, peers: readonly PeerColumn[]): string {
  if (r.invalid !== "" && r.peers.length === 0) return `${r.name.padEnd(29)} ${r.invalid}`;
  const peerCells = peers.flatMap(({ name }) => {
    const peer = r.peers.find((p) => p.name === name);
    return peer === undefined ? ["", ""] : [msText(peer.ms), peer.ratio.toFixed(2)];
  });
  const ceiling = r.ofCeiling === null ? "" : `${(r.ofCeiling * 100).toFixed(0)}%`;
  const error = r.error === null ? "" : r.error === 0 ? "0" : r.error.toExponential(0);
  const gain = r.gain === null ? "" : r.gain.toFixed(2);
  const text = line(columnsOf(peers), [
    r.name,
    r.dtype,
    r.shape,
    msText(r.ms),
    gain,
    ...peerCells,
    r.rate,
    ceiling,
    error,
  ]);
  return [text, ...new Set([r.invalid, ...r.leftOut])].filter((part) => part !== "").join("  ");
}

/** One line per peer, as tools read it. */
export function summaries(target: string, rows: readonly RowResult[], peers: readonly string[]): string[] {
  return peers.map((peer) => {
    const ratios = rows.flatMap((r) => {
      const found = r.invalid === "" ? r.peers.find((p) => p.name === peer) : undefined;
      return found === undefined ? [] : [{ name: r.name, ratio: found.ratio }];
    });
    return summaryOf(target, peer, ratios);
  });
}

export function summaryOf(
  target: string,
  peer: string,
  ratios: readonly { readonly name: string; readonly ratio: number }[],
): string {
  if (ratios.length === 0) return `bench ${target} vs ${peer}: 0 rows`;
  const mean = Math.exp(ratios.reduce((sum, r) => sum + Math.log(r.ratio), 0) / ratios.length);
  const worst = ratios.reduce((a, b) => (b.ratio < a.ratio ? b : a));
  return `bench ${target} vs ${peer}: geometric mean ${mean.toFixed(2)}, worst ${worst.ratio.toFixed(2)} (${worst.name}), ${ratios.length} rows`;
}

/** Rows of two runs side by side. Ratios to the peer matter more than times: the machine is not the same each time. */
export function comparison(before: Results, now: Results): string[] {
  const old = new Map(before.rows.map((r) => [r.name, r]));
  const lines = now.rows.flatMap((r) => {
    const was = old.get(r.name);
    if (was === undefined || r.invalid !== "" || was.invalid !== "") return [];
    const [a, b] = [was.peers[0]?.ratio, r.peers[0]?.ratio];
    const gain =
      a === undefined || b === undefined ? "" : `, ratio ${a.toFixed(2)} -> ${b.toFixed(2)} (x${(b / a).toFixed(2)})`;
    return [`${r.name.padEnd(29)} ${msText(was.ms)} -> ${msText(r.ms)} ms (x${(was.ms / r.ms).toFixed(2)})${gain}`];
  });
  return [`compared with ${before.code} on Node ${before.node}, ${before.tier}:`, ...lines];
}

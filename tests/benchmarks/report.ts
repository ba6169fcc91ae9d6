// What a run of the benchmark found, as lines for people and as JSON for a later comparison.

import type { Ceilings } from "./ceilings.js";

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
  readonly target: string;
  readonly tier: string;
  readonly node: string;
  readonly v8: string;
  readonly cpu: string;
  readonly ceilings: Ceilings;
  readonly rows: readonly RowResult[];
  readonly sizes: readonly SizeResult[];
}

const COLUMNS = [
  ["row", -29],
  ["dtype", -11],
  ["shape", -32],
  ["ms", 9],
  ["gain", 5],
  ["web ms", 9],
  ["web", 6],
  ["native ms", 9],
  ["native", 6],
  ["rate", 13],
  ["ceiling", 7],
  ["error", 7],
] as const;

function line(cells: readonly string[]): string {
  return COLUMNS.map(([, width], i) => {
    const cell = cells[i] ?? "";
    return width < 0 ? cell.padEnd(-width) : cell.padStart(width);
  })
    .join(" ")
    .trimEnd();
}

export function header(): string {
  return line(COLUMNS.map(([name]) => name));
}

export function msText(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(4);
}

export function rowLine(r: RowResult, peers: readonly string[]): string {
  if (r.invalid !== "" && r.peers.length === 0) return `${r.name.padEnd(29)} ${r.invalid}`;
  const peerCells = peers.flatMap((name) => {
    const peer = r.peers.find((p) => p.name === name);
    return peer === undefined ? ["", ""] : [msText(peer.ms), peer.ratio.toFixed(2)];
  });
  const ceiling = r.ofCeiling === null ? "" : `${(r.ofCeiling * 100).toFixed(0)}%`;
  const error = r.error === null ? "" : r.error === 0 ? "0" : r.error.toExponential(0);
  const gain = r.gain === null ? "" : r.gain.toFixed(2);
  const text = line([r.name, r.dtype, r.shape, msText(r.ms), gain, ...peerCells, r.rate, ceiling, error]);
  return r.invalid === "" ? text : `${text}  ${r.invalid}`;
}

export function ceilingsText(c: Ceilings): string {
  const madd = c.relaxedMadd === null ? "not in this engine" : `${c.relaxedMadd.toFixed(1)} GFLOP/s`;
  return [
    `ceilings of one thread in WebAssembly: f32x4 mul+add ${c.mulAdd.toFixed(1)} GFLOP/s, relaxed_madd ${madd};`,
    `reads from L2 ${c.l2.toFixed(0)}, L3 ${c.l3.toFixed(0)}, memory ${c.memory.toFixed(0)} GB/s`,
  ].join(" ");
}

/** One line per peer, as tools read it. */
export function summaries(target: string, rows: readonly RowResult[], peers: readonly string[]): string[] {
  return peers.map((peer) => {
    const ratios = rows.flatMap((r) => {
      const found = r.invalid === "" ? r.peers.find((p) => p.name === peer) : undefined;
      return found === undefined ? [] : [{ name: r.name, ratio: found.ratio }];
    });
    if (ratios.length === 0) return `bench ${target} vs ${peer}: 0 rows`;
    const mean = Math.exp(ratios.reduce((sum, r) => sum + Math.log(r.ratio), 0) / ratios.length);
    const worst = ratios.reduce((a, b) => (b.ratio < a.ratio ? b : a));
    return `bench ${target} vs ${peer}: geometric mean ${mean.toFixed(2)}, worst ${worst.ratio.toFixed(2)} (${worst.name}), ${ratios.length} rows`;
  });
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
  return [`compared with ${before.node}, ${before.tier}:`, ...lines];
}

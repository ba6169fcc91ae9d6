// The start rows of a model: one for each kind of program that a user would write.

import type { Tier } from "../../compiler/plan/plan.js";
import type { Elements } from "../support/onnx-writer.js";
import { largestError } from "./agree.js";
import type { Engine } from "./engine.js";
import { firstLine } from "./first-line.js";
import { median, quantile } from "./measure.js";
import type { Platform } from "./platform.js";
import { compileRow } from "./psionic.js";
import type { RowResult, SizeResult } from "./report.js";
import type { Row } from "./row.js";
import { fileSizes } from "./sizes.js";
import type { Start } from "./start.js";
import type { StartModel } from "./start-files.js";
import type { StartKind } from "./start-programs.js";

const ROUNDS = 9;

export interface StartOptions {
  readonly platform: Platform;
  readonly tier: Tier;
  /** The peers that count. */
  readonly engines: readonly Engine[];
  /** Names of rows. */
  readonly only: RegExp;
}

export interface StartResult {
  readonly result: RowResult;
  readonly sizes: readonly SizeResult[];
}

export function startNames(row: Row, { starts }: Platform): readonly string[] {
  return starts.map(({ title }) => `${title} ${row.name}`);
}

export async function startRows(row: Row, options: StartOptions): Promise<readonly StartResult[]> {
  const { platform, tier, only } = options;
  const kinds = platform.starts.filter(({ title }) => only.test(`${title} ${row.name}`));
  if (kinds.length === 0) return [];
  const model = row.model();
  try {
    const library = kinds.some((k) => k.needsLibrary) ? { name: "model" } : undefined;
    const compiled = compileRow(row, model, { platform, tier, threads: 1 }, library);
    const found: StartResult[] = [];
    for (const kind of kinds) found.push(await startRow(row, kind, { ...compiled, model }, options));
    const [first, ...rest] = found;
    if (first === undefined) return [];
    const sizes = await fileSizes(platform.name, row, compiled.bundle, model);
    return [{ ...first, sizes: [...first.sizes, sizes] }, ...rest];
  } catch (e) {
    return kinds.map((kind) => ({ result: { ...blank(row, kind, options), invalid: firstLine(e) }, sizes: [] }));
  }
}

async function startRow(row: Row, kind: StartKind, model: StartModel, options: StartOptions): Promise<StartResult> {
  const starts = await kind.measure(row, model, ROUNDS);
  const [mine] = starts;
  if (mine === undefined) throw new Error("nothing was started");
  const theirs = options.engines.flatMap((p) => starts.find((s) => s.name === p.name) ?? []);
  const judge = options.engines.find((e) => e.judges === true);
  const right = theirs.find((t) => t.name === judge?.name) ?? theirs.at(-1);
  const error = right === undefined ? null : largestError(outputOf(mine, model), outputOf(right, model));
  const result: RowResult = {
    ...blank(row, kind, options),
    ms: mine.ms,
    quartiles: [quantile(mine.samples, 0.25), quantile(mine.samples, 0.75)],
    rounds: mine.samples.length,
    coldMs: mine.ms,
    peers: theirs.map((t) => ({
      name: t.name,
      ms: t.ms,
      coldMs: t.ms,
      ratio: median(mine.samples.map((ms, i) => (t.samples[i] ?? Number.NaN) / ms)),
    })),
    error,
    invalid: error !== null && !(error <= row.tolerance) ? "WRONG RESULT" : "",
  };
  if (mine.peakBytes === null) return { result, sizes: [] };
  const peers = theirs.flatMap((t) => (t.peakBytes === null ? [] : [{ name: t.name, bytes: t.peakBytes }]));
  const name = `peak memory, ${kind.title} ${row.name}`;
  return { result, sizes: [{ name, bytes: mine.peakBytes, peers }] };
}

/** The first output, as it lies in memory, by its type. */
function outputOf({ output: { buffer } }: Start, { plan }: StartModel): ReadonlyMap<string, Elements["data"]> {
  const first = plan.entries[0]?.outputs[0];
  const Type = first === undefined || !isArrayType(first.dtype) ? Uint8Array : ARRAYS[first.dtype];
  return new Map([[first?.name ?? "", new Type(buffer)]]);
}

const ARRAYS = { f32: Float32Array, u8: Uint8Array, i8: Int8Array, i32: Int32Array, i64: BigInt64Array } as const;

function isArrayType(dtype: string): dtype is keyof typeof ARRAYS {
  return Object.hasOwn(ARRAYS, dtype);
}

function blank({ name, dtype, shape }: Row, { title }: StartKind, { platform, tier }: StartOptions): RowResult {
  return {
    name: `${title} ${name}`,
    kind: "start",
    backend: platform.name,
    tier,
    dtype,
    shape,
    threads: 1,
    cache: "cold process",
    ms: Number.NaN,
    quartiles: [0, 0],
    rounds: 0,
    coldMs: null,
    peers: [],
    gain: null,
    rate: "",
    ofCeiling: null,
    error: null,
    leftOut: [],
    invalid: "",
  };
}

// Whether parsed JSON has the fields of a Plan, each of its type: what inspect, diff, verify and replay may then read
// without care. What the values must be to each other is for validatePlan to judge.

import { isDType } from "../ir/dtype.js";
import type { Plan } from "../plan/plan.js";

type Shape = (v: unknown) => boolean;

const str: Shape = (v) => typeof v === "string";
const num: Shape = (v) => typeof v === "number";
const flag: Shape = (v) => typeof v === "boolean";
const list =
  (item: Shape): Shape =>
  (v) =>
    Array.isArray(v) && v.every(item);
const orNull =
  (shape: Shape): Shape =>
  (v) =>
    v === null || shape(v);
const pairs =
  (shapes: readonly (readonly [key: string, shape: Shape])[]): Shape =>
  (v) => {
    if (typeof v !== "object" || v === null) return false;
    const have = new Map(Object.entries(v));
    return shapes.every(([key, shape]) => shape(have.get(key)));
  };
const fields = (shapes: Readonly<Record<string, Shape>>): Shape => pairs(Object.entries(shapes));

const dim: Shape = (v) =>
  num(v) || str(v) || (Array.isArray(v) && v.length === 3 && str(v[0]) && dim(v[1]) && dim(v[2]));
const dtype: Shape = (v) => typeof v === "string" && isDType(v);
const region = fields({ offset: num, bytes: num });
const placed = { name: str, dtype, shape: list(dim), offset: num, bytes: num };
const live: Shape = (v) => list(num)(v) && Array.isArray(v) && v.length === 2;

const value: Shape = (v) => fields({ size: dim })(v) || fields({ buffer: str, index: num })(v);
const step: Shape = (v) =>
  typeof v === "object" && v !== null && "kind" in v && (STEPS.get(String(v.kind))?.(v) ?? false);
const steps: Shape = (v) => list(step)(v);
const STEPS: ReadonlyMap<string, Shape> = new Map([
  [
    "call",
    fields({
      name: str,
      kernel: num,
      args: list(num),
      reads: list(str),
      writes: list(str),
      binds: list(str),
      origin: str,
      work: orNull(dim),
    }),
  ],
  ["bind", fields({ symbol: str, value })],
  ["copy", fields({ from: str, to: str, bytes: dim, row: orNull(str) })],
  [
    "if",
    pairs([
      ["condition", str],
      ["yes", steps],
      ["no", steps],
    ]),
  ],
  [
    "loop",
    fields({
      trips: str,
      condition: str,
      next: str,
      iteration: str,
      bound: orNull(num),
      count: orNull(str),
      body: steps,
    }),
  ],
]);

const entry = fields({
  name: str,
  export: str,
  symbols: list(str),
  sources: list(fields({ symbol: str, input: num, axis: num, mul: num, add: num })),
  inputs: list(fields(placed)),
  outputs: list(fields(placed)),
  constraints: list(fields({ left: dim, right: dim, reason: str })),
  steps,
  buffers: list(fields({ ...placed, live })),
});

const choices: Shape = (v) => typeof v === "object" && v !== null && Object.values(v).every((x) => num(x) || str(x));

const plan = fields({
  target: str,
  variants: list(fields({ tier: str, threads: flag })),
  symbols: list(fields({ name: str, lo: num, hi: num, offset: orNull(num) })),
  memory: fields({ bytes: num, weights: region, states: region, arena: region }),
  constants: list(
    fields({
      name: str,
      offset: num,
      bytes: num,
      dtype,
      stored: dtype,
      add: num,
      shape: list(num),
      layout: str,
      digest: str,
    }),
  ),
  states: list(fields(placed)),
  kernels: list(fields({ name: str, template: str, digest: str, choices })),
  entries: list(entry),
  strings: list(str),
});

/** True where every field that a Plan has is there, with its type. */
export function isPlan(v: unknown): v is Plan {
  return plan(v);
}

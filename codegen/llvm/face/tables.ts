// A plan as constant tables: ports with their places in memory, symbols and where inputs give them, checks by their text.
// Memory here is the plan's without the weights, which lie elsewhere.

import { bytesOf, intRange } from "../../../compiler/ir/dtype.js";
import { Bug, refuse } from "../../../compiler/ir/errors.js";
import { symbolNames } from "../../../compiler/plan/dim-json.js";
import type { DimJson, EntryPlan, Plan, Port, StatePlan } from "../../../compiler/plan/plan.js";
import { dimText } from "../../../runtime-shim/format.js";
import { placeApart } from "../entry-form.js";
import { DTYPE_NUMBERS, isFaceDType, isNarrow } from "./abi.js";
import { MAX_RANK, PORT, RANGE } from "./abi-structs.js";
import type { Ptr } from "./code.js";
import type { Data, Item } from "./data.js";
import { Struct } from "./struct.js";

/** A port as the header shows it, and what the library needs besides. */
export const PORT_ROW = new Struct({
  ...PORT.fields,
  /** From the start of the model's memory, or of the weights where an output is a constant. */
  offset: "i64",
  in_weights: "i32",
  /** Bytes of an element. */
  each: "i64",
  /** Bit a: the run itself sets the size of axis a. */
  late: "i32",
  /** Elements are bytes of `lo` to `lo + span`; where span is 0, anything. */
  lo: "i8",
  span: "i8",
});

export const SOURCE_ROW = new Struct({ symbol: "i64", input: "i64", axis: "i64", mul: "i64", add: "i64" });

/** A symbol that the run sets and outputs use: its index, and where its i32 lies. */
export const BOUND_ROW = new Struct({ symbol: "i64", offset: "i64" });

export interface Tables {
  readonly entry: EntryPlan;
  readonly ports: { readonly input: Ptr; readonly output: Ptr; readonly state: Ptr };
  readonly symbols: Ptr;
  readonly sources: Ptr;
  readonly bound: { readonly rows: Ptr; readonly count: number };
  /** Index of each symbol that the entry takes, in order. */
  readonly args: Ptr;
  /** What each constraint says, by its index. */
  readonly constraints: Ptr;
  readonly strings: Ptr;
}

/** The only entry of a plan. */
export function entryOf(plan: Plan): EntryPlan {
  const [entry, second] = plan.entries;
  if (entry === undefined || second !== undefined) throw new Bug("face", `${plan.entries.length} entries, want one`);
  return entry;
}

export function writeTables(data: Data, plan: Plan): Tables {
  const entry = entryOf(plan);
  const slotOf = slots(plan);
  const late = new Set(plan.symbols.filter((s) => s.offset !== null).map((s) => s.name));
  const ports = (name: string, list: readonly (Port | StatePlan)[]): Ptr =>
    data.table(
      name,
      PORT_ROW,
      list.map((p) => portRow(data, plan, p, late)),
    );
  const used = new Set(entry.outputs.flatMap((p) => p.shape.flatMap((d) => [...symbolNames(d)])));
  const bound = plan.symbols.flatMap(({ name, offset }) =>
    offset !== null && used.has(name) ? [{ symbol: slotOf(name), offset: placeApart(plan, offset).offset }] : [],
  );
  return {
    entry,
    ports: {
      input: ports("inputs", entry.inputs),
      output: ports("outputs", entry.outputs),
      state: ports("states", plan.states),
    },
    symbols: data.table(
      "symbols",
      RANGE,
      plan.symbols.map(({ name, lo, hi }) => ({ name: data.text(name), lo, hi })),
    ),
    sources: data.table(
      "sources",
      SOURCE_ROW,
      entry.sources.map(({ symbol, input, axis, mul, add }) => ({ symbol: slotOf(symbol), input, axis, mul, add })),
    ),
    bound: { rows: data.table("bound", BOUND_ROW, bound), count: bound.length },
    args: data.words("args", "i64", entry.symbols.map(slotOf)),
    constraints: data.pointers(
      "constraints",
      entry.constraints.map((c) => data.text(`${dimText(c.left)} = ${dimText(c.right)} (${c.reason})`)),
    ),
    strings: data.pointers(
      "strings",
      plan.strings.map((s) => data.text(checkedString(s))),
    ),
  };
}

/** A symbol's index among the plan's. */
export function slots(plan: Plan): (name: string) => number {
  const indices = new Map(plan.symbols.map((s, i) => [s.name, i]));
  return (name) => {
    const found = indices.get(name);
    if (found === undefined) throw new Bug("face", `the plan has no symbol ${name}`);
    return found;
  };
}

type PortRow = { readonly [K in keyof (typeof PORT_ROW)["fields"]]: Item };

function portRow(data: Data, plan: Plan, port: Port | StatePlan, late: ReadonlySet<string>): PortRow {
  const { name, dtype, shape, bytes } = port;
  if (!isFaceDType(dtype)) throw new Bug("face", `"${name}" has dtype ${dtype}, which bundles do not pass`);
  if (shape.length > MAX_RANK) throw new Bug("face", `"${name}" has ${shape.length} axes, which bundles do not pass`);
  const isLate = (d: DimJson): boolean => [...symbolNames(d)].some((s) => late.has(s));
  const { min, max } = intRange(dtype);
  const place = placeApart(plan, port.offset);
  const [lo, span] = isNarrow(dtype) ? [Number(min), Number(max - min)] : [0, 0];
  return {
    name: data.text(checkedString(name)),
    shape: data.text(`${dtype}[${shape.map(dimText).join(", ")}]`),
    bytes,
    dtype: DTYPE_NUMBERS[dtype],
    rank: shape.length,
    dims: Array.from({ length: MAX_RANK }, (_, axis) => {
      const d = shape[axis] ?? 0;
      return typeof d === "number" ? d : -1;
    }),
    offset: place.offset,
    in_weights: place.base === "weights" ? 1 : 0,
    each: bytesOf(dtype),
    late: shape.reduce<number>((mask, d, axis) => (isLate(d) ? mask | (1 << axis) : mask), 0),
    lo,
    span,
  };
}

/** A text that C can hold. Throws Refused where it has a zero inside, or half of a character. */
function checkedString(text: string): string {
  if (!/[\0\p{Surrogate}]/u.test(text)) return text;
  return refuse({
    code: "malformed_input",
    scope: "library",
    subject: JSON.stringify(text),
    detail: `${JSON.stringify(text)} cannot be a string of C: it has a zero byte or is no Unicode text`,
    at: "",
    hint: "change the model's string, or use the bundle in Node",
  });
}

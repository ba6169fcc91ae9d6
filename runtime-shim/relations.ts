// The relations between a manifest's fields that its types cannot say: what lies in memory is inside it, aligned and
// apart; every symbol that a shape uses is known when the shape is needed; the blobs follow each other as the format
// says. After this, an offset or a length of the manifest can be used as it is.

import { constantDim } from "./dims.js";
import { bytesOf } from "./dtype.js";
import { show } from "./errors.js";
import {
  BLOB_KINDS,
  type DimJson,
  type EntrySpec,
  LIMITS,
  type Manifest,
  type PortSpec,
  type RegionSpec,
  WIDENED_ALIGN,
} from "./format.js";
import { malformed, over, unique } from "./json.js";
import { alignBlob } from "./manifest.js";
import { storedBytes } from "./widen.js";

type Named = readonly [where: string, region: RegionSpec];

function inside(inner: RegionSpec, outer: RegionSpec): boolean {
  return inner.offset >= outer.offset && inner.offset + inner.bytes <= outer.offset + outer.bytes;
}

function span(r: RegionSpec): string {
  return `bytes ${r.offset}..${r.offset + r.bytes}`;
}

function checkInside([where, region]: Named, outer: RegionSpec, want: string): void {
  if (!inside(region, outer)) malformed(where, span(region), `${want}, ${span(outer)}`);
}

function checkApart(regions: readonly Named[]): void {
  const sorted = regions.filter(([, r]) => r.bytes > 0).sort(([, a], [, b]) => a.offset - b.offset);
  let last: Named | undefined;
  for (const next of sorted) {
    if (last !== undefined && last[1].offset + last[1].bytes > next[1].offset) {
      malformed(next[0], `${span(next[1])}, which overlap ${last[0]}`, "a region of its own");
    }
    last = next;
  }
}

export function checkRelations(m: Manifest): void {
  const all = { offset: 0, bytes: m.memory.bytes };
  const { weights, states, arena } = m.memory;
  const regions: Named[] = [
    ["manifest.memory.weights", weights],
    ["manifest.memory.states", states],
    ["manifest.memory.arena", arena],
  ];
  for (const region of regions) checkInside(region, all, "inside the memory");
  checkApart(regions);
  checkWidened(m);

  unique(
    m.symbols.map((s) => s.name),
    "manifest.symbols",
  );
  for (const [i, s] of m.symbols.entries()) {
    const where = `manifest.symbols[${i}].offset`;
    if (s.offset === null) continue;
    if (s.offset % 4 !== 0) malformed(where, `${s.offset}`, "a multiple of 4");
    checkInside([where, { offset: s.offset, bytes: 4 }], all, "inside the memory");
  }
  const known = new Set(m.symbols.map((s) => s.name));

  unique(m.strings, "manifest.strings");
  const isText = m.entries.some((e) => [...e.inputs, ...e.outputs].some((p) => p.dtype === "str"));
  if (isText || m.strings.length > 0) {
    if (m.strings[0] !== "") malformed("manifest.strings[0]", show(m.strings[0]), '""');
  }
  unique(
    m.states.map((s) => s.name),
    "manifest.states",
  );
  for (const [i, s] of m.states.entries()) {
    const where = `manifest.states[${i}]`;
    checkPort(s, where, known);
    checkInside([where, s], states, "inside the states' region");
    // A string that the model does not know has a place for one run only.
    if (s.dtype === "str") malformed(`${where}.dtype`, '"str"', "a dtype whose values outlive a run");
  }
  checkApart(m.states.map((s, i) => [`manifest.states[${i}]`, s]));

  if (m.entries.length === 0) malformed("manifest.entries", "none", "at least one");
  unique(
    m.entries.map((e) => e.name),
    "manifest.entries",
  );
  for (const [i, e] of m.entries.entries()) checkEntry(m, e, `manifest.entries[${i}]`);
  checkBlobs(m);
}

/** Whole blocks within the weights, in order and apart: what openWidening() relies on. */
function checkWidened({ memory: { weights }, widened }: Manifest): void {
  if (widened.length === 0) return;
  const aligned = (region: RegionSpec, where: string): void => {
    for (const key of ["offset", "bytes"] as const) {
      if (region[key] % WIDENED_ALIGN === 0) continue;
      malformed(`${where}.${key}`, `${region[key]}`, `a multiple of ${WIDENED_ALIGN}, as weights are widened`);
    }
  };
  aligned(weights, "manifest.memory.weights");
  let end = weights.offset;
  for (const [i, w] of widened.entries()) {
    const where = `manifest.widened[${i}]`;
    aligned(w, where);
    checkInside([where, w], weights, "inside the weights' region");
    if (w.offset < end) malformed(`${where}.offset`, `${w.offset}`, `at least ${end}, the end of what is before`);
    end = w.offset + w.bytes;
  }
}

function checkDim(dim: DimJson, where: string, known: ReadonlySet<string>): void {
  if (typeof dim === "number") return;
  if (typeof dim === "string") {
    if (!known.has(dim)) malformed(where, `the symbol ${show(dim)}`, "one that has a value here");
    return;
  }
  checkDim(dim[1], where, known);
  checkDim(dim[2], where, known);
}

/** Alignment, symbols, and for constant shapes the size. Symbolic sizes are compared with `bytes` at every run. */
function checkPort(port: PortSpec, where: string, known: ReadonlySet<string>): void {
  const size = bytesOf(port.dtype);
  if (port.offset % size !== 0)
    malformed(`${where}.offset`, `${port.offset}`, `a multiple of ${size} for ${port.dtype}`);
  let elems: number | null = 1;
  for (const [axis, dim] of port.shape.entries()) {
    const at = `${where}.shape[${axis}]`;
    checkDim(dim, at, known);
    const constant = constantDim(dim);
    if (constant !== null && !(constant >= 0)) malformed(at, `${constant}`, "a size");
    elems = elems === null || constant === null ? null : elems * constant;
  }
  if (elems !== null && !(elems * size <= port.bytes)) {
    malformed(`${where}.bytes`, `${port.bytes}`, `at least ${elems * size} for ${elems} of ${port.dtype}`);
  }
}

function checkEntry(m: Manifest, e: EntrySpec, where: string): void {
  unique(e.symbols, `${where}.symbols`);
  const given = new Set<string>();
  const bound = new Set<string>();
  for (const s of m.symbols) (s.offset === null ? given : bound).add(s.name);
  for (const [i, name] of e.symbols.entries()) {
    if (!given.has(name)) malformed(`${where}.symbols[${i}]`, show(name), "a symbol that inputs give");
  }
  const mine = new Set(e.symbols);
  const sourced = new Set<string>();
  for (const [i, s] of e.sources.entries()) {
    const at = `${where}.sources[${i}]`;
    if (!mine.has(s.symbol)) malformed(`${at}.symbol`, show(s.symbol), "a symbol of the entry");
    const port = e.inputs[s.input];
    if (port === undefined) malformed(`${at}.input`, `${s.input}`, `one of ${e.inputs.length} inputs`);
    if (s.axis >= port.shape.length) malformed(`${at}.axis`, `${s.axis}`, `one of ${port.shape.length} axes`);
    sourced.add(s.symbol);
  }
  for (const name of mine) if (!sourced.has(name)) malformed(`${where}.sources`, `none for ${show(name)}`, "one");

  const all = { offset: 0, bytes: m.memory.bytes };
  const taken: Named[] = [
    ["manifest.memory.weights", m.memory.weights],
    ["manifest.memory.states", m.memory.states],
  ];
  for (const [i, port] of e.inputs.entries()) {
    const at = `${where}.inputs[${i}]`;
    checkPort(port, at, mine);
    checkInside([at, port], all, "inside the memory");
    taken.push([at, port]);
  }
  checkApart(taken);
  const atEnd = new Set([...mine, ...bound]);
  for (const [i, port] of e.outputs.entries()) {
    const at = `${where}.outputs[${i}]`;
    checkPort(port, at, atEnd);
    checkInside([at, port], all, "inside the memory");
  }
  const known = new Set([...given, ...bound]);
  for (const [i, c] of e.constraints.entries()) {
    checkDim(c.left, `${where}.constraints[${i}].left`, known);
    checkDim(c.right, `${where}.constraints[${i}].right`, known);
  }
}

function checkBlobs(m: Manifest): void {
  let end = 0;
  let rank = 0;
  for (const [i, b] of m.blobs.entries()) {
    const where = `manifest.blobs[${i}]`;
    if (b.offset !== alignBlob(end)) malformed(`${where}.offset`, `${b.offset}`, `${alignBlob(end)}`);
    end = b.offset + b.bytes;
    const next = BLOB_KINDS.indexOf(b.kind);
    const repeats = next === rank && i > 0 && b.kind !== "module";
    if (next < rank || repeats) malformed(`${where}.kind`, b.kind, `the order ${BLOB_KINDS.join(", ")}`);
    rank = next;
    if (b.kind === "module" && b.bytes > LIMITS.moduleBytes) over(`${where}.bytes`, `${b.bytes}`, LIMITS.moduleBytes);
  }
  const modules = m.blobs.filter((b) => b.kind === "module").length;
  if (modules === 0 || m.modules.length !== modules) {
    malformed("manifest.modules", `${m.modules.length} for ${modules} module blobs`, "one for each, at least one");
  }
  for (const [i, v] of m.modules.entries()) {
    if (v.blob !== i) malformed(`manifest.modules[${i}].blob`, `${v.blob}`, `${i}`);
  }
  const weights = m.blobs[modules];
  if (weights?.kind !== "weights") malformed("manifest.blobs", "no weights after the modules", "a blob of them");
  const stored = m.widened.reduce((sum, w) => sum - w.bytes + storedBytes(w.bytes, w), m.memory.weights.bytes);
  if (weights.bytes !== stored) {
    const want = `${stored}, as memory.weights has${m.widened.length === 0 ? "" : " before it is widened"}`;
    malformed(`manifest.blobs[${modules}].bytes`, `${weights.bytes}`, want);
  }
}

// ONNX files: importOnnx gives a graph that verifies, or Refused, and reads no file outside the model's folder. Of what
// imports, some is compiled too: a bundle that opens, or Refused.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBundle } from "../../../../codegen/bundle/read.js";
import { externalReader } from "../../../../compiler/import/onnx/external.js";
import { type DimSpec, importOnnx } from "../../../../compiler/import/onnx/import.js";
import { Refused } from "../../../../compiler/ir/errors.js";
import { Builder, type Graph, nodesOf } from "../../../../compiler/ir/graph.js";
import { parse, print } from "../../../../compiler/ir/text.js";
import { formatIssue, verify } from "../../../../compiler/ir/verify.js";
import { compile } from "../../../../compiler/pipeline.js";
import { sha256 } from "../bundle-parts.js";
import { mutateModel } from "../onnx-mutate.js";
import { Broken, type Target } from "../target.js";
import { onnxSeeds } from "./onnx-seeds.js";

const BOUND = 64;
/** Of graphs with more nodes than this none is compiled: unrolled loops take their time. */
const MOST_NODES = 60;
/** One in so many, by digest, so that an input is always compiled or never. */
const COMPILED_ONE_IN = Number(process.env["PSIONIC_FUZZ_COMPILE"] ?? 24);

const root = mkdtempSync(join(tmpdir(), "psionic-fuzz-"));
const folder = join(root, "model");
mkdirSync(folder);
const SECRET = Uint8Array.from({ length: 64 }, () => 0xa5);
writeFileSync(join(folder, "data.bin"), new Uint8Array(64));
writeFileSync(join(root, "data.bin"), SECRET);
symlinkSync(join(root, "data.bin"), join(folder, "link.bin"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

const inFolder = externalReader(folder);

function readExternal(path: string, offset: number, length: number | undefined): Uint8Array {
  const bytes = inFolder(path, offset, length);
  if (bytes.length > 0 && bytes.some((b) => b !== 0))
    throw new Broken(`read ${JSON.stringify(path)} outside the folder`);
  return bytes;
}

function checkGraph(graph: Graph): void {
  const issues = verify(graph);
  const [first] = issues;
  if (first !== undefined) throw new Broken(`the graph does not verify: ${formatIssue(first)}`);
  const printed = print(graph);
  if (printed.text.length > 50_000) return;
  const again = print(parse(printed.text, printed.tensors, new Builder()));
  if (again.text !== printed.text) throw new Broken("the graph prints as another after it is parsed");
}

interface Imported {
  readonly graph: Graph;
  readonly builder: Builder;
}

/** Null where the importer refuses. */
function importWith(input: Uint8Array, dims: Readonly<Record<string, DimSpec>>): Imported | null {
  const builder = new Builder();
  try {
    return { builder, graph: importOnnx(input, { builder, bound: BOUND, readExternal, dims }).graph };
  } catch (e) {
    if (e instanceof Refused) return null;
    throw e;
  }
}

export const target: Target = {
  name: "onnx",
  maxBytes: 16384,
  seeds: onnxSeeds,
  mutate: mutateModel,
  async run(input) {
    // Sizes for dimensions that the model does not have are refused too, so the first attempt gives none.
    const found = importWith(input, {}) ?? importWith(input, { n: { lo: 1, hi: 8 } });
    if (found === null) return "refused";
    const { graph, builder } = found;
    checkGraph(graph);
    if (Number.parseInt(sha256(input).slice(0, 8), 16) % COMPILED_ONE_IN !== 0) return "imported";
    if (nodesOf(graph).length > MOST_NODES) return "imported, too large to compile here";
    try {
      openBundle(compile({ graph, builder }).bundle);
      return "compiled";
    } catch (e) {
      if (e instanceof Refused) return "imported, compile refused";
      throw e;
    }
  },
};

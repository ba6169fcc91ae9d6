// The suspects of a model as a model of their own: what they read becomes its inputs, with the values of this run, or
// stays an initializer; what others read of them becomes its outputs. In: the model, its suspects and the values of this
// run by name. Out: the files of a folder with which the finding can be seen again.

import type { Draft, GraphProto, ModelProto, NodeProto } from "../../import/onnx/proto.js";
import { elementTypeOf } from "../../import/onnx/tensor-data.js";
import { encodeMessage } from "../../import/onnx/wire.js";
import { bytesOf } from "../../ir/dtype.js";
import type { Tensor } from "../../ir/tensor.js";
import { writeNpy } from "../io/npy.js";
import { type Named, originOf } from "./named.js";

export interface Case {
  readonly model: Draft<"ModelProto">;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly expected: ReadonlyMap<string, Tensor>;
  /** False: the whole model, since the suspects cannot be told apart in it. */
  readonly isCut: boolean;
}

/** Elements of an integer vector that is kept in the model: sizes and axes must be known when it is compiled. */
const MAX_KEPT = 64;

export function cut(model: ModelProto, origins: readonly string[], inputs: Named, values: Named): Case {
  return cutNodes(model, new Set(origins), inputs, values) ?? whole(model, inputs, values);
}

function whole(model: ModelProto, inputs: Named, values: Named): Case {
  return { model, inputs, expected: pick(values, namesOf(model.graph?.output ?? [])), isCut: false };
}

function cutNodes(model: ModelProto, origins: ReadonlySet<string>, given: Named, values: Named): Case | null {
  const { graph } = model;
  if (graph === undefined) return null;
  const node = graph.node.filter((n) => isSuspect(n, origins));
  if (node.length === 0) return null;
  const made = new Set(node.flatMap((n) => n.output));
  const isWeight = new Set([
    ...graph.initializer.map((t) => t.name ?? ""),
    ...graph.sparseInitializer.map((t) => t.values?.name ?? ""),
  ]);
  const reads = [...readsOf(node)].filter((name) => !made.has(name));
  const read = new Set(reads);
  const inputs = new Map<string, Tensor>();
  const kept: Draft<"TensorProto">[] = graph.initializer.filter((t) => read.has(t.name ?? ""));
  for (const name of reads) {
    if (isWeight.has(name)) continue;
    const t = values.get(name);
    if (t === undefined) return null;
    const isSizes = !given.has(name) && (t.dtype === "i64" || t.dtype === "i32") && t.shape.length <= 1;
    if (isSizes && t.size <= MAX_KEPT)
      kept.push({ name, dims: t.shape.map(BigInt), dataType: elementTypeOf(t.dtype), rawData: t.bytes });
    else inputs.set(name, t);
  }
  const others = readsOf(graph.node.filter((n) => !node.includes(n)));
  for (const name of namesOf(graph.output)) others.add(name);
  const outputs = [...made].filter((name) => others.has(name) && values.has(name));
  if (outputs.length === 0) return null;
  const expected = pick(values, outputs);
  return {
    model: {
      ...model,
      graph: {
        name: graph.name ?? "case",
        node,
        initializer: kept,
        sparseInitializer: graph.sparseInitializer.filter((t) => read.has(t.values?.name ?? "")),
        input: [...inputs].map(typed),
        output: [...expected].map(typed),
      },
    },
    inputs,
    expected,
    isCut: true,
  };
}

function typed([name, t]: readonly [string, Tensor]): Draft<"ValueInfoProto"> {
  const dim = t.shape.map((d) => ({ dimValue: BigInt(d) }));
  return { name, type: { tensorType: { elemType: elementTypeOf(t.dtype), shape: { dim } } } };
}

/** A node is suspected for itself or for what is in its subgraphs. */
function isSuspect(node: NodeProto, origins: ReadonlySet<string>): boolean {
  return origins.has(originOf(node)) || subgraphsOf(node).some((g) => g.node.some((n) => isSuspect(n, origins)));
}

function subgraphsOf(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap((a) => [...(a.g === undefined ? [] : [a.g]), ...a.graphs]);
}

/** Names that nodes read from outside, also from within their subgraphs. */
function readsOf(nodes: readonly NodeProto[]): Set<string> {
  const out = new Set<string>();
  for (const n of nodes) {
    for (const name of n.input) if (name !== "") out.add(name);
    for (const g of subgraphsOf(n)) for (const name of freeOf(g)) out.add(name);
  }
  return out;
}

function freeOf(graph: GraphProto): string[] {
  const own = new Set([
    ...namesOf(graph.input),
    ...graph.initializer.map((t) => t.name ?? ""),
    ...graph.node.flatMap((n) => n.output),
  ]);
  return [...readsOf(graph.node), ...namesOf(graph.output)].filter((name) => !own.has(name));
}

function namesOf(infos: readonly { readonly name: string | undefined }[]): string[] {
  return infos.map((v) => v.name ?? "").filter((name) => name !== "");
}

function pick(values: Named, names: readonly string[]): Map<string, Tensor> {
  return new Map(
    names.flatMap((name) => {
      const t = values.get(name);
      return t === undefined ? [] : [[name, t] as const];
    }),
  );
}

/** The folder's files: the model, an array per input and expected output, and how to run it again. */
export function caseFiles(c: Case, options: readonly string[], summary: string): Map<string, Uint8Array | string> {
  const files = new Map<string, Uint8Array | string>([["case.onnx", encodeMessage("ModelProto", c.model)]]);
  const save = (kind: string, [name, t]: readonly [string, Tensor], i: number): string => {
    const file = `${kind}-${i}-${name.replaceAll(/[^A-Za-z0-9_-]+/g, "_").slice(0, 60)}.npy`;
    files.set(file, writeNpy(t));
    return file;
  };
  const inputs = [...c.inputs].map((e, i) => `--input ${quoted(`${e[0]}=@${save("input", e, i)}`)}`);
  const expected = [...c.expected].map((e, i) => {
    const { dtype, shape, size } = e[1];
    return `- \`${save("expected", e, i)}\`: \`${e[0]}\`, ${dtype}[${shape.join(", ")}], ${size * bytesOf(dtype)} bytes`;
  });
  const what = c.isCut
    ? "The suspected nodes, cut out of the model"
    : "The whole model: its suspects cannot be cut out";
  const line = ["psionic debug bisect case.onnx", ...options, ...inputs].join(" ");
  files.set(
    "README.md",
    `# ${summary}\n\n${what}. In this folder:\n\n\`\`\`sh\n${line}\n\`\`\`\n\nExpected:\n\n${expected.join("\n")}\n`,
  );
  return files;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

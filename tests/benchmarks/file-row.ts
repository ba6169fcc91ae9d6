// A row for a model of the caller's own: its file, the sizes of its dynamic dimensions, and made-up inputs.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseDims } from "../../compiler/cli/dims.js";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { formatDim } from "../../compiler/ir/dim.js";
import { Builder } from "../../compiler/ir/graph.js";
import type { TensorType } from "../../compiler/ir/types.js";
import type { Elements } from "../support/onnx-writer.js";
import { bytes, floats, longs } from "./data.js";
import type { Row } from "./row.js";

export interface ModelFile {
  readonly path: string;
  /** `name=size`, as `psionic compile --dim` takes it. */
  readonly dims: readonly string[];
  /** Greatest error of an output, relative to the output's largest magnitude. */
  readonly tolerance: number;
}

/** The row of an ONNX file. Throws Refused where it cannot be imported, Error where a size stays open. */
export function fileRow({ path, dims, tolerance }: ModelFile): Row {
  const model = new Uint8Array(readFileSync(path));
  const sizes = parseDims(dims);
  const { graph } = importOnnx(model, { builder: new Builder(), name: basename(path), dims: sizes });
  const types = graph.inputs.flatMap(({ node, type }): readonly (readonly [string, TensorType])[] =>
    node.op === "input" ? [[node.attrs.name, type]] : [],
  );
  const inputs = Object.fromEntries(types.map(([name, type]) => [name, madeUp(name, type)]));
  const [first] = types;
  return {
    name: basename(path),
    shape: first === undefined ? "" : `[${first[1].shape.map(formatDim).join(",")}]`,
    dtype: first?.[1].dtype ?? "",
    inputs: () => inputs,
    dims: sizes,
    model: () => model,
    flops: null,
    bytes: null,
    tolerance,
    whole: true,
  };
}

/** Floats in [-1, 1), bytes of any value, and zeros of longer integers, which are often positions. */
function madeUp(name: string, { dtype, shape }: TensorType): Elements {
  const sizes = shape.map((d) => {
    if (typeof d !== "number")
      throw new Error(`input "${name}" has a size ${formatDim(d)}: give it one number, DIM='name=320'`);
    return d;
  });
  if (dtype === "f32") return floats(sizes);
  if (dtype === "u8" || dtype === "i8") return bytes(dtype, sizes);
  if (dtype === "i64") return longs(sizes, 0);
  throw new Error(`input "${name}" is of ${dtype}: the benchmark makes up f32, u8, i8 and i64`);
}

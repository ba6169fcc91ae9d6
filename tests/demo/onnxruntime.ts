// The demo's networks run by onnxruntime-node: what the OCR pipeline reads with somebody else's arithmetic.

import { InferenceSession, Tensor } from "onnxruntime-node";
import { modelFiles } from "../../examples/ocr/files.js";
import type { Network, Networks } from "../../examples/ocr/network.js";

/** One network, from its ONNX file. */
async function openNetwork(path: string): Promise<Network> {
  const session = await InferenceSession.create(path, { intraOpNumThreads: 2 });
  const [input] = session.inputNames;
  const [output] = session.outputNames;
  if (input === undefined || output === undefined) throw new Error(`${path} has no input or no output`);
  return async (data, shape) => {
    const result = (await session.run({ [input]: new Tensor("float32", data, shape) }))[output];
    if (!(result?.data instanceof Float32Array)) throw new Error(`${path}: the output "${output}" is not float32`);
    return { data: result.data, shape: result.dims };
  };
}

/** The three networks. */
export async function onnxruntimeNetworks(): Promise<Networks> {
  const [detection, direction, recognition] = await Promise.all([
    openNetwork(modelFiles.detection),
    openNetwork(modelFiles.direction),
    openNetwork(modelFiles.recognition),
  ]);
  return { detection, direction, recognition };
}

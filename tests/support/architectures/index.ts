// The architectures by name.

import type { Architecture } from "./architecture.js";
import { mobilenetv2, resnet50 } from "./convnets.js";
import { crnn } from "./crnn.js";
import { minilm, minilmInt8 } from "./minilm.js";
import { qdqConvnet, qlinearConvnet } from "./quantized-convnets.js";
import { smollm } from "./smollm.js";
import { smollmQ4, smollmQ4Chat, smollmQ4Int8 } from "./smollm-q4.js";
import { whisperDecoder, whisperEncoder } from "./whisper.js";
import { yolo } from "./yolo.js";

export const ARCHITECTURES = {
  resnet50,
  mobilenetv2,
  "minilm-l6": minilm,
  "minilm-l6-int8": minilmInt8,
  crnn,
  "whisper-encoder": whisperEncoder,
  "whisper-decoder": whisperDecoder,
  smollm,
  "smollm-q4": smollmQ4,
  "smollm-q4-int8": smollmQ4Int8,
  "smollm-q4-chat": smollmQ4Chat,
  yolo,
  "qdq-convnet": qdqConvnet,
  "qlinear-convnet": qlinearConvnet,
} as const satisfies Readonly<Record<string, Architecture>>;

export type ArchitectureName = keyof typeof ARCHITECTURES;

export function architecture(name: string): Architecture | null {
  const found: [string, Architecture] | undefined = Object.entries(ARCHITECTURES).find(([n]) => n === name);
  return found?.[1] ?? null;
}

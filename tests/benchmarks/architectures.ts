// Rows of the architectures that users bring most, at their real sizes with random weights.

import type { Sizes } from "../support/architectures/architecture.js";
import { ARCHITECTURES, type ArchitectureName } from "../support/architectures/index.js";
import { SMOLLM } from "../support/architectures/smollm.js";
import { smollmQ4Chat } from "../support/architectures/smollm-q4.js";
import type { Elements, ElementType } from "../support/onnx-writer.js";
import type { Value } from "../support/oracle.js";
import { llamaGguf } from "./llama-gguf.js";
import type { LlamaTask, Row } from "./row.js";

const NAMES = {
  resnet50: "ResNet-50",
  mobilenetv2: "MobileNetV2",
  "minilm-l6": "MiniLM-L6",
  "minilm-l6-int8": "MiniLM-L6 int8",
  crnn: "CRNN",
  "whisper-encoder": "Whisper encoder",
  "whisper-decoder": "Whisper decoder",
  yolo: "YOLO",
  "qdq-convnet": "QDQ convnet",
  "qlinear-convnet": "QLinear convnet",
} as const satisfies Readonly<Partial<Record<ArchitectureName, string>>>;

/** Integer results may differ by a step where a sum lies between two of them. */
const TOLERANCES: Readonly<Record<string, number>> = {
  "minilm-l6-int8": 0.05,
  "qdq-convnet": 0.05,
  "qlinear-convnet": 0.05,
  // onnxruntime-web multiplies these in f32.
  "smollm-q4-int8": 0.1,
  "smollm-q4-chat": 0.1,
};

/** Those that are measured from process start too: many weights of which a run reads all, and many of which it reads few. */
const STARTED: readonly ArchitectureName[] = ["resnet50", "mobilenetv2", "minilm-l6"];

const ELEMENT_TYPES: readonly ElementType[] = ["f32", "i64", "i32", "u8", "i8"];

function elements({ dtype, shape, data }: Value): Elements {
  const type = ELEMENT_TYPES.find((t) => t === dtype);
  const known =
    data instanceof Float32Array ||
    data instanceof BigInt64Array ||
    data instanceof Int32Array ||
    data instanceof Uint8Array ||
    data instanceof Int8Array;
  if (type === undefined || !known) throw new Error(`a benchmark's input cannot be ${dtype}`);
  return { dtype: type, shape, data };
}

interface RowOf {
  readonly key: ArchitectureName;
  readonly name: string;
  readonly sizes: Sizes;
}

function row({ key, name, sizes }: RowOf): Row {
  const { write, feeds } = ARCHITECTURES[key];
  const given = (): (readonly [string, Elements])[] =>
    Object.entries(feeds(sizes, "full")).map(([input, value]) => [input, elements(value)] as const);
  return {
    name: `${name} architecture`,
    shape: Object.entries(sizes)
      .map(([dim, size]) => `${dim} ${size}`)
      .join(", "),
    dtype: /int8|chat$|^q/.test(key) ? "int8" : "f32",
    model: () => write("full"),
    inputs: () => Object.fromEntries(given()),
    dims: sizes,
    flops: null,
    bytes: null,
    tolerance: TOLERANCES[key] ?? 1e-3,
    whole: STARTED.includes(key),
  };
}

const DECODERS = {
  smollm: "SmolLM",
  "smollm-q4": "SmolLM 4-bit",
  "smollm-q4-int8": "SmolLM 4-bit int8",
  "smollm-q4-chat": "SmolLM 4-bit chat",
} as const;

/** The words that the row's input has. */
function llamaTask(sizes: (typeof STEPS)[keyof typeof STEPS]): LlamaTask {
  const words = smollmQ4Chat.feeds(sizes, "full")["input_ids"]?.data ?? [];
  return { gguf: (onnx) => llamaGguf(onnx, SMOLLM.full), words: Array.from(words, Number), past: sizes.past };
}

/** A prompt, and one word after it. */
const STEPS = {
  prefill: { batch: 1, sequence: 128, past: 0 },
  decode: { batch: 1, sequence: 1, past: 128 },
} as const;

export const ARCHITECTURE_ROWS: readonly Row[] = [
  ...Object.entries(NAMES).map(([key, name]) => {
    const architecture = key as keyof typeof NAMES;
    return row({ key: architecture, name, sizes: ARCHITECTURES[architecture].fullSizes });
  }),
  ...Object.entries(DECODERS).flatMap(([key, name]) =>
    Object.entries(STEPS).map(([step, sizes]) => {
      const architecture = key as keyof typeof DECODERS;
      const one = row({ key: architecture, name: `${name} ${step}`, sizes });
      const words = { ...one, words: sizes.sequence };
      return architecture === "smollm-q4-chat" ? { ...words, llama: llamaTask(sizes) } : words;
    }),
  ),
];

// The peer of language models with 4-bit weights: llama.cpp, as the prebuilt library of node-llama-cpp (MIT), called without
// that package's own scheduling. It is given the same network as a GGUF file, and for a run the same words; it keeps its
// own cache of keys and values.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine, Prepared } from "./engine.js";
import { installed } from "./install.js";
import type { LlamaTask } from "./row.js";

/** What of the library is in use. */
interface Library {
  readonly AddonModel: new (path: string, options: Readonly<Record<string, unknown>>) => LlamaModel;
  readonly AddonContext: new (model: LlamaModel, options: Readonly<Record<string, unknown>>) => LlamaContext;
  readonly AddonSampler: new (model: LlamaModel) => Sampler;
  markLoaded(): boolean;
  setLogger(logger: (level: number, message: string) => void): void;
  loadBackends(folder: string): void;
  init(): Promise<void>;
}
interface LlamaModel {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
}
interface LlamaContext {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
  initBatch(words: number): void;
  /** Gives the places of the logits that were asked for, by the words' indices. */
  addToBatch(sequence: number, position: number, words: Uint32Array, asked: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(place: number, sampler: Sampler): Promise<number>;
  /** The fourth is a list of words and their logits in turn. */
  sampleToken(
    place: number,
    sampler: Sampler,
    probabilities: boolean,
    confidence: boolean,
    logits: true,
  ): Promise<readonly [number, unknown, unknown, readonly number[]]>;
  removeTokenCellsFromSequence(sequence: number, from: number, to: number): boolean;
}
interface Sampler {
  applyConfig(options: Readonly<Record<string, number>>): void;
  dispose(): void;
}

/** Words that a decoder may go on for before what it added is taken away again. */
const ROOM = 32;
/** Any words, where only their number counts. */
const FIRST_WORD = 300;
const SEQUENCE = 0;
const WHOLE = -1;

/** Throws with the reason where the library cannot be installed, or not be loaded here. */
export async function llamaCpp(threads: number): Promise<Engine> {
  const folder = join(installed("native-peers"), "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64");
  const library: Library = createRequire(import.meta.url)(join(folder, "llama-addon.node"));
  library.markLoaded();
  library.setLogger(() => {});
  library.loadBackends(folder);
  await library.init();
  return {
    name: "llama.cpp",
    column: "llama",
    takes: (row) => row.llama !== undefined,
    async prepare(row, onnx) {
      const task = row.llama;
      if (task === undefined) throw new Error("the row has no network for it");
      const model = await loadGguf(library, task.gguf(onnx));
      const most = Math.ceil((task.past + task.words.length * 2 + ROOM) / 256) * 256;
      const options = { contextSize: most, batchSize: most, sequences: 1, threads, flashAttention: "auto" };
      const context = new library.AddonContext(model, options);
      if (!(await context.init())) throw new Error("it has no context to give");
      return new Chat(context, new library.AddonSampler(model), model, task).prepared();
    },
  };
}

/** The file is gone when this returns: llama.cpp has it open. */
async function loadGguf({ AddonModel }: Library, gguf: Uint8Array): Promise<LlamaModel> {
  const folder = mkdtempSync(join(tmpdir(), "psionic-gguf-"));
  try {
    const path = join(folder, "model.gguf");
    writeFileSync(path, gguf);
    const model = new AddonModel(path, { gpuLayers: 0, useMmap: true });
    if (!(await model.init())) throw new Error("it does not take the GGUF file");
    return model;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class Chat {
  readonly #context: LlamaContext;
  readonly #sampler: Sampler;
  readonly #model: LlamaModel;
  readonly #words: Uint32Array;
  readonly #past: number;
  #length = 0;

  constructor(context: LlamaContext, sampler: Sampler, model: LlamaModel, { words, past }: LlamaTask) {
    this.#context = context;
    this.#sampler = sampler;
    this.#model = model;
    this.#words = Uint32Array.from(words);
    this.#past = past;
  }

  async prepared(): Promise<Prepared> {
    this.#sampler.applyConfig({ temperature: 0 });
    if (this.#past > 0) await this.#read(Uint32Array.from({ length: this.#past }, (_, i) => FIRST_WORD + i));
    return {
      run: async () => this.#context.sampleToken(await this.#next(), this.#sampler),
      outputs: async () => {
        // What stands before is of its own making: nothing can be compared.
        if (this.#past > 0) return new Map();
        const told = await this.#context.sampleToken(await this.#next(), this.#sampler, false, false, true);
        return new Map([["logits", logitsOf(told[3])]]);
      },
      release: async () => {
        this.#sampler.dispose();
        await this.#context.dispose();
        await this.#model.dispose();
      },
    };
  }

  /** Reads the row's words behind the past. */
  async #next(): Promise<number> {
    if (this.#length > this.#past && this.#length + this.#words.length > this.#past + ROOM) {
      this.#context.removeTokenCellsFromSequence(SEQUENCE, this.#past, WHOLE);
      this.#length = this.#past;
    }
    return this.#read(this.#words);
  }

  /** Gives the place of the last word's logits. */
  async #read(words: Uint32Array): Promise<number> {
    this.#context.initBatch(words.length);
    const [place = 0] = this.#context.addToBatch(SEQUENCE, this.#length, words, Uint32Array.of(words.length - 1));
    await this.#context.decodeBatch();
    this.#length += words.length;
    return place;
  }
}

function logitsOf(pairs: readonly number[]): Float32Array {
  const logits = new Float32Array(pairs.length / 2);
  for (let i = 0; i < pairs.length; i += 2) logits[pairs[i] ?? 0] = pairs[i + 1] ?? 0;
  return logits;
}

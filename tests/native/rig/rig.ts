// The stand (rig.c) as a process that answers one request after the other, while this thread waits: on this machine's CPU,
// under memcheck, or as a program for aarch64 under an emulator.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { repositoryRoot } from "../../support/suites.js";
import { HOSTS, MEMCHECK_LOG, type RigName } from "./hosts.js";
import { ANSWER_BESIDES, ANSWER_WORDS, CONTROL, type RigMessage, type RigTask, STATE } from "./protocol.js";
import type { Region } from "./regions.js";

export interface RigRequest {
  readonly library: Uint8Array;
  readonly entry: string;
  readonly memory: Uint8Array;
  readonly weights: { readonly offset: number; readonly bytes: number };
  readonly symbols: readonly number[];
  readonly initial: readonly Region[];
  readonly steps: readonly (readonly Region[])[];
}

export interface RigAnswer {
  readonly status: number;
  /** What was found wrong; "" for nothing. */
  readonly complaint: string;
  readonly memory: Uint8Array;
  /** For every bit of memory whether it is undefined, where that is known. */
  readonly undefinedBits: Uint8Array | null;
}

export class Rig {
  readonly #folder = mkdtempSync(join(tmpdir(), "psionic-rig-"));
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * CONTROL.words));
  readonly #worker: Worker;
  #requests = 0;

  /** Compiles and starts the program. Throws Error where that fails. */
  constructor(name: RigName) {
    process.once("exit", () => rmSync(this.#folder, { recursive: true, force: true }));
    const { compiler, runner } = HOSTS[name];
    const program = join(this.#folder, "rig");
    const source = join(repositoryRoot(), "tests/native/rig/rig.c");
    const flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"];
    const { status, stderr, error } = spawnSync(compiler, [...flags, "-o", program, source, "-ldl"], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${compiler} failed: ${error?.message ?? stderr}`);
    const task: RigTask = { command: [...runner(this.#folder), program], control: this.#control.buffer };
    this.#worker = new Worker(new URL("./rig-thread.js", import.meta.url), { workerData: task });
    this.#worker.unref();
  }

  /** Throws Error where the process ends instead of answering. */
  run(request: RigRequest): RigAnswer {
    const path = join(this.#folder, `library${this.#requests++}.so`);
    writeFileSync(path, request.library);
    try {
      return answerOf(this.#ask(bytesOf(request, path), 2 * request.memory.length), () => this.#log());
    } finally {
      rmSync(path);
    }
  }

  close(): void {
    this.#worker.postMessage(null satisfies RigMessage);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #ask(request: Uint8Array, answerBytes: number): Uint8Array {
    const answer = new Uint8Array(new SharedArrayBuffer(answerBytes + ANSWER_BESIDES));
    Atomics.store(this.#control, CONTROL.state, STATE.waiting);
    this.#worker.postMessage({ request, answer } satisfies RigMessage);
    Atomics.wait(this.#control, CONTROL.state, STATE.waiting);
    const bytes = answer.slice(0, Atomics.load(this.#control, CONTROL.length));
    if (Atomics.load(this.#control, CONTROL.state) === STATE.answered) return bytes;
    throw new Error(`the rig ended: ${new TextDecoder().decode(bytes)}\n${this.#log()}`);
  }

  /** What memcheck has told so far. */
  #log(): string {
    try {
      return readFileSync(join(this.#folder, MEMCHECK_LOG), "utf8").slice(-4000);
    } catch {
      return "";
    }
  }
}

function bytesOf(r: RigRequest, path: string): Uint8Array {
  const utf8 = new TextEncoder();
  const [pathBytes, entryBytes] = [utf8.encode(path), utf8.encode(r.entry)];
  const words = (numbers: readonly number[]): Uint8Array =>
    new Uint8Array(BigInt64Array.from(numbers, (n) => BigInt(n)).buffer);
  const regions = (list: readonly Region[]): Uint8Array =>
    words([list.length, ...list.flatMap((x) => [x.offset, x.bytes, (x.written ? 1 : 0) | (x.fresh ? 2 : 0)])]);
  const { weights, symbols, steps, memory } = r;
  const sizes = [pathBytes.length, entryBytes.length, memory.length, weights.offset, weights.bytes];
  return Buffer.concat([
    words([...sizes, symbols.length, steps.length]),
    pathBytes,
    entryBytes,
    new Uint8Array(Int32Array.from(symbols).buffer),
    regions(r.initial),
    ...steps.map(regions),
    memory,
  ]);
}

function answerOf(bytes: Uint8Array, log: () => string): RigAnswer {
  const [status = 0n, ...sizes] = new BigInt64Array(bytes.buffer, 0, ANSWER_WORDS);
  const [textBytes = 0, memoryBytes = 0, validityBytes = 0] = sizes.map(Number);
  const textAt = 8 * ANSWER_WORDS;
  const memoryAt = textAt + textBytes;
  const validityAt = memoryAt + memoryBytes;
  const complaint = new TextDecoder().decode(bytes.subarray(textAt, memoryAt));
  return {
    status: Number(status),
    complaint: complaint.includes("memcheck") ? complaint + log() : complaint,
    memory: bytes.subarray(memoryAt, validityAt),
    undefinedBits: validityBytes === 0 ? null : bytes.subarray(validityAt, validityAt + validityBytes),
  };
}

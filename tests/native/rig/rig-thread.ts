// The thread that talks to the rig's process, so that the thread that asks can wait for the answer.

import { spawn } from "node:child_process";
import { parentPort, workerData } from "node:worker_threads";
import { ANSWER_BESIDES, ANSWER_WORDS, CONTROL, type RigMessage, type RigTask, STATE } from "./protocol.js";

const { command, control } = workerData as RigTask;
const words = new Int32Array(control);
const [program = "", ...args] = command;
const child = spawn(program, args);
let into: Uint8Array | null = null;
let filled = 0;
let errors = "";
/** Why there will be no more answers. */
let ended: string | null = null;

function settle(state: number, length: number): void {
  into = null;
  filled = 0;
  Atomics.store(words, CONTROL.length, length);
  Atomics.store(words, CONTROL.state, state);
  Atomics.notify(words, CONTROL.state);
}

function end(why: string): void {
  ended ??= why;
  if (into === null) return;
  const bytes = new TextEncoder().encode(ended).subarray(0, ANSWER_BESIDES);
  into.set(bytes);
  settle(STATE.ended, bytes.length);
}

child.stdout.on("data", (bytes: Buffer) => {
  if (into === null) return;
  into.set(bytes, filled);
  filled += bytes.length;
  if (filled < 8 * ANSWER_WORDS) return;
  const sizes = new BigInt64Array(into.buffer, 8, ANSWER_WORDS - 1);
  const whole = 8 * ANSWER_WORDS + Number(sizes.reduce((a, b) => a + b, 0n));
  if (filled >= whole) settle(STATE.answered, whole);
});
child.stderr.setEncoding("utf8").on("data", (text: string) => {
  errors = (errors + text).slice(-2000);
});
// A process that ended is told by its end.
child.stdin.on("error", () => {});
child.on("error", (e) => end(e.message));
child.on("close", (code, signal) => end(`code ${code}, signal ${signal}\n${errors}`));

parentPort?.on("message", (message: RigMessage) => {
  if (message === null) {
    child.stdin.end();
    parentPort?.close();
    return;
  }
  into = message.answer;
  if (ended === null) child.stdin.write(message.request);
  else end(ended);
});

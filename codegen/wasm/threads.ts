// The functions by which the threads of a pool work together. One thread, the caller's, runs the plan; where a kernel is
// worth it, it opens a job. Parts of the job are claimed from queues in shared memory, one queue for each thread: its own
// first, so that a thread meets the same rows again in the next kernel, then those of others. The caller takes part and
// then waits for those who still work. A worker that sleeps or comes late is never waited for: it finds no part left.
//
// Shared memory behind the plan's:
//   base                 words of the pool, then the values of the plan's symbols, which each thread keeps in globals
//   base + shared        for each thread: its queue (the next part), then scratch memory of its own
//
// What a job reads was written before JOB was set, and what it wrote is read after BUSY is 0: both are atomic.

import type { Plan } from "../../compiler/plan/plan.js";
import { symbolsOfRun } from "../entry.js";
import type { Threading } from "../threading.js";
import { get, type Instruction, i32, set, type WasmFunction } from "./tree.js";

/** Bytes of the shared memory behind the plan's: `shared` once, `each` for every thread. */
export interface ThreadMemory {
  readonly shared: number;
  readonly each: number;
}

/** A step that runs in parts: its function, and the arguments after part and parts. */
export interface Job {
  readonly kernel: number;
  readonly args: readonly number[];
}

export interface ThreadCode {
  readonly functions: readonly WasmFunction[];
  /** Exported as they are named. */
  readonly exports: readonly string[];
  /** Byte address of the word that says whether an index was outside its data. */
  readonly fail: number;
  readonly symbols: ReadonlyMap<string, number>;
  /** Globals of each thread, all i32, as they are for a thread that is alone. */
  readonly globals: Readonly<Record<string, number>>;
}

const LINE = 64;
/** Counts jobs; workers wait for it to change. */
const EPOCH = 0;
/** The open job and one; 0 where none is. */
const JOB = LINE;
/** Threads inside a job. */
const BUSY = 2 * LINE;
/** Workers that sleep. */
const SLEEPERS = 3 * LINE;
const FAIL = 4 * LINE;
/** Whether a worker trapped. */
const FAULT = FAIL + 4;
const PARTS = FAIL + 8;
const SYMBOLS = 5 * LINE;

/** Nanoseconds that the caller sleeps between looks at a worker that has not finished. */
const NAP = 50_000n;

const align = (bytes: number): number => Math.ceil(bytes / LINE) * LINE;

/** `scratch`: the most bytes that a kernel needs. */
export function threadMemory(plan: Plan, scratch: number): ThreadMemory {
  return { shared: align(SYMBOLS + 4 * symbolsOfRun(plan).length), each: LINE + align(scratch) };
}

export function threadCode(plan: Plan, memory: ThreadMemory, threading: Threading): ThreadCode {
  const base = plan.memory.bytes;
  const names = symbolsOfRun(plan);
  const symbols = new Map(names.map((name, i) => [name, base + SYMBOLS + 4 * i]));
  const queues = base + memory.shared;
  return {
    functions: [
      fork(base, queues, memory.each, threading),
      help(base, queues, memory.each),
      work(base, symbols, threading),
      start(queues, memory.each),
      fault(base),
    ],
    exports: ["threads.start", "threads.work", "threads.fault"],
    fail: base + FAIL,
    symbols,
    globals: { id: 0, count: 1, waits: 0, scratch: queues + LINE, inside: 0 },
  };
}

/** The function behind a job's number: part and parts, then the step's own arguments. */
export function jobFunction({ kernel, args }: Job): WasmFunction {
  const body: Instruction[] = [["call.fn", kernel, get(0, "i32"), get(1, "i32"), ...args.map(i32)]];
  return { name: "job", params: 2, locals: [], body };
}

const id: Instruction = ["thread.get", "id"];
const count: Instruction = ["thread.get", "count"];
const load = (address: number): Instruction => ["i32.atomic.load", 0, i32(address)];
const store = (address: number, value: Instruction): Instruction => ["i32.atomic.store", 0, i32(address), value];
const bump = (address: number, by: number): Instruction => [
  "drop",
  ["i32.atomic.rmw.add", 0, i32(address), ["i32.literal", by]],
];
const when = (condition: Instruction, ...body: Instruction[]): Instruction => [
  "if",
  condition,
  ["block", ...body],
  ["block"],
];
const otherwise = (condition: Instruction, yes: Instruction[], no: Instruction[]): Instruction => [
  "if",
  condition,
  ["block", ...yes],
  ["block", ...no],
];

/** (job, grains): runs a job of so many grains of work, on as many threads as are worth it. */
function fork(base: number, queues: number, each: number, threading: Threading): WasmFunction {
  const { partsPerThread, grainsPerPart, callerSpins } = threading;
  const job = get(0, "i32");
  const [PARTS_OF_JOB, THREAD, NEXT, SPINS, STILL] = [2, 3, 4, 5, 6];
  const parts = get(PARTS_OF_JOB, "i32");
  const most: Instruction = ["i32.mul", count, i32(partsPerThread)];
  const grains = get(1, "i32");
  const least = (a: Instruction, b: Instruction): Instruction => ["select", ["i32.lt_u", a, b], a, b];
  const open: Instruction[] = [
    // As many parts for every thread.
    when(["i32.ge_u", parts, count], set(PARTS_OF_JOB, ["i32.sub", parts, ["i32.rem_u", parts, count]])),
    ["i32.store", 0, 4, i32(base + PARTS), parts],
    set(THREAD, i32(0)),
    set(NEXT, i32(queues)),
    [
      "loop",
      ["i32.atomic.store", 0, get(NEXT, "i32"), ["i32.div_u", ["i32.mul", parts, get(THREAD, "i32")], count]],
      set(NEXT, ["i32.add", get(NEXT, "i32"), i32(each)]),
      set(THREAD, ["i32.add", get(THREAD, "i32"), i32(1)]),
      ["continue_if", ["i32.lt_u", get(THREAD, "i32"), count]],
    ],
    store(base + JOB, ["i32.add", job, i32(1)]),
    bump(base + EPOCH, 1),
    when(load(base + SLEEPERS), ["drop", ["memory.atomic.notify", i32(base + EPOCH), ["i32.literal", -1]]]),
    ["call.thread", "threads.help", job],
    store(base + JOB, i32(0)),
    set(SPINS, i32(callerSpins)),
    [
      "loop",
      set(STILL, load(base + BUSY)),
      when(
        get(STILL, "i32"),
        otherwise(
          get(SPINS, "i32"),
          [set(SPINS, ["i32.sub", get(SPINS, "i32"), i32(1)])],
          [
            when(
              ["thread.get", "waits"],
              ["drop", ["memory.atomic.wait32", i32(base + BUSY), get(STILL, "i32"), ["i64.const", NAP]]],
            ),
          ],
        ),
      ),
      ["continue_if", get(STILL, "i32")],
    ],
    when(load(base + FAULT), store(base + FAULT, i32(0)), ["unreachable"]),
  ];
  return {
    name: "threads.fork",
    params: 2,
    locals: ["i32", "i32", "i32", "i32", "i32"],
    body: [
      // One for each thread; more where they are large; no smaller than a grain.
      set(PARTS_OF_JOB, least(["i32.div_u", grains, i32(grainsPerPart)], most)),
      when(["i32.lt_u", parts, count], set(PARTS_OF_JOB, least(grains, count))),
      otherwise(
        ["i32.or", ["i32.lt_u", count, i32(2)], ["i32.lt_u", parts, i32(2)]],
        [["call.job", job, i32(0), i32(1)]],
        open,
      ),
    ],
  };
}

/** (job): claims and runs parts until none is left. */
function help(base: number, queues: number, each: number): WasmFunction {
  const [QUEUE, ROUND, END, AT, PART, PARTS_OF_JOB] = [1, 2, 3, 4, 5, 6];
  const parts = get(PARTS_OF_JOB, "i32");
  const part = get(PART, "i32");
  const queue = get(QUEUE, "i32");
  const at = get(AT, "i32");
  const isLeft: Instruction = ["i32.lt_u", part, get(END, "i32")];
  return {
    name: "threads.help",
    params: 1,
    locals: ["i32", "i32", "i32", "i32", "i32", "i32"],
    body: [
      set(PARTS_OF_JOB, ["i32.load", 0, 4, i32(base + PARTS)]),
      set(QUEUE, id),
      set(ROUND, i32(0)),
      [
        "loop",
        set(END, ["i32.div_u", ["i32.mul", parts, ["i32.add", queue, i32(1)]], count]),
        set(AT, ["i32.add", i32(queues), ["i32.mul", queue, i32(each)]]),
        [
          "loop",
          // A look first: queues that are empty stay in every thread's cache.
          set(PART, ["i32.atomic.load", 0, at]),
          when(isLeft, set(PART, ["i32.atomic.rmw.add", 0, at, i32(1)])),
          when(isLeft, ["call.job", get(0, "i32"), part, parts]),
          ["continue_if", isLeft],
        ],
        set(QUEUE, ["i32.add", queue, i32(1)]),
        set(QUEUE, ["select", ["i32.lt_u", queue, count], queue, i32(0)]),
        set(ROUND, ["i32.add", get(ROUND, "i32"), i32(1)]),
        ["continue_if", ["i32.lt_u", get(ROUND, "i32"), count]],
      ],
    ],
  };
}

/** (): a worker's life: waits for jobs and takes part in them, until its thread is ended. */
function work(base: number, symbols: ReadonlyMap<string, number>, { workerSpins }: Threading): WasmFunction {
  const [SEEN, SPINS, OPEN] = [0, 1, 2];
  const seen = get(SEEN, "i32");
  const spins = get(SPINS, "i32");
  const isSame: Instruction = ["i32.eq", load(base + EPOCH), seen];
  const inside = (value: number): Instruction => ["thread.set", "inside", i32(value)];
  return {
    name: "threads.work",
    params: 0,
    locals: ["i32", "i32", "i32"],
    body: [
      [
        "loop",
        set(SPINS, i32(workerSpins)),
        [
          "loop",
          set(SPINS, ["i32.sub", spins, i32(1)]),
          ["continue_if", ["i32.and", isSame, ["i32.ne", spins, i32(0)]]],
        ],
        when(
          isSame,
          bump(base + SLEEPERS, 1),
          ["drop", ["memory.atomic.wait32", i32(base + EPOCH), seen, ["i64.const", -1n]]],
          bump(base + SLEEPERS, -1),
        ),
        set(SEEN, load(base + EPOCH)),
        // Counted before JOB is read: the caller closes a job before it looks at the count.
        bump(base + BUSY, 1),
        inside(1),
        set(OPEN, load(base + JOB)),
        when(
          get(OPEN, "i32"),
          ...[...symbols].map(
            ([name, address]): Instruction => ["symbol.keep", name, ["i32.load", 0, 4, i32(address)]],
          ),
          ["call.thread", "threads.help", ["i32.sub", get(OPEN, "i32"), i32(1)]],
        ),
        inside(0),
        bump(base + BUSY, -1),
        ["continue_if", i32(1)],
      ],
    ],
  };
}

/** (id, count, waits): who this thread is, of how many, and whether it may sleep. */
function start(queues: number, each: number): WasmFunction {
  return {
    name: "threads.start",
    params: 3,
    locals: [],
    body: [
      ["thread.set", "id", get(0, "i32")],
      ["thread.set", "count", get(1, "i32")],
      ["thread.set", "waits", get(2, "i32")],
      ["thread.set", "scratch", ["i32.add", i32(queues + LINE), ["i32.mul", get(0, "i32"), i32(each)]]],
    ],
  };
}

/** (): what a worker calls when threads.work trapped: the caller's job traps as well. */
function fault(base: number): WasmFunction {
  return {
    name: "threads.fault",
    params: 0,
    locals: [],
    body: [
      store(base + FAULT, i32(1)),
      when(["thread.get", "inside"], ["thread.set", "inside", i32(0)], bump(base + BUSY, -1)),
    ],
  };
}

// The ceilings' loops as LLVM IR, compiled and loaded as a bundle's kernels are. Each is run on known numbers first, and
// every lane of every chain must hold what these arithmetic operations give: so none of them was left out.

import { allocate, type NativeMemory, openLibrary } from "../../runtime-shim/native-library.js";
import { compileObject } from "../../targets/llvm/compile.js";
import { linkShared } from "../../targets/llvm/link.js";
import type { NativeLevel, NativeTarget } from "../../targets/llvm/native.js";
import { type DotLoop, type Loops, MEMORY_BYTES } from "./ceilings.js";
import { bf16DotOf, type DotStep, dotOf } from "./dot-products.js";

/** Enough to hide the latencies of mul and add, and few enough for 16 vector registers with two constants. */
const CHAINS = 12;
const LOADS = 8;

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const lines = (n: number, text: (i: number) => string): string => count(n).map(text).join("\n  ");

/** Takes the chains' first values, then b and c from `memory`, repeats a step, and leaves the chains in `results`. */
function chainsText(name: string, v: string, step: (i: number) => string): string {
  return `define i32 @${name}(ptr %memory, ptr %results, i32 %from, i32 %to, ptr %sizes, ptr %pool) {
entry:
  ${lines(CHAINS + 2, (i) => `%at${i} = getelementptr ${v}, ptr %memory, i64 ${i}`)}
  ${lines(CHAINS, (i) => `%first${i} = load ${v}, ptr %at${i}, align 4`)}
  %b = load ${v}, ptr %at${CHAINS}, align 4
  %c = load ${v}, ptr %at${CHAINS + 1}, align 4
  br label %loop
loop:
  %n = phi i32 [ %from, %entry ], [ %after, %loop ]
  ${lines(CHAINS, (i) => `%a${i} = phi ${v} [ %first${i}, %entry ], [ %next${i}, %loop ]`)}
  ${lines(CHAINS, step)}
  %after = add i32 %n, 1
  %more = icmp slt i32 %after, %to
  br i1 %more, label %loop, label %done
done:
  ${lines(CHAINS, (i) => `%to${i} = getelementptr ${v}, ptr %results, i64 ${i}`)}
  ${lines(CHAINS, (i) => `store ${v} %next${i}, ptr %to${i}, align 4`)}
  ret i32 0
}`;
}

/** a = a * b + c */
function flopsText(name: string, lanes: number, isFused: boolean): string {
  const v = `<${lanes} x float>`;
  const fma = `@llvm.fma.v${lanes}f32`;
  const text = chainsText(name, v, (i) =>
    isFused
      ? `%next${i} = call ${v} ${fma}(${v} %a${i}, ${v} %b, ${v} %c)`
      : `%product${i} = fmul ${v} %a${i}, %b
  %next${i} = fadd ${v} %product${i}, %c`,
  );
  return isFused ? `declare ${v} ${fma}(${v}, ${v}, ${v})\n${text}` : text;
}

/** Adds sizes[0] bytes of `memory` to LOADS vectors, again and again, and leaves these in `results`. */
function readText(lanes: number): string {
  const v = `<${lanes} x float>`;
  return `define i32 @run_read(ptr %memory, ptr %results, i32 %from, i32 %to, ptr %sizes, ptr %pool) {
entry:
  %size = load i32, ptr %sizes, align 4
  %bytes = zext i32 %size to i64
  %end = getelementptr i8, ptr %memory, i64 %bytes
  br label %again
again:
  %n = phi i32 [ %from, %entry ], [ %after, %once ]
  ${lines(LOADS, (i) => `%sum${i} = phi ${v} [ zeroinitializer, %entry ], [ %next${i}, %once ]`)}
  br label %loop
loop:
  %p = phi ptr [ %memory, %again ], [ %q, %loop ]
  ${lines(LOADS, (i) => `%a${i} = phi ${v} [ %sum${i}, %again ], [ %next${i}, %loop ]`)}
  ${lines(LOADS, (i) => `%at${i} = getelementptr ${v}, ptr %p, i64 ${i}`)}
  ${lines(LOADS, (i) => `%x${i} = load ${v}, ptr %at${i}, align 4`)}
  ${lines(LOADS, (i) => `%next${i} = fadd ${v} %a${i}, %x${i}`)}
  %q = getelementptr ${v}, ptr %p, i64 ${LOADS}
  %inside = icmp ult ptr %q, %end
  br i1 %inside, label %loop, label %once
once:
  %after = add i32 %n, 1
  %more = icmp slt i32 %after, %to
  br i1 %more, label %again, label %done
done:
  ${lines(LOADS, (i) => `%to${i} = getelementptr ${v}, ptr %results, i64 ${i}`)}
  ${lines(LOADS, (i) => `store ${v} %next${i}, ptr %to${i}, align 4`)}
  ret i32 0
}`;
}

/** The loops at every width that the level's code could use. Throws Refused where LLVM or a linker is missing. */
export function nativeLoops(target: NativeTarget, name: string, level: NativeLevel): Loops {
  const { unit, dialect } = level;
  const all = [128, 256, 512].filter((bits) => bits <= 32 * unit.lanes);
  const [dot, bf16] = [dotOf(dialect, unit), bf16DotOf(dialect, unit)];
  const text = [
    ...all.map((bits) => flopsText(`run_mulAdd${bits}`, bits / 32, false)),
    ...(dialect.fma ? all.map((bits) => flopsText(`run_fused${bits}`, bits / 32, true)) : []),
    ...(dot === null ? [] : [dot.declaration, chainsText("run_dot", `<${unit.lanes} x i32>`, dot.step)]),
    ...(bf16 === null ? [] : [bf16.declaration, chainsText("run_bf16", `<${unit.lanes} x float>`, bf16.step)]),
    readText(unit.lanes),
  ].join("\n");
  const object = compileObject(text, { triple: target.triple, cpu: level.cpu, features: level.enable });
  const library = openLibrary(linkShared([object], target.link));
  const blocks: Blocks = { memory: allocate(MEMORY_BYTES), results: allocate(4096) };
  const sizes = new Int32Array(1);
  const runner = (entry: string): ((n: number, bytes?: number) => void) => {
    const call = library.entry(entry);
    return (n, bytes = 0) => {
      sizes[0] = bytes;
      call(blocks.memory.address, blocks.results.address, 0, n, sizes, null);
    };
  };
  const flops = all.map((bits) => ({
    bits,
    flops: (2 * CHAINS * bits) / 32,
    mulAdd: runner(`run_mulAdd${bits}`),
    fused: dialect.fma ? runner(`run_fused${bits}`) : null,
  }));
  const loopOf = (step: DotStep | null, entry: string): DotLoop | null =>
    step === null ? null : { operations: step.operations * unit.lanes * CHAINS, run: runner(entry) };
  const [dots, bf16Dots] = [loopOf(dot, "run_dot"), loopOf(bf16, "run_bf16")];
  const read = runner("run_read");
  for (const { bits, mulAdd, fused } of flops) {
    checkFlops(`${bits}-bit mul+add`, bits / 32, mulAdd, Math.fround, blocks);
    // The product is exact in f64.
    if (fused !== null) checkFlops(`${bits}-bit fused`, bits / 32, fused, (x) => x, blocks);
  }
  if (dots !== null && dot !== null) checkDots(unit.lanes, dots.run, dot.lane, false, blocks);
  if (bf16Dots !== null && bf16 !== null) checkDots(unit.lanes, bf16Dots.run, bf16.lane, true, blocks);
  checkRead(unit.lanes, read, blocks);
  // Read from here on, and every page of it has been written.
  new Float32Array(blocks.memory.buffer).fill(0.5);
  return { code: `${target.name} ${name}`, flops, dot: dots, bf16: bf16Dots, read };
}

interface Blocks {
  readonly memory: NativeMemory;
  readonly results: NativeMemory;
}

const CHECKED_TIMES = 3;

/** `round`: of a product, before c is added. */
function checkFlops(
  what: string,
  lanes: number,
  run: (n: number) => void,
  round: (product: number) => number,
  { memory, results }: Blocks,
): void {
  const given = new Float32Array(memory.buffer, 0, (CHAINS + 2) * lanes);
  // Below 1 where it multiplies, so that no chain runs away however long it runs.
  for (let i = 0; i < given.length; i++) given[i] = 0.75 + 0.2 * Math.sin(i);
  run(CHECKED_TIMES);
  const have = new Float32Array(results.buffer, 0, CHAINS * lanes);
  const want = have.map((_, i) => {
    const [b, c] = [given[CHAINS * lanes + (i % lanes)] ?? 0, given[(CHAINS + 1) * lanes + (i % lanes)] ?? 0];
    let a = given[i] ?? 0;
    for (let n = 0; n < CHECKED_TIMES; n++) a = Math.fround(round(a * b) + c);
    return a;
  });
  if (have.some((x, i) => x !== want[i]))
    throw new Error(`the ceiling's loop of ${what} does not compute what it says`);
}

/** `lane`: what a step gives in a lane. Of bfloat16, chains are whole numbers in f32, and b and c have pairs of them. */
function checkDots(
  lanes: number,
  run: (n: number) => unknown,
  lane: DotStep["lane"],
  isReal: boolean,
  { memory, results }: Blocks,
): void {
  const words = new Int32Array(memory.buffer, 0, (CHAINS + 2) * lanes);
  for (let i = 0; i < words.length; i++) words[i] = isReal ? pairWord(i) : Math.imul(i + 1, 0x9e3779b1);
  const chains = isReal ? new Float32Array(memory.buffer, 0, CHAINS * lanes) : words;
  if (isReal) for (let i = 0; i < chains.length; i++) chains[i] = i;
  const [b, c] = [0, 1].map((at) => [...words.slice((CHAINS + at) * lanes, (CHAINS + at + 1) * lanes)]);
  run(CHECKED_TIMES);
  const have = new (isReal ? Float32Array : Int32Array)(results.buffer, 0, CHAINS * lanes);
  const isRight = (x: number, i: number): boolean => {
    let a = chains[i] ?? 0;
    for (let n = 0; n < CHECKED_TIMES; n++) a = lane(a, b ?? [], c ?? [], i % lanes);
    return x === a;
  };
  if (!have.every(isRight)) throw new Error("the ceiling's loop of dot products does not compute them");
}

/** Two small whole numbers of bfloat16 in a word. */
function pairWord(i: number): number {
  const [low, high] = new Int32Array(Float32Array.of((i % 5) - 2, (i % 7) + 1).buffer);
  return ((high ?? 0) & 0xffff0000) | ((low ?? 0) >>> 16);
}

function checkRead(lanes: number, read: (n: number, bytes: number) => void, { memory, results }: Blocks): void {
  const [vector, rounds] = [LOADS * lanes, 5];
  const given = new Float32Array(memory.buffer, 0, rounds * vector);
  // Small integers: every order of adding gives the same sum.
  for (let i = 0; i < given.length; i++) given[i] = (i * 7) % 251;
  read(2, given.byteLength);
  const have = new Float32Array(results.buffer, 0, vector);
  const isSum = (x: number, lane: number): boolean =>
    x === 2 * count(rounds).reduce((sum, r) => sum + (given[r * vector + lane] ?? 0), 0);
  if (!have.every(isSum)) throw new Error("the ceiling's loop of reading does not read what it says");
}

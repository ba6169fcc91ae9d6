// The rig finds what it is there to find: a library that does one wrong thing at a time is told by that thing, and one that
// does none is not.

import test from "ava";
import { libraryOf } from "../support/c-library.js";
import { type RigName, rigProblem } from "./rig/hosts.js";
import type { Region } from "./rig/regions.js";
import { Rig, type RigAnswer } from "./rig/rig.js";

/** symbols[0] says what the entry does. In memory: 64 bytes of weights at 64, an input at 128, an output at 192; 320 is the first step's. */
const SOURCE = `
int run_main(char *memory, const char *weights, int start, int stop, const int *symbols, void *pool) {
  int *in = (int *)(memory + 128), *out = (int *)(memory + 192);
  switch (symbols[0]) {
    case 0: out[0] = in[0] + *(int *)weights; return 0;
    case 1: memory[300] = 1; return 0;
    case 2: ((char *)weights)[0] = 1; return 0;
    case 3: out[0] = weights[64]; return 0;
    case 4: out[0] = memory[65536]; return 0;
    case 5: in[0] = 7; return 0;
    case 6: return 17;
    case 7: out[0] = memory[256]; return 0;
    case 8: if (out[1] == 5) in = out; out[0] = in[0]; return 0;
    case 12: return out[1];
    case 9: out[0] = out[1] + 1; return 0;
    case 10: out[0] = start == 0 ? 0 : memory[320]; return 0;
    default: out[0] = symbols[1]; return 0;
  }
}`;

const INPUT: Region = { offset: 128, bytes: 64, written: false, fresh: false };
const OUTPUT: Region = { offset: 192, bytes: 64, written: true, fresh: true };
const FIRST: Region = { offset: 320, bytes: 64, written: true, fresh: true };
const WEIGHTS: Region = { offset: 64, bytes: 64, written: false, fresh: false };

function answers(name: RigName): (what: number, entry?: string, library?: Uint8Array) => RigAnswer {
  const rig = new Rig(name);
  const own = libraryOf(SOURCE);
  return (what, entry = "run_main", library = own) => {
    const memory = new Uint8Array(65536);
    memory[64] = 30;
    memory[128] = 12;
    const steps = [
      [INPUT, OUTPUT, WEIGHTS, FIRST],
      [INPUT, { ...OUTPUT, fresh: false }, WEIGHTS],
    ];
    const weights = { offset: 64, bytes: 64 };
    return rig.run({ library, entry, memory, weights, symbols: [what], initial: [INPUT], steps });
  };
}

function given(name: RigName): typeof test | typeof test.skip {
  const problem = rigProblem(name);
  if (problem !== null) test(`${name} rig`, (t) => t.pass(`skipped: ${problem}`));
  return problem === null ? test : test.skip;
}

given("host")("what goes astray is told", (t) => {
  const run = answers("host");
  const fine = run(0);
  t.is(fine.complaint, "");
  t.is(fine.status, 0);
  t.is(fine.memory[192], 42);
  t.is(fine.memory[196], 0xa5);
  t.is(run(6).status, 17);
  t.regex(run(1).complaint, /^step 0 writes byte 300 of memory/u);
  t.regex(run(5).complaint, /^step 0 writes byte 128 of memory/u);
  t.regex(run(2).complaint, /^step 0: Segmentation fault at byte 0 of the 64 of the weights/u);
  t.regex(run(3).complaint, /^step 0: Segmentation fault at byte 64 of the 64 of the weights/u);
  t.regex(run(4).complaint, /^step 0: Segmentation fault at byte 65536 of the 65536 of memory/u);
  t.regex(run(0, "run_other").complaint, /undefined symbol: run_other/u);
  t.regex(run(0, "run_main", new Uint8Array(100)).complaint, /file too short|invalid ELF/u);
  t.is(run(0).complaint, "", "one fault does not spoil the next request");
});

given("memcheck")("memcheck tells what is read and was not given", (t) => {
  const run = answers("memcheck");
  const fine = run(0);
  t.is(fine.complaint, "");
  t.deepEqual([...(fine.undefinedBits?.subarray(192, 197) ?? [])], [0, 0, 0, 0, 0xff]);
  t.regex(run(7).complaint, /^step 0: memcheck has 1 complaints[\s\S]*Invalid read of size 1/u);
  t.regex(run(8).complaint, /^step 0: memcheck[\s\S]*depends on uninitialised/u);
  t.regex(run(10).complaint, /^step 1: memcheck[\s\S]*Invalid read/u);
  t.regex(run(11).complaint, /^step 0: memcheck[\s\S]*0 bytes after a block of size 4/u);
  t.regex(run(12).complaint, /^step 0: memcheck[\s\S]*Uninitialised byte/u);
  const undefinedSum = run(9);
  t.is(undefinedSum.complaint, "");
  t.not(undefinedSum.undefinedBits?.[192], 0);
});

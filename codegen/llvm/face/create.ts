// A model is set up at the start of its arena, the caller's or one that the library maps: the last step of psn_load. What
// fails leaves nothing behind.

import type { Plan } from "../../../compiler/plan/plan.js";
import { bytesWithoutWeights } from "../entry-form.js";
import { MOST_THREADS } from "../pool-layout.js";
import type { StatusName } from "./abi.js";
import { OPTIONS } from "./abi-structs.js";
import { CHECK_WEIGHTS } from "./checks.js";
import { type I64, i32, i64, NULL, type Ptr, signature } from "./code.js";
import { CHOOSE_LEVEL } from "./cpu.js";
import { levelTables, NEW_POOL } from "./levels.js";
import { isFailedMap, LIBC, MADV_HUGEPAGE, MAP_PRIVATE_ANONYMOUS, PROT_READ_WRITE } from "./libc.js";
import { type FaceModule, MODEL, type Sink, statusValue } from "./module.js";

const ALIGN = 64;
const HUGE_PAGE = 2 ** 21;
const MODEL_BYTES = Math.ceil(MODEL.bytes / ALIGN) * ALIGN;

export function arenaBytes(plan: Plan): number {
  return MODEL_BYTES + bytesWithoutWeights(plan);
}

/** What marks the library's own models. */
export function ownerOf({ data, model }: FaceModule): Ptr {
  return data.text(model.bundle.digest);
}

/** (weights, mapping and its bytes to keep or null, whether to check, options, where the model goes, error, its bytes) */
export const CREATE = signature("face.create", "i32", ["ptr", "ptr", "i64", "i1", "ptr", "ptr", "ptr", "i64"]);

export function writeCreate(module: FaceModule): void {
  const { plan, levels, target, prefix } = module.model;
  const { entries, pools } = levelTables(module);
  const need = arenaBytes(plan);

  module.define(CREATE, (code, weights, map, mapBytes, isChecked, given, model, text, textBytes) => {
    const sink: Sink = { text, bytes: textBytes };
    const fail = (status: StatusName, format: string, ...args: readonly (I64 | Ptr)[]): void =>
      module.fail(code, sink, status, format, ...args);

    // A caller of an older header has fewer options: those that it lacks are 0.
    const options = code.room(OPTIONS.bytes);
    code.callOutside(LIBC.memset, [options, i32(0), i64(OPTIONS.bytes)]);
    code.if(code.not(code.isNull(given)), () => {
      const size = code.get(given, OPTIONS, "size");
      const isWrong = code.or(code.compare("ult", size, i64(8)), code.compare("ugt", size, i64(OPTIONS.bytes)));
      const format = `options: have size %lld, want sizeof(psn_options), ${OPTIONS.bytes} for this library: set it`;
      code.if(isWrong, () => fail("INVALID_ARGUMENT", format, size));
      code.callOutside(LIBC.memcpy, [options, given, size]);
    });
    const threads = code.wide(code.get(options, OPTIONS, "threads"));
    const most = pools === null ? 1 : MOST_THREADS;
    const hint = pools === null ? "compile the model with --threads for more" : "the library's limit";
    code.if(code.compare("ugt", threads, i64(most)), () =>
      fail("UNSUPPORTED", `options: have %lld threads, want at most ${most}: ${hint}`, threads),
    );
    const level = code.call(CHOOSE_LEVEL);
    const wants = levels.map((l) => l.features.join(" and ")).join(", or ");
    code.if(code.compare("slt", level, i32(0)), () =>
      fail("UNSUPPORTED", `the CPU lacks ${wants}: compile the model for another level of ${target} (--cpu)`),
    );
    const isUnsure = code.compare("eq", code.get(options, OPTIONS, "trust"), i32(0));
    code.if(code.and(isChecked, isUnsure), () => {
      const isMapped = code.not(code.isNull(map));
      const status = code.call(CHECK_WEIGHTS, weights, isMapped, text, textBytes);
      code.if(code.compare("ne", status, statusValue("OK")), () => code.return(status));
    });

    const arena = code.local(code.get(options, OPTIONS, "arena"));
    const own = code.local(i64(0));
    code.if(
      code.isNull(arena.get()),
      () => {
        const args = [NULL, i64(need), i32(PROT_READ_WRITE), i32(MAP_PRIVATE_ANONYMOUS), i32(-1), i64(0)] as const;
        const got = code.callOutside(LIBC.mmap, args);
        code.if(isFailedMap(code, got), () =>
          fail("OUT_OF_MEMORY", `the system has no ${need} bytes of memory to give`),
        );
        // Fewer faults in the first run and fewer misses in all.
        if (need >= HUGE_PAGE) code.callOutside(LIBC.madvise, [got, i64(need), i32(MADV_HUGEPAGE)]);
        arena.set(got);
        own.set(i64(need));
      },
      () => {
        const bytes = code.get(options, OPTIONS, "arena_bytes");
        code.if(code.compare("ult", bytes, i64(need)), () =>
          fail("TOO_SMALL", `arena: have %lld bytes, want ${need}, as ${prefix}_arena_bytes() says`, bytes),
        );
        const off = code.op("and", code.address(arena.get()), i64(ALIGN - 1));
        code.if(code.compare("ne", off, i64(0)), () =>
          fail("INVALID_ARGUMENT", `arena: have an address %lld behind a multiple of ${ALIGN}, want one at it`, off),
        );
        code.callOutside(LIBC.memset, [arena.get(), i32(0), i64(need)]);
      },
    );
    const made = arena.get();
    const index = code.wide(level);
    if (pools !== null)
      code.if(code.compare("ugt", threads, i64(1)), () => {
        const start = code.load("ptr", code.element(pools.start, index, 8));
        const pool = code.callThrough(start, NEW_POOL, code.low(threads));
        code.if(code.isNull(pool), () => {
          code.if(code.compare("ne", own.get(), i64(0)), () => code.callOutside(LIBC.munmap, [made, own.get()]));
          fail("OUT_OF_MEMORY", "the system has no %lld threads to give", threads);
        });
        code.set(made, MODEL, "pool", pool);
        code.set(made, MODEL, "end_pool", code.load("ptr", code.element(pools.end, index, 8)));
      });
    code.set(made, MODEL, "owner", ownerOf(module));
    code.set(made, MODEL, "memory", code.at(made, MODEL_BYTES));
    code.set(made, MODEL, "weights", weights);
    code.set(made, MODEL, "run", code.load("ptr", code.element(entries, index, 8)));
    code.set(made, MODEL, "map", map);
    code.set(made, MODEL, "map_bytes", mapBytes);
    code.set(made, MODEL, "own_bytes", own.get());
    code.store(made, model);
    code.return(statusValue("OK"));
  });
}

// The pool of threads inside a library, as LLVM IR over pthreads and futexes. One thread, the caller's, runs the plan;
// where a kernel is worth it, it opens a job. Parts of the job are claimed from queues, one queue for each thread: its own
// first, so that a thread meets the same rows again in the next kernel, then those of others. The caller takes part and
// then waits for those who still work. A worker that sleeps or comes late is never waited for: it finds no part left.
//
//   ptr psn_pool_new(i32 threads)    a pool of so many threads, the caller's among them; null where there is none to have
//   void psn_pool_free(ptr pool)     ends and joins its threads; no run uses the pool at that time or later; takes null
//
// A pool belongs to one run at a time, and several pools know nothing of each other. Nothing is allocated after
// psn_pool_new, and nothing takes a lock. Threads that have nothing to do look for work for some microseconds and then
// sleep. In a child of fork(), which has none of the threads, a run does everything itself.

import type { Threading } from "../threading.js";
import type { EntryForm } from "./entry-form.js";
import {
  at,
  COUNT,
  ENDS,
  HANDLE,
  ID,
  MOST_THREADS,
  POOL,
  type PoolMachine,
  PROCESS,
  poolMemory,
  SHARED,
} from "./pool-layout.js";
import { workText } from "./pool-work.js";
import { globalName } from "./text.js";

export function poolDeclarations({ pause }: PoolMachine): readonly string[] {
  return [pause.declaration, ...DECLARATIONS];
}

const DECLARATIONS: readonly string[] = [
  "declare i32 @llvm.umin.i32(i32, i32)",
  "declare i32 @llvm.umax.i32(i32, i32)",
  "declare ptr @mmap(ptr, i64, i32, i32, i32, i64)",
  "declare i32 @munmap(ptr, i64)",
  "declare i32 @getpid()",
  "declare i32 @pthread_create(ptr, ptr, ptr, ptr)",
  "declare i32 @pthread_join(i64, ptr)",
  "declare i32 @pthread_sigmask(i32, ptr, ptr)",
  "declare i32 @sigfillset(ptr)",
  "declare i32 @prctl(i32, ...)",
  "declare i64 @syscall(i64, ...)",
];

/** The functions of the pool. */
export function poolText(scratch: number, machine: PoolMachine, threading: Threading, form: EntryForm): string {
  return [workText(scratch, machine, threading), life(poolMemory(scratch).each, form)].join("\n");
}

const READ_WRITE = 3;
const PRIVATE_ANONYMOUS = 0x22;
const SET_MASK = 2;
/** A sigset_t, in every C library of Linux. */
const SIGNAL_BYTES = 128;

/**
 * psn_pool_new and psn_pool_free; psn_own, the pool, or null in another process than the one that made it. Signals of the host are no business of the
 * workers: they block all.
 */
function life(each: number, { suffix, isInside }: EntryForm): string {
  const seen = isInside ? "hidden" : "protected";
  return `define internal ptr @psn_own(ptr %pool) #1 {
  %none = icmp eq ptr %pool, null
  br i1 %none, label %alone, label %ask
ask:
${at("%process.at", "%pool", PROCESS)}
  %process = load i32, ptr %process.at
  %now = call i32 @getpid()
  %same = icmp eq i32 %process, %now
  br i1 %same, label %own, label %alone
own:
  ret ptr %pool
alone:
  ret ptr null
}
define ${seen} ptr @${globalName(`psn_pool_new${suffix}`)}(i32 %threads) #1 {
entry:
  %all = alloca [${SIGNAL_BYTES} x i8], align 16
  %before = alloca [${SIGNAL_BYTES} x i8], align 16
  %above = sub i32 %threads, 2
  %possible = icmp ule i32 %above, ${MOST_THREADS - 2}
  br i1 %possible, label %allocate, label %nothing
allocate:
  %threads.wide = zext i32 %threads to i64
  %own = mul i64 %threads.wide, ${each}
  %bytes = add i64 %own, ${SHARED}
  %pool = call ptr @mmap(ptr null, i64 %bytes, i32 ${READ_WRITE}, i32 ${PRIVATE_ANONYMOUS}, i32 -1, i64 0)
  %failed = icmp eq ptr %pool, inttoptr (i64 -1 to ptr)
  br i1 %failed, label %nothing, label %start
start:
${at("%count.at", "%pool", COUNT)}
  store i32 %threads, ptr %count.at
  %process = call i32 @getpid()
${at("%process.at", "%pool", PROCESS)}
  store i32 %process, ptr %process.at
  %filled = call i32 @sigfillset(ptr %all)
  %masked = call i32 @pthread_sigmask(i32 ${SET_MASK}, ptr %all, ptr %before)
${at("%lines", "%pool", SHARED)}
  br label %thread
thread:
  %id = phi i32 [ 1, %start ], [ %next, %started ]
  %id.wide = zext i32 %id to i64
  %offset = mul i64 %id.wide, ${each}
${at("%self", "%lines", "%offset")}
${at("%id.at", "%self", ID)}
  store i32 %id, ptr %id.at
${at("%pool.at", "%self", POOL)}
  store ptr %pool, ptr %pool.at
${at("%handle.at", "%self", HANDLE)}
  %problem = call i32 @pthread_create(ptr %handle.at, ptr null, ptr @psn_worker, ptr %self)
  %refused = icmp ne i32 %problem, 0
  br i1 %refused, label %finish, label %started
started:
  %next = add i32 %id, 1
  %more = icmp ult i32 %next, %threads
  br i1 %more, label %thread, label %finish
finish:
  %made = phi i32 [ %id, %thread ], [ %threads, %started ]
  %restored = call i32 @pthread_sigmask(i32 ${SET_MASK}, ptr %before, ptr null)
  %whole = icmp eq i32 %made, %threads
  br i1 %whole, label %done, label %undo
undo:
  call void @psn_end(ptr %pool, i32 %made, i32 %threads)
  br label %nothing
done:
  ret ptr %pool
nothing:
  ret ptr null
}
define ${seen} void @${globalName(`psn_pool_free${suffix}`)}(ptr %pool) #1 {
  %none = icmp eq ptr %pool, null
  br i1 %none, label %done, label %end
end:
${at("%count.at", "%pool", COUNT)}
  %count = load i32, ptr %count.at
  %own = call ptr @psn_own(ptr %pool)
  %elsewhere = icmp eq ptr %own, null
  %joined = select i1 %elsewhere, i32 1, i32 %count
  call void @psn_end(ptr %pool, i32 %joined, i32 %count)
  br label %done
done:
  ret void
}
; Ends the threads below %made of a pool that was to have %threads, and gives its memory back.
define internal void @psn_end(ptr %pool, i32 %made, i32 %threads) #1 {
entry:
${at("%ends.at", "%pool", ENDS)}
  store atomic i32 1, ptr %ends.at seq_cst, align 4
  %epoch = atomicrmw add ptr %pool, i32 1 seq_cst
  call void @psn_wake(ptr %pool, i32 ${MOST_THREADS})
${at("%lines", "%pool", SHARED)}
  br label %look
look:
  %id = phi i32 [ 1, %entry ], [ %next, %join ]
  %more = icmp ult i32 %id, %made
  br i1 %more, label %join, label %free
join:
  %id.wide = zext i32 %id to i64
  %offset = mul i64 %id.wide, ${each}
${at("%self", "%lines", "%offset")}
${at("%handle.at", "%self", HANDLE)}
  %handle = load i64, ptr %handle.at
  %joined = call i32 @pthread_join(i64 %handle, ptr null)
  %next = add i32 %id, 1
  br label %look
free:
  %threads.wide = zext i32 %threads to i64
  %own = mul i64 %threads.wide, ${each}
  %bytes = add i64 %own, ${SHARED}
  %unmapped = call i32 @munmap(ptr %pool, i64 %bytes)
  ret void
}
`;
}

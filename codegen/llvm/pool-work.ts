// How the threads of a pool share a job (pool.ts), as LLVM IR. The caller opens it: it fills the queues, sets JOB, counts
// EPOCH up and wakes who sleeps. What a job reads was written before JOB was set, and what it wrote is read after BUSY is
// 0: both are atomic. A thread counts itself into BUSY before it looks at JOB, and the caller closes JOB before it looks at
// BUSY, in one order for all.

import type { Threading } from "../threading.js";
import {
  ARGUMENTS,
  at,
  BUSY,
  CALLER_SLEEPS,
  COUNT,
  ENDS,
  ID,
  JOB,
  PARTS,
  POOL,
  type PoolMachine,
  poolMemory,
  QUEUE,
  SCRATCH,
  SHARED,
  SLEEPERS,
} from "./pool-layout.js";

/** The functions of threads; kernels' jobs are functions (arguments, part, parts, scratch). */
export function workText(scratch: number, machine: PoolMachine, threading: Threading): string {
  const { each } = poolMemory(scratch);
  return [sleeping(machine), fork(each, machine, threading), help(each), worker(machine, threading)].join("\n");
}

const WAIT_PRIVATE = 128;
const WAKE_PRIVATE = 129;

/** Sleeps while a word has a value; wakes as many as sleep on a word. */
function sleeping({ futex }: PoolMachine): string {
  return `define internal void @psn_sleep(ptr %word, i32 %value) #1 {
  %r = call i64 (i64, ...) @syscall(i64 ${futex}, ptr %word, i32 ${WAIT_PRIVATE}, i32 %value, ptr null)
  ret void
}
define internal void @psn_wake(ptr %word, i32 %count) #1 {
  %r = call i64 (i64, ...) @syscall(i64 ${futex}, ptr %word, i32 ${WAKE_PRIVATE}, i32 %count)
  ret void
}
`;
}

/** psn_fork: runs a job of so many grains of work, on as many threads as are worth it; alone without a pool. */
function fork(each: number, { pause }: PoolMachine, threading: Threading): string {
  const { partsPerThread, grainsPerPart, callerSpins } = threading;
  return `define internal void @psn_fork(ptr %pool, ptr %job, ptr %arguments, i32 %grains) #1 {
entry:
  %none = icmp eq ptr %pool, null
  br i1 %none, label %alone, label %divide
divide:
${at("%count.at", "%pool", COUNT)}
  %count = load i32, ptr %count.at
  %most = mul i32 %count, ${partsPerThread}
  ; One for each thread; more where they are large; no smaller than a grain.
  %large = udiv i32 %grains, ${grainsPerPart}
  %limited = call i32 @llvm.umin.i32(i32 %large, i32 %most)
  %wanted = call i32 @llvm.umax.i32(i32 %limited, i32 %count)
  %worth = call i32 @llvm.umin.i32(i32 %wanted, i32 %grains)
  %one = icmp ult i32 %worth, 2
  br i1 %one, label %alone, label %open
alone:
  call void %job(ptr %arguments, i32 0, i32 1, ptr null)
  ret void
open:
  ; As many parts for every thread.
  %rest = urem i32 %worth, %count
  %even = sub i32 %worth, %rest
  %scarce = icmp ult i32 %worth, %count
  %parts = select i1 %scarce, i32 %worth, i32 %even
  br label %queues
queues:
  %thread = phi i32 [ 0, %open ], [ %next, %queues ]
  %offset = phi i64 [ ${SHARED + QUEUE}, %open ], [ %offset.next, %queues ]
${at("%queue", "%pool", "%offset")}
  %before = mul i32 %parts, %thread
  %first = udiv i32 %before, %count
  store atomic i32 %first, ptr %queue monotonic, align 4
  %next = add i32 %thread, 1
  %offset.next = add i64 %offset, ${each}
  %more = icmp ult i32 %next, %count
  br i1 %more, label %queues, label %publish
publish:
${at("%arguments.at", "%pool", ARGUMENTS)}
  store ptr %arguments, ptr %arguments.at
${at("%parts.at", "%pool", PARTS)}
  store i32 %parts, ptr %parts.at
${at("%job.at", "%pool", JOB)}
  store atomic ptr %job, ptr %job.at seq_cst, align 8
  %epoch = atomicrmw add ptr %pool, i32 1 seq_cst
${at("%sleepers.at", "%pool", SLEEPERS)}
  %sleepers = load atomic i32, ptr %sleepers.at seq_cst, align 4
  %asleep = icmp ne i32 %sleepers, 0
  br i1 %asleep, label %rouse, label %work
rouse:
  %others = sub i32 %parts, 1
  call void @psn_wake(ptr %pool, i32 %others)
  br label %work
work:
${at("%self", "%pool", SHARED)}
  call void @psn_help(ptr %pool, ptr %self, ptr %job, ptr null)
  store atomic ptr null, ptr %job.at seq_cst, align 8
${at("%busy.at", "%pool", BUSY)}
  br label %look
look:
  %spins = phi i32 [ ${callerSpins}, %work ], [ %spins.next, %again ]
  %busy = load atomic i32, ptr %busy.at seq_cst, align 4
  %still = icmp ne i32 %busy, 0
  br i1 %still, label %again, label %done
again:
  ${pause.call}
  %spins.next = sub i32 %spins, 1
  %patient = icmp ne i32 %spins.next, 0
  br i1 %patient, label %look, label %rest.announce
rest.announce:
${at("%sleeps.at", "%pool", CALLER_SLEEPS)}
  store atomic i32 1, ptr %sleeps.at seq_cst, align 4
  br label %rest.look
rest.look:
  %late = load atomic i32, ptr %busy.at seq_cst, align 4
  %finished = icmp eq i32 %late, 0
  br i1 %finished, label %rested, label %nap
nap:
  call void @psn_sleep(ptr %busy.at, i32 %late)
  br label %rest.look
rested:
  store atomic i32 0, ptr %sleeps.at seq_cst, align 4
  br label %done
done:
  ret void
}
`;
}

/** psn_help: claims and runs parts of the open job until none is left. `self` is the thread's line. */
function help(each: number): string {
  return `define internal void @psn_help(ptr %pool, ptr %self, ptr %job, ptr %scratch) #1 {
entry:
${at("%arguments.at", "%pool", ARGUMENTS)}
  %arguments = load ptr, ptr %arguments.at
${at("%parts.at", "%pool", PARTS)}
  %parts = load i32, ptr %parts.at
${at("%count.at", "%pool", COUNT)}
  %count = load i32, ptr %count.at
${at("%id.at", "%self", ID)}
  %id = load i32, ptr %id.at
${at("%queues", "%pool", SHARED + QUEUE)}
  br label %round
round:
  %rounds = phi i32 [ %count, %entry ], [ %rounds.left, %onward ]
  %thread = phi i32 [ %id, %entry ], [ %thread.next, %onward ]
  %following = add i32 %thread, 1
  %end.before = mul i32 %parts, %following
  %end = udiv i32 %end.before, %count
  %thread.wide = zext i32 %thread to i64
  %offset = mul i64 %thread.wide, ${each}
${at("%queue", "%queues", "%offset")}
  br label %look
look:
  ; Before it is claimed from: queues that are empty stay in every thread's cache.
  %seen = load atomic i32, ptr %queue monotonic, align 4
  %some = icmp ult i32 %seen, %end
  br i1 %some, label %claim, label %onward
claim:
  %part = atomicrmw add ptr %queue, i32 1 monotonic
  %mine = icmp ult i32 %part, %end
  br i1 %mine, label %run, label %onward
run:
  call void %job(ptr %arguments, i32 %part, i32 %parts, ptr %scratch)
  br label %look
onward:
  %wraps = icmp uge i32 %following, %count
  %thread.next = select i1 %wraps, i32 0, i32 %following
  %rounds.left = sub i32 %rounds, 1
  %more = icmp ne i32 %rounds.left, 0
  br i1 %more, label %round, label %done
done:
  ret void
}
`;
}

/** prctl's: the name by which tools show a thread. */
const SET_NAME = 15;

/** psn_worker: a worker's life. It waits for jobs and takes part in them, until the pool ends. */
function worker({ pause }: PoolMachine, { workerSpins }: Threading): string {
  return `@psn_name = private constant [8 x i8] c"psionic\\00"
define internal ptr @psn_worker(ptr %self) #1 {
entry:
  %named = call i32 (i32, ...) @prctl(i32 ${SET_NAME}, ptr @psn_name)
${at("%pool.at", "%self", POOL)}
  %pool = load ptr, ptr %pool.at
${at("%sleepers.at", "%pool", SLEEPERS)}
${at("%ends.at", "%pool", ENDS)}
${at("%busy.at", "%pool", BUSY)}
${at("%sleeps.at", "%pool", CALLER_SLEEPS)}
${at("%job.at", "%pool", JOB)}
${at("%scratch", "%self", SCRATCH)}
  br label %wait
wait:
  %seen = phi i32 [ 0, %entry ], [ %epoch, %leave ], [ %epoch, %left ]
  br label %look
look:
  %spins = phi i32 [ ${workerSpins}, %wait ], [ %spins.next, %again ]
  %now = load atomic i32, ptr %pool seq_cst, align 4
  %same = icmp eq i32 %now, %seen
  br i1 %same, label %again, label %awake
again:
  ${pause.call}
  %spins.next = sub i32 %spins, 1
  %patient = icmp ne i32 %spins.next, 0
  br i1 %patient, label %look, label %sleep
sleep:
  %others = atomicrmw add ptr %sleepers.at, i32 1 seq_cst
  call void @psn_sleep(ptr %pool, i32 %seen)
  %others.left = atomicrmw sub ptr %sleepers.at, i32 1 seq_cst
  br label %awake
awake:
  %epoch = load atomic i32, ptr %pool seq_cst, align 4
  %ends = load atomic i32, ptr %ends.at seq_cst, align 4
  %stop = icmp ne i32 %ends, 0
  br i1 %stop, label %end, label %enter
enter:
  ; Counted before JOB is read: the caller closes a job before it looks at the count.
  %inside = atomicrmw add ptr %busy.at, i32 1 seq_cst
  %job = load atomic ptr, ptr %job.at seq_cst, align 8
  %closed = icmp eq ptr %job, null
  br i1 %closed, label %leave, label %work
work:
  call void @psn_help(ptr %pool, ptr %self, ptr %job, ptr %scratch)
  br label %leave
leave:
  %inside.before = atomicrmw sub ptr %busy.at, i32 1 seq_cst
  %waited = load atomic i32, ptr %sleeps.at seq_cst, align 4
  %wakes = icmp ne i32 %waited, 0
  br i1 %wakes, label %left, label %wait
left:
  call void @psn_wake(ptr %busy.at, i32 1)
  br label %wait
end:
  ret ptr null
}
`;
}

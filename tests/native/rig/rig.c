// A stand on which native code runs while every byte around it is watched. It reads requests from stdin and answers on
// stdout, one after the other, so that one process (under an emulator, or under memcheck) serves many cases. Numbers are
// little-endian and 64 bits wide. A request is a library, an entry of it, the plan's memory, and for each step the regions
// that it may touch; the answer is the entry's status, a complaint or none, and the memory.
//
// What is watched, step by step:
// - memory and weights lie in mappings of their own that end at a page without access; weights can only be read, and
//   where the plan has them in memory there is a pattern;
// - a region that a step is the first to use holds a pattern before it;
// - no byte of memory changes outside the regions that the step may write;
// - under memcheck nothing but the step's regions may be touched at all, what nothing wrote is undefined, and the answer
//   tells for every bit of memory whether it is.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define ON_MEMCHECK (RUNNING_ON_VALGRIND != 0)
#else
#define ON_MEMCHECK 0
#define VALGRIND_COUNT_ERRORS 0u
#define VALGRIND_MAKE_MEM_NOACCESS(at, bytes) ((void)(at), (void)(bytes))
#define VALGRIND_MAKE_MEM_DEFINED(at, bytes) ((void)(at), (void)(bytes))
#define VALGRIND_CHECK_MEM_IS_DEFINED(at, bytes) ((void)(at), (void)(bytes), 0)
#define VALGRIND_GET_VBITS(at, bits, bytes) ((void)(at), (void)(bits), (void)(bytes), 1)
#define VALGRIND_SET_VBITS(at, bits, bytes) ((void)(at), (void)(bits), (void)(bytes), 1)
#endif

enum { PAGE = 1 << 16, PATTERN = 0xa5, UNDEFINED = 0xff };

/** Kinds of regions: the step may write it; it is the first to use it. */
enum { WRITTEN = 1, FRESH = 2 };

/** Exit codes beside 0, which is the end of the requests. */
enum { BROKEN_PIPE = 2, NO_MEMORY = 3, OWN_FAULT = 4 };

struct header {
  uint64_t pathBytes, entryBytes, memoryBytes, weightsOffset, weightsBytes, symbols, steps;
};

struct region {
  uint64_t offset, bytes, kind;
};

struct regions {
  uint64_t count;
  struct region *items;
};

struct answer {
  uint64_t status, textBytes, memoryBytes, validityBytes;
};

/** Bytes that end where their last page does, between pages without access. */
struct mapping {
  uint8_t *start, *at;
  size_t whole, bytes;
};

/** The last argument is the pool of threads: none. */
typedef int entry_function(void *memory, const void *weights, int start, int stop, const int *symbols, void *pool);

struct run {
  struct header header;
  struct mapping memory, weights;
  /** What memory held before a step, and which of its bits are undefined. */
  uint8_t *before, *validity;
  int *symbols;
  entry_function *entry;
};

static char complaint[4096];
static sigjmp_buf faulted;
static volatile sig_atomic_t isInside;
static void *volatile faultAddress;
static volatile sig_atomic_t faultSignal;

static void complain(const char *format, ...) {
  size_t used = strlen(complaint);
  va_list rest;
  va_start(rest, format);
  vsnprintf(complaint + used, sizeof complaint - used, format, rest);
  va_end(rest);
}

// -- bytes in and out

static void take(void *into, size_t bytes) {
  if (bytes > 0 && fread(into, bytes, 1, stdin) != 1) exit(BROKEN_PIPE);
}

static void give(const void *from, size_t bytes) {
  if (bytes > 0 && fwrite(from, bytes, 1, stdout) != 1) exit(BROKEN_PIPE);
}

/** Exactly as many bytes as are asked for, so that memcheck sees what reads beyond them. */
static void *takeNew(size_t bytes) {
  void *at = malloc(bytes);
  if (at == NULL) exit(NO_MEMORY);
  take(at, bytes);
  return at;
}

static char *takeText(size_t bytes) {
  char *text = calloc(bytes + 1, 1);
  if (text == NULL) exit(NO_MEMORY);
  take(text, bytes);
  return text;
}

static struct regions takeRegions(void) {
  struct regions r;
  take(&r.count, sizeof r.count);
  r.items = takeNew(r.count * sizeof *r.items);
  return r;
}

// -- memory

static size_t innerBytes(const struct mapping *m) { return m->whole - 2 * PAGE; }

static struct mapping map(size_t bytes) {
  size_t inner = bytes == 0 ? PAGE : (bytes + PAGE - 1) / PAGE * PAGE;
  struct mapping m = {.whole = inner + 2 * PAGE, .bytes = bytes};
  m.start = mmap(NULL, m.whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (m.start == MAP_FAILED || mprotect(m.start + PAGE, inner, PROT_READ | PROT_WRITE) != 0) exit(NO_MEMORY);
  memset(m.start + PAGE, PATTERN, inner);
  m.at = m.start + PAGE + inner - bytes;
  return m;
}

static int isWeight(const struct run *run, const struct region *r) {
  const struct header *h = &run->header;
  return r->offset >= h->weightsOffset && r->offset < h->weightsOffset + h->weightsBytes;
}

/** Patterns where a step finds nothing yet. */
static void spoil(struct run *run, const struct regions *regions) {
  for (uint64_t i = 0; i < regions->count; i++) {
    const struct region *r = &regions->items[i];
    if ((r->kind & FRESH) == 0) continue;
    memset(run->memory.at + r->offset, PATTERN, r->bytes);
    memset(run->validity + r->offset, UNDEFINED, r->bytes);
  }
  memcpy(run->before, run->memory.at, run->memory.bytes);
}

/** For memcheck: opens what a step may touch, as defined as the steps before left it. */
static void fence(struct run *run, const struct regions *regions) {
  VALGRIND_MAKE_MEM_NOACCESS(run->memory.start + PAGE, innerBytes(&run->memory));
  VALGRIND_MAKE_MEM_NOACCESS(run->weights.start + PAGE, innerBytes(&run->weights));
  for (uint64_t i = 0; i < regions->count; i++) {
    const struct region *r = &regions->items[i];
    if (isWeight(run, r)) {
      VALGRIND_MAKE_MEM_DEFINED(run->weights.at + (r->offset - run->header.weightsOffset), r->bytes);
      continue;
    }
    VALGRIND_MAKE_MEM_DEFINED(run->memory.at + r->offset, r->bytes);
    (void)VALGRIND_SET_VBITS(run->memory.at + r->offset, run->validity + r->offset, r->bytes);
  }
}

/** Opens all to this program, and keeps what is undefined. */
static void unfence(struct run *run, const struct regions *regions) {
  for (uint64_t i = 0; i < regions->count; i++) {
    const struct region *r = &regions->items[i];
    if (!isWeight(run, r))
      (void)VALGRIND_GET_VBITS(run->memory.at + r->offset, run->validity + r->offset, r->bytes);
  }
  VALGRIND_MAKE_MEM_DEFINED(run->memory.start + PAGE, innerBytes(&run->memory));
  VALGRIND_MAKE_MEM_DEFINED(run->weights.start + PAGE, innerBytes(&run->weights));
}

/** Complains of the first byte that changed outside what the step may write. */
static void compare(struct run *run, const struct regions *regions, int step) {
  const struct mapping *memory = &run->memory;
  for (uint64_t i = 0; i < regions->count; i++) {
    const struct region *r = &regions->items[i];
    if ((r->kind & WRITTEN) != 0) memcpy(run->before + r->offset, memory->at + r->offset, r->bytes);
  }
  if (memcmp(run->before, memory->at, memory->bytes) == 0) return;
  size_t at = 0;
  while (run->before[at] == memory->at[at]) at++;
  complain("step %d writes byte %zu of memory, which is not its own\n", step, at);
}

// -- faults

static void onFault(int signal, siginfo_t *info, void *context) {
  (void)context;
  if (!isInside) _exit(OWN_FAULT);
  faultSignal = signal;
  faultAddress = info->si_addr;
  siglongjmp(faulted, 1);
}

static void watchFaults(void) {
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = onFault;
  action.sa_flags = SA_SIGINFO;
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
}

static int tellPlace(const char *name, const struct mapping *m, const uint8_t *at) {
  if (at < m->start || at >= m->start + m->whole) return 0;
  complain(" at byte %td of the %zu of %s", at - m->at, m->bytes, name);
  return 1;
}

/** Runs one step. False where it faulted. */
static int runStep(const struct run *run, int step, volatile int *status) {
  if (sigsetjmp(faulted, 1) != 0) {
    isInside = 0;
    complain("step %d: %s", step, strsignal(faultSignal));
    if (!tellPlace("memory", &run->memory, faultAddress)) tellPlace("the weights", &run->weights, faultAddress);
    complain("\n");
    return 0;
  }
  isInside = 1;
  *status = run->entry(run->memory.at, run->weights.at, step, step + 1, run->symbols, NULL);
  isInside = 0;
  return 1;
}

// -- requests

static int runSteps(struct run *run, const struct regions *steps) {
  volatile int status = 0;
  for (int i = 0; i < (int)run->header.steps && status == 0; i++) {
    spoil(run, &steps[i]);
    fence(run, &steps[i]);
    unsigned errors = VALGRIND_COUNT_ERRORS;
    int isDone = runStep(run, i, &status);
    (void)VALGRIND_CHECK_MEM_IS_DEFINED(&status, sizeof status);
    errors = VALGRIND_COUNT_ERRORS - errors;
    unfence(run, &steps[i]);
    if (errors > 0) complain("step %d: memcheck has %u complaints\n", i, errors);
    if (!isDone) break;
    compare(run, &steps[i], i);
  }
  return status;
}

static int find(struct run *run, const char *path, const char *name, void **library) {
  *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (*library == NULL) return complain("%s\n", dlerror()), 0;
  *(void **)&run->entry = dlsym(*library, name);
  if (run->entry == NULL) return complain("%s\n", dlerror()), 0;
  return 1;
}

static void serve(const struct header *header) {
  struct run run = {.header = *header};
  char *path = takeText(header->pathBytes);
  char *name = takeText(header->entryBytes);
  run.symbols = takeNew(header->symbols * sizeof *run.symbols);
  struct regions initial = takeRegions();
  struct regions *steps = calloc(header->steps + 1, sizeof *steps);
  if (steps == NULL) exit(NO_MEMORY);
  for (uint64_t i = 0; i < header->steps; i++) steps[i] = takeRegions();
  run.memory = map(header->memoryBytes);
  take(run.memory.at, header->memoryBytes);
  run.weights = map(header->weightsBytes);
  memcpy(run.weights.at, run.memory.at + header->weightsOffset, header->weightsBytes);
  memset(run.memory.at + header->weightsOffset, PATTERN, header->weightsBytes);
  if (mprotect(run.weights.start + PAGE, innerBytes(&run.weights), PROT_READ) != 0) exit(NO_MEMORY);
  run.before = malloc(header->memoryBytes);
  run.validity = malloc(header->memoryBytes);
  if (run.before == NULL || run.validity == NULL) exit(NO_MEMORY);
  memset(run.validity, UNDEFINED, header->memoryBytes);
  for (uint64_t i = 0; i < initial.count; i++)
    memset(run.validity + initial.items[i].offset, 0, initial.items[i].bytes);

  complaint[0] = 0;
  void *library = NULL;
  int status = find(&run, path, name, &library) ? runSteps(&run, steps) : 0;
  size_t text = strlen(complaint);
  struct answer answer = {(uint64_t)(int64_t)status, text, header->memoryBytes, ON_MEMCHECK ? header->memoryBytes : 0};
  give(&answer, sizeof answer);
  give(complaint, text);
  give(run.memory.at, answer.memoryBytes);
  give(run.validity, answer.validityBytes);
  fflush(stdout);

  if (library != NULL) dlclose(library);
  munmap(run.memory.start, run.memory.whole);
  munmap(run.weights.start, run.weights.whole);
  for (uint64_t i = 0; i < header->steps; i++) free(steps[i].items);
  free(steps);
  free(initial.items);
  free(run.before);
  free(run.validity);
  free(run.symbols);
  free(path);
  free(name);
}

int main(void) {
  watchFaults();
  struct header header;
  while (fread(&header, sizeof header, 1, stdin) == 1) serve(&header);
  return 0;
}

// psn_load and its kin: a bundle's file is mapped and checked, and a model is made of it; and what ends or resets a model.

import { HEADER_BYTES } from "../../../runtime-shim/format.js";
import { placeApart } from "../entry-form.js";
import { CHECK_HEADER, writeChecks } from "./checks.js";
import { type Bool, type Code, global, type I32, type I64, i32, i64, NULL, type Ptr, signature } from "./code.js";
import { CREATE, ownerOf, writeCreate } from "./create.js";
import { END_POOL } from "./levels.js";
import { isFailedMap, LIBC, MAP_PRIVATE, O_RDONLY_CLOEXEC, PROT_READ, SEEK_END } from "./libc.js";
import { type FaceModule, MODEL, type Sink, sinkOf, statusValue } from "./module.js";

/** What weights inside the library are called there: another object's. */
export const WEIGHTS = "face.weights";

const CHECKED: Bool = { type: "i1", text: "true" };
const UNCHECKED: Bool = { type: "i1", text: "false" };

/** Whether a pointer is a model of this library. */
export const IS_MODEL = signature("face.is_model", "i1", ["ptr"]);

export function writeLoad(module: FaceModule): void {
  writeChecks(module);
  writeCreate(module);
  writeFromFile(module);
  writeFromMemory(module);

  module.define(IS_MODEL, (code, model) => {
    code.if(code.isNull(model), () => code.return({ type: "i1", text: "false" }));
    code.return(code.compare("eq", code.get(model, MODEL, "owner"), ownerOf(module)));
  });
  const unlessModel = (code: Code, model: Ptr, otherwise: () => void): void =>
    code.if(code.not(code.call(IS_MODEL, model)), otherwise);

  module.publish("reset", (code, model) => {
    unlessModel(code, model, () => code.return(statusValue("INVALID_ARGUMENT")));
    whileBusy(code, model, () => {
      const { states } = module.model.plan.memory;
      const at = code.at(code.get(model, MODEL, "memory"), placeApart(module.model.plan, states.offset).offset);
      code.callOutside(LIBC.memset, [at, i32(0), i64(states.bytes)]);
    });
    code.return(statusValue("OK"));
  });
  module.publish("error", (code, model) => {
    unlessModel(code, model, () => code.return(module.data.text("this is no model of this library")));
    code.return(sinkOf(code, model).text);
  });
  module.publish("free", (code, model) => {
    unlessModel(code, model, () => code.return());
    const [map, mapBytes] = [code.get(model, MODEL, "map"), code.get(model, MODEL, "map_bytes")];
    const own = code.get(model, MODEL, "own_bytes");
    const pool = code.get(model, MODEL, "pool");
    code.set(model, MODEL, "owner", NULL);
    code.if(code.not(code.isNull(pool)), () => {
      code.callThrough(code.get(model, MODEL, "end_pool"), END_POOL, pool);
    });
    code.if(code.not(code.isNull(map)), () => code.callOutside(LIBC.munmap, [map, mapBytes]));
    code.if(code.compare("ne", own, i64(0)), () => code.callOutside(LIBC.munmap, [model, own]));
    code.return();
  });
}

/** Takes the model for the time of `body`, or returns that it is busy. */
export function whileBusy(code: Code, model: Ptr, body: () => void): void {
  const busy = code.place(model, MODEL, "busy").text;
  const pair = code.value("i32", `cmpxchg ptr ${busy}, i32 0, i32 1 acquire monotonic`);
  const isMine = code.value("i1", `extractvalue { i32, i1 } ${pair.text}, 1`);
  // The text of the error belongs to the call that runs.
  code.if(code.not(isMine), () => code.return(statusValue("BUSY")));
  body();
  code.line(`store atomic i32 0, ptr ${busy} release, align 4`);
}

/** Where texts of errors go: nowhere without a place, whatever the size says. */
function callersSink(code: Code, text: Ptr, bytes: I64): Sink {
  return { text, bytes: code.select(code.isNull(text), i64(0), bytes) };
}

/** Clears what the caller gets. */
function begin(module: FaceModule, code: Code, model: Ptr, sink: Sink): void {
  code.if(code.compare("ne", sink.bytes, i64(0)), () => code.store({ type: "i8", text: "0" }, sink.text));
  code.if(code.isNull(model), () =>
    module.fail(code, sink, "INVALID_ARGUMENT", "model: have NULL, want the address of a psn_model *"),
  );
  code.store(NULL, model);
}

function writeFromFile(module: FaceModule): void {
  const { bundle, embedded } = module.model;
  if (embedded) module.declare(`@${WEIGHTS} = external hidden constant i8`);
  module.publish("load", (code, path, options, model, text, textBytes) => {
    const sink = callersSink(code, text, textBytes);
    begin(module, code, model, sink);
    code.if(code.isNull(path), () => {
      if (!embedded) {
        const problem = "bundle: have NULL, want a path: this library has no weights inside";
        module.fail(code, sink, "INVALID_ARGUMENT", problem);
      } else
        code.return(code.call(CREATE, global(WEIGHTS), NULL, i64(0), UNCHECKED, options, model, sink.text, sink.bytes));
    });
    const unless = (isDone: Bool, what: string, close: () => void): void =>
      code.if(code.not(isDone), () => {
        const number = code.load("i32", code.callOutside(LIBC.errno, []));
        close();
        const why = reasonOf(module, code, number);
        module.fail(code, sink, "IO", `bundle "%.200s": the file cannot be ${what} (%s)`, path, why);
      });
    const file = code.callOutside(LIBC.open, [path, i32(O_RDONLY_CLOEXEC)], []);
    unless(code.compare("sge", file, i32(0)), "opened", () => {});
    const close = (): void => void code.callOutside(LIBC.close, [file]);
    const header = code.room(HEADER_BYTES);
    const have = code.callOutside(LIBC.read, [file, header, i64(HEADER_BYTES)]);
    unless(code.compare("sge", have, i64(0)), "read", close);
    const size = code.callOutside(LIBC.lseek, [file, i64(0), i32(SEEK_END)]);
    unless(code.compare("sge", size, i64(0)), "mapped", close);
    const status = code.local(code.call(CHECK_HEADER, header, have, size, path, sink.text, sink.bytes));
    code.if(code.compare("ne", status.get(), statusValue("OK")), () => {
      close();
      code.return(status.get());
    });
    const map = code.callOutside(LIBC.mmap, [NULL, size, i32(PROT_READ), i32(MAP_PRIVATE), file, i64(0)]);
    unless(code.not(isFailedMap(code, map)), "mapped", close);
    close();
    const weights = code.at(map, bundle.weightsAt);
    status.set(code.call(CREATE, weights, map, size, CHECKED, options, model, sink.text, sink.bytes));
    code.if(code.compare("ne", status.get(), statusValue("OK")), () => code.callOutside(LIBC.munmap, [map, size]));
    code.return(status.get());
  });
}

/** Linux's numbers of what can be wrong with a path. */
const REASONS: Readonly<Record<number, string>> = {
  1: "not permitted",
  2: "no such file",
  5: "input or output error",
  12: "no memory",
  13: "permission denied",
  20: "a part of the path is no folder",
  21: "it is a folder",
  23: "the system has too many files open",
  24: "the process has too many files open",
  29: "it is a pipe",
  40: "too many symbolic links",
};

function reasonOf(module: FaceModule, code: Code, errno: I32): Ptr {
  const found = code.local(module.data.text("the system refused"));
  for (const [number, text] of Object.entries(REASONS))
    code.if(code.compare("eq", errno, i32(Number(number))), () => found.set(module.data.text(text)));
  return found.get();
}

function writeFromMemory(module: FaceModule): void {
  const { bundle } = module.model;
  module.publish("load_memory", (code, bytes, size, options, model, text, textBytes) => {
    const sink = callersSink(code, text, textBytes);
    begin(module, code, model, sink);
    code.if(code.isNull(bytes), () =>
      module.fail(code, sink, "INVALID_ARGUMENT", "bundle: have NULL, want the bundle's bytes"),
    );
    const off = code.op("and", code.address(bytes), i64(7));
    code.if(code.compare("ne", off, i64(0)), () =>
      module.fail(code, sink, "INVALID_ARGUMENT", "bundle: have an address that is no multiple of 8, want one"),
    );
    const name = module.data.text("in memory");
    const checked = code.call(CHECK_HEADER, bytes, size, size, name, sink.text, sink.bytes);
    code.if(code.compare("ne", checked, statusValue("OK")), () => code.return(checked));
    const weights = code.at(bytes, bundle.weightsAt);
    code.return(code.call(CREATE, weights, NULL, i64(0), CHECKED, options, model, sink.text, sink.bytes));
  });
}

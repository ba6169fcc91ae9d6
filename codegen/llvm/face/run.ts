// psn_run and psn_output_shapes: inputs are checked against the model's shapes and copied in, the entry's code runs, and
// outputs are copied out or left in place. What is wrong with the arguments is found before anything runs, but for
// room that is too small for a size which depends on data.

import { RANGE, TENSOR } from "./abi-structs.js";
import { BIND, CHECK_DATA, CHECK_OUTPUTS, isInPlace } from "./arguments.js";
import { type Code, type I64, i32, i64, type Ptr, signature, type Val } from "./code.js";
import { ENTRY } from "./levels.js";
import { LIBC } from "./libc.js";
import { IS_MODEL, whileBusy } from "./load.js";
import { type FaceModule, MODEL, sinkOf, statusValue } from "./module.js";
import { ELEMENTS, OUTPUT_DIMS } from "./shapes.js";
import { BOUND_ROW, PORT_ROW, type Tables } from "./tables.js";

const CALL = ["ptr", "ptr", "i64", "ptr", "i64"] as const;
const RUN = signature("face.run", "i32", CALL);
const SHAPES = signature("face.shapes", "i32", CALL);

/** (model, i64 values of the symbols) -> status */
const EXECUTE = signature("face.execute", "i32", ["ptr", "ptr"]);
/** (model, i64 values of the symbols, outputs) -> status */
const FINISH = signature("face.finish", "i32", ["ptr", "ptr", "ptr"]);

export function writeRun(module: FaceModule, tables: Tables): void {
  const { plan } = module.model;
  const { entry, ports } = tables;
  const symbolsBytes = plan.symbols.length * 8;
  /** Values of all symbols: 0 until they are known. */
  const symbolsOf = (code: Code): Ptr => {
    const symbols = code.room(Math.max(8, symbolsBytes));
    code.callOutside(LIBC.memset, [symbols, i32(0), i64(symbolsBytes)]);
    return symbols;
  };
  const orReturn = (code: Code, status: Val<"i32">): void =>
    code.if(code.compare("ne", status, statusValue("OK")), () => code.return(status));

  writeExecute(module, tables);
  writeFinish(module, tables);

  module.define(RUN, (code, model, inputs, inputCount, outputs, outputCount) => {
    const symbols = symbolsOf(code);
    orReturn(code, code.call(BIND, model, inputs, inputCount, symbols));
    orReturn(code, code.call(CHECK_DATA, model, inputs));
    orReturn(code, code.call(CHECK_OUTPUTS, model, outputs, outputCount, symbols));
    const memory = code.get(model, MODEL, "memory");
    code.each(i64(entry.inputs.length), (i) => {
      const tensor = code.element(inputs, i, TENSOR.bytes);
      const data = code.get(tensor, TENSOR, "data");
      const offset = code.get(code.element(ports.input, i, PORT_ROW.bytes), PORT_ROW, "offset");
      const place = code.at(memory, offset);
      code.if(code.compare("ne", data, place), () =>
        code.callOutside(LIBC.memcpy, [place, data, code.get(tensor, TENSOR, "bytes")]),
      );
    });
    orReturn(code, code.call(EXECUTE, model, symbols));
    code.return(code.call(FINISH, model, symbols, outputs));
  });

  module.define(SHAPES, (code, model, inputs, inputCount, outputs, outputCount) => {
    const symbols = symbolsOf(code);
    orReturn(code, code.call(BIND, model, inputs, inputCount, symbols));
    const isWrong = code.or(code.isNull(outputs), code.compare("ne", outputCount, i64(entry.outputs.length)));
    code.if(isWrong, () =>
      module.fail(
        code,
        sinkOf(code, model),
        "INVALID_ARGUMENT",
        `outputs: have %lld at %p, want an array of ${entry.outputs.length}`,
        outputCount,
        outputs,
      ),
    );
    code.each(i64(entry.outputs.length), (i) => {
      const row = code.element(ports.output, i, PORT_ROW.bytes);
      const tensor = code.element(outputs, i, TENSOR.bytes);
      const late = code.wide(code.get(row, PORT_ROW, "late"));
      describe(code, row, tensor, i, symbols);
      code.if(code.compare("ne", late, i64(0)), () => {
        code.set(tensor, TENSOR, "bytes", code.get(row, PORT_ROW, "bytes"));
        code.each(code.wide(code.get(row, PORT_ROW, "rank")), (axis) => {
          const bit = code.op("and", code.op("lshr", late, axis), i64(1));
          const at = code.element(code.place(tensor, TENSOR, "dims"), axis, 8);
          code.if(code.compare("ne", bit, i64(0)), () => code.store(i64(-1), at));
        });
      });
    });
    code.return(statusValue("OK"));
  });

  for (const [name, inner] of [
    ["run", RUN],
    ["output_shapes", SHAPES],
  ] as const)
    module.publish(name, (code, model, ...rest) => {
      code.if(code.not(code.call(IS_MODEL, model)), () => code.return(statusValue("INVALID_ARGUMENT")));
      const status = code.local(i32(0));
      whileBusy(code, model, () => status.set(code.call(inner, model, ...rest)));
      code.return(status.get());
    });
}

/** Sets all of an output that its shape tells, and returns its bytes: more than the port's where it cannot be. */
function describe(code: Code, row: Ptr, tensor: Ptr, index: I64, symbols: Ptr): I64 {
  const rank = code.get(row, PORT_ROW, "rank");
  const dims = code.place(tensor, TENSOR, "dims");
  code.set(tensor, TENSOR, "dtype", code.get(row, PORT_ROW, "dtype"));
  code.set(tensor, TENSOR, "rank", rank);
  code.call(OUTPUT_DIMS, index, symbols, dims);
  const elements = code.call(ELEMENTS, code.wide(rank), dims);
  const bytes = code.mul(elements, code.get(row, PORT_ROW, "each"));
  code.set(tensor, TENSOR, "bytes", bytes);
  return bytes;
}

function writeExecute(module: FaceModule, { entry, args, constraints }: Tables): void {
  module.define(EXECUTE, (code, model, symbols) => {
    const given = code.room(Math.max(4, entry.symbols.length * 4));
    code.each(i64(entry.symbols.length), (i) => {
      const symbol = code.load("i64", code.element(args, i, 8));
      code.store(code.low(code.load("i64", code.element(symbols, symbol, 8))), code.element(given, i, 4));
    });
    const run = code.get(model, MODEL, "run");
    const [memory, weights] = [code.get(model, MODEL, "memory"), code.get(model, MODEL, "weights")];
    const pool = code.get(model, MODEL, "pool");
    const status = code.callThrough(run, ENTRY, memory, weights, i32(0), i32(entry.steps.length), given, pool);
    code.if(code.compare("eq", status, i32(0)), () => code.return(statusValue("OK")));
    const kind = code.op("and", status, i32(7));
    const detail = code.wide(code.op("lshr", status, i32(3)));
    const sink = sinkOf(code, model);
    const isKind = (n: number) => code.compare("eq", kind, i32(n));
    const step = `step %lld of ${entry.steps.length}`;
    code.if(isKind(1), () =>
      module.fail(code, sink, "INDEX_OUT_OF_RANGE", `${step}: an index is outside its data`, detail),
    );
    code.if(code.and(isKind(2), code.compare("ult", detail, i64(entry.constraints.length))), () => {
      const text = code.load("ptr", code.element(constraints, detail, 8));
      module.fail(code, sink, "CONSTRAINT", "sizes that must be equal differ: %s", text);
    });
    module.fail(code, sink, "BOUND", `${step}: a size that depends on data left its range`, detail);
  });
}

function writeFinish(module: FaceModule, { entry, ports, bound, symbols: table }: Tables): void {
  module.define(FINISH, (code, model, symbols, outputs) => {
    const memory = code.get(model, MODEL, "memory");
    const sink = sinkOf(code, model);
    code.each(i64(bound.count), (i) => {
      const row = code.element(bound.rows, i, BOUND_ROW.bytes);
      const symbol = code.get(row, BOUND_ROW, "symbol");
      const about = code.element(table, symbol, RANGE.bytes);
      const value = code.signed(code.load("i32", code.at(memory, code.get(row, BOUND_ROW, "offset"))));
      const [lo, hi] = [code.get(about, RANGE, "lo"), code.get(about, RANGE, "hi")];
      code.if(code.or(code.compare("slt", value, lo), code.compare("sgt", value, hi)), () => {
        const name = code.get(about, RANGE, "name");
        module.fail(code, sink, "BOUND", "the run set %s to %lld, outside %lld..%lld", name, value, lo, hi);
      });
      code.store(value, code.element(symbols, symbol, 8));
    });
    code.each(i64(entry.outputs.length), (i) => {
      const row = code.element(ports.output, i, PORT_ROW.bytes);
      const tensor = code.element(outputs, i, TENSOR.bytes);
      const bytes = describe(code, row, tensor, i, symbols);
      const name = code.get(row, PORT_ROW, "name");
      code.if(code.compare("ugt", bytes, code.get(row, PORT_ROW, "bytes")), () => {
        const shape = code.get(row, PORT_ROW, "shape");
        module.fail(code, sink, "BOUND", 'output "%s" (%s) has no valid shape', name, shape);
      });
      const isConstant = code.compare("ne", code.get(row, PORT_ROW, "in_weights"), i32(0));
      const base = code.select(isConstant, code.get(model, MODEL, "weights"), memory);
      const place = code.at(base, code.get(row, PORT_ROW, "offset"));
      const data = code.get(tensor, TENSOR, "data");
      code.if(
        isInPlace(module, code, model, data),
        () => code.set(tensor, TENSOR, "data", place),
        () => {
          const capacity = code.get(tensor, TENSOR, "capacity");
          code.if(code.compare("ult", capacity, bytes), () => {
            const format =
              'output "%s": have room for %lld bytes, want %lld; the run is done, and data NULL would show it';
            module.fail(code, sink, "TOO_SMALL", format, name, capacity, bytes);
          });
          code.callOutside(LIBC.memcpy, [data, place, bytes]);
        },
      );
    });
    code.return(statusValue("OK"));
  });
}

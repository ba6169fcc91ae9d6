// The checks of what psn_run is given: counts, dtypes and shapes against the model's, the symbols that shapes give, the
// elements themselves where their dtype has fewer values than bytes, and room for outputs.

import { bytesWithoutWeights } from "../entry-form.js";
import { RANGE, TENSOR } from "./abi-structs.js";
import { type Bool, type Code, type I64, i32, i64, type Ptr, signature } from "./code.js";
import { type FaceModule, MODEL, sinkOf, statusValue } from "./module.js";
import { DIMS_BYTES, ELEMENTS, INPUT_DIMS, OUTPUT_DIMS, SHAPE_TEXT } from "./shapes.js";
import { PORT_ROW, SOURCE_ROW, type Tables } from "./tables.js";

/** (model, inputs, their number, i64 values of the symbols to set) -> status; the inputs' data is not looked at */
export const BIND = signature("face.bind", "i32", ["ptr", "ptr", "i64", "ptr"]);
/** (model, inputs) -> status; their shapes are those of the model */
export const CHECK_DATA = signature("face.check_data", "i32", ["ptr", "ptr"]);
/** (model, outputs, their number, values of the symbols) -> status */
export const CHECK_OUTPUTS = signature("face.check_outputs", "i32", ["ptr", "ptr", "i64", "ptr"]);

const TEXT_BYTES = 200;
/** Sizes beyond this are no sizes. */
const MOST = 2 ** 40;

export function writeArguments(module: FaceModule, tables: Tables): void {
  writeBind(module, tables);
  writeCheckData(module, tables);
  writeCheckOutputs(module, tables);
}

function writeBind(module: FaceModule, { entry, ports, sources, symbols: table }: Tables): void {
  const count = entry.inputs.length;
  module.define(BIND, (code, model, inputs, given, symbols) => {
    const sink = sinkOf(code, model);
    const isMissing = code.and(code.isNull(inputs), code.compare("ne", i64(count), i64(0)));
    code.if(code.or(isMissing, code.compare("ne", given, i64(count))), () =>
      module.fail(code, sink, "INVALID_ARGUMENT", `inputs: have %lld at %p, want an array of ${count}`, given, inputs),
    );
    const have = code.room(TEXT_BYTES);
    const show = (tensor: Ptr): void => {
      const [dtype, rank] = [code.get(tensor, TENSOR, "dtype"), code.get(tensor, TENSOR, "rank")];
      code.call(SHAPE_TEXT, have, i64(TEXT_BYTES), dtype, rank, code.place(tensor, TENSOR, "dims"));
    };
    const differ = (tensor: Ptr, row: Ptr, status: "WRONG_DTYPE" | "WRONG_SHAPE"): void => {
      show(tensor);
      const [name, shape] = [code.get(row, PORT_ROW, "name"), code.get(row, PORT_ROW, "shape")];
      module.fail(code, sink, status, 'input "%s": have %s, want %s', name, have, shape);
    };
    code.each(i64(count), (i) => {
      const tensor = code.element(inputs, i, TENSOR.bytes);
      const row = code.element(ports.input, i, PORT_ROW.bytes);
      const isOther = (field: "dtype" | "rank"): Bool =>
        code.compare("ne", code.get(tensor, TENSOR, field), code.get(row, PORT_ROW, field));
      code.if(isOther("dtype"), () => differ(tensor, row, "WRONG_DTYPE"));
      code.if(isOther("rank"), () => differ(tensor, row, "WRONG_SHAPE"));
    });

    code.each(i64(entry.sources.length), (i) => {
      const source = code.element(sources, i, SOURCE_ROW.bytes);
      const [input, axis] = [code.get(source, SOURCE_ROW, "input"), code.get(source, SOURCE_ROW, "axis")];
      const tensor = code.element(inputs, input, TENSOR.bytes);
      const size = code.load("i64", code.element(code.place(tensor, TENSOR, "dims"), axis, 8));
      const symbol = code.get(source, SOURCE_ROW, "symbol");
      const about = code.element(table, symbol, RANGE.bytes);
      const [lo, hi] = [code.get(about, RANGE, "lo"), code.get(about, RANGE, "hi")];
      const isSize = code.compare("ule", size, i64(MOST));
      const times = code.sub(code.select(isSize, size, i64(0)), code.get(source, SOURCE_ROW, "add"));
      const mul = code.get(source, SOURCE_ROW, "mul");
      const value = code.op("sdiv", times, mul);
      const isWhole = code.compare("eq", code.mul(value, mul), times);
      const isInside = code.and(code.compare("sge", value, lo), code.compare("sle", value, hi));
      code.if(code.not(code.and(isSize, code.and(isWhole, isInside))), () => {
        const row = code.element(ports.input, input, PORT_ROW.bytes);
        show(tensor);
        const [name, shape] = [code.get(row, PORT_ROW, "name"), code.get(row, PORT_ROW, "shape")];
        const format = 'input "%s": have %s, want %s with a whole %s in %lld..%lld';
        module.fail(code, sink, "WRONG_SHAPE", format, name, have, shape, code.get(about, RANGE, "name"), lo, hi);
      });
      code.store(value, code.element(symbols, symbol, 8));
    });

    const want = code.room(DIMS_BYTES);
    const wanted = code.room(TEXT_BYTES);
    code.each(i64(count), (i) => {
      const tensor = code.element(inputs, i, TENSOR.bytes);
      const row = code.element(ports.input, i, PORT_ROW.bytes);
      const dims = code.place(tensor, TENSOR, "dims");
      const rank = code.get(row, PORT_ROW, "rank");
      code.call(INPUT_DIMS, i, symbols, want);
      code.each(code.wide(rank), (axis) => {
        const [x, y] = [dims, want].map((d) => code.load("i64", code.element(d, axis, 8))) as [I64, I64];
        code.if(code.compare("ne", x, y), () => {
          show(tensor);
          code.call(SHAPE_TEXT, wanted, i64(TEXT_BYTES), code.get(row, PORT_ROW, "dtype"), rank, want);
          const [name, shape] = [code.get(row, PORT_ROW, "name"), code.get(row, PORT_ROW, "shape")];
          module.fail(code, sink, "WRONG_SHAPE", 'input "%s": have %s, want %s (%s)', name, have, wanted, shape);
        });
      });
      const most = code.get(row, PORT_ROW, "bytes");
      const bytes = code.mul(code.call(ELEMENTS, code.wide(rank), want), code.get(row, PORT_ROW, "each"));
      code.if(code.compare("ugt", bytes, most), () => differ(tensor, row, "WRONG_SHAPE"));
    });
    code.return(statusValue("OK"));
  });
}

function writeCheckData(module: FaceModule, { entry, ports }: Tables): void {
  module.define(CHECK_DATA, (code, model, inputs) => {
    const sink = sinkOf(code, model);
    const memory = code.get(model, MODEL, "memory");
    code.each(i64(entry.inputs.length), (i) => {
      const tensor = code.element(inputs, i, TENSOR.bytes);
      const row = code.element(ports.input, i, PORT_ROW.bytes);
      const name = code.get(row, PORT_ROW, "name");
      const [data, bytes] = [code.get(tensor, TENSOR, "data"), code.get(tensor, TENSOR, "bytes")];
      const [dims, rank] = [code.place(tensor, TENSOR, "dims"), code.wide(code.get(row, PORT_ROW, "rank"))];
      const elements = code.call(ELEMENTS, rank, dims);
      const want = code.mul(elements, code.get(row, PORT_ROW, "each"));
      code.if(code.compare("ne", bytes, want), () =>
        module.fail(
          code,
          sink,
          "WRONG_SHAPE",
          'input "%s": have %lld bytes, want %lld for its shape',
          name,
          bytes,
          want,
        ),
      );
      code.if(code.and(code.isNull(data), code.compare("ne", bytes, i64(0))), () =>
        module.fail(code, sink, "INVALID_ARGUMENT", 'input "%s": have no data, want %lld bytes', name, bytes),
      );
      // At its own place an input is not copied; elsewhere in the model's memory another input could overwrite it first.
      const place = code.at(memory, code.get(row, PORT_ROW, "offset"));
      const isElsewhere = code.and(code.compare("ne", data, place), touches(module, code, memory, data, bytes));
      code.if(isElsewhere, () => {
        const format = 'input "%s": have data in the model\'s memory, which this run overwrites, want a copy of it';
        module.fail(code, sink, "INVALID_ARGUMENT", format, name);
      });
      const span = code.get(row, PORT_ROW, "span");
      code.if(code.compare("ne", span, { type: "i8", text: "0" }), () =>
        code.each(bytes, (at) => {
          const element = code.load("i8", code.at(data, at));
          const lo = code.get(row, PORT_ROW, "lo");
          const isOutside = code.compare("ugt", code.op("sub", element, lo), span);
          code.if(isOutside, () => {
            const [first, shape] = [code.signed(lo), code.get(row, PORT_ROW, "shape")];
            const last = code.add(first, code.wide(span));
            const format = 'input "%s" (%s): have byte %lld at element %lld, want %lld..%lld';
            module.fail(code, sink, "WRONG_VALUE", format, name, shape, code.wide(element), at, first, last);
          });
        }),
      );
    });
    code.return(statusValue("OK"));
  });
}

/** Whether an output is to be left where it lies: no place was given, or one that an earlier run has shown. */
export function isInPlace({ model: { plan } }: FaceModule, code: Code, model: Ptr, data: Ptr): Bool {
  const within = (start: Ptr, bytes: number): Bool =>
    code.and(code.compare("uge", data, start), code.compare("ult", data, code.at(start, bytes)));
  const inMemory = within(code.get(model, MODEL, "memory"), bytesWithoutWeights(plan));
  const inWeights = within(code.get(model, MODEL, "weights"), plan.memory.weights.bytes);
  return code.or(code.isNull(data), code.or(inMemory, inWeights));
}

/** Whether bytes from `data` on share one with the model's memory. */
function touches(module: FaceModule, code: Code, memory: Ptr, data: Ptr, bytes: I64): Bool {
  const end = code.at(memory, bytesWithoutWeights(module.model.plan));
  const startsBefore = code.compare("ult", data, end);
  const isBehind = code.compare("uge", data, memory);
  // The end of a room of any size would wrap: its bytes are compared with those that lie before the memory.
  const reaches = code.compare("ugt", bytes, code.op("sub", code.address(memory), code.address(data)));
  return code.and(startsBefore, code.or(isBehind, reaches));
}

function writeCheckOutputs(module: FaceModule, { entry, ports }: Tables): void {
  const count = entry.outputs.length;
  module.define(CHECK_OUTPUTS, (code, model, outputs, given, symbols) => {
    const sink = sinkOf(code, model);
    code.if(code.or(code.isNull(outputs), code.compare("ne", given, i64(count))), () =>
      module.fail(
        code,
        sink,
        "INVALID_ARGUMENT",
        `outputs: have %lld at %p, want an array of ${count}`,
        given,
        outputs,
      ),
    );
    const dims = code.room(DIMS_BYTES);
    const memory = code.get(model, MODEL, "memory");
    code.each(i64(count), (i) => {
      const tensor = code.element(outputs, i, TENSOR.bytes);
      const row = code.element(ports.output, i, PORT_ROW.bytes);
      const name = code.get(row, PORT_ROW, "name");
      const [data, capacity] = [code.get(tensor, TENSOR, "data"), code.get(tensor, TENSOR, "capacity")];
      code.if(code.not(isInPlace(module, code, model, data)), () => {
        code.if(touches(module, code, memory, data, capacity), () =>
          module.fail(code, sink, "INVALID_ARGUMENT", 'output "%s": its room reaches into the model\'s memory', name),
        );
        // Sizes that depend on data are known when the run is done.
        code.if(code.compare("eq", code.get(row, PORT_ROW, "late"), i32(0)), () => {
          code.call(OUTPUT_DIMS, i, symbols, dims);
          const rank = code.wide(code.get(row, PORT_ROW, "rank"));
          const elements = code.call(ELEMENTS, rank, dims);
          const bytes = code.mul(elements, code.get(row, PORT_ROW, "each"));
          code.if(code.compare("ult", capacity, bytes), () =>
            module.fail(
              code,
              sink,
              "TOO_SMALL",
              'output "%s": have room for %lld bytes, want %lld: set capacity and data, or data to NULL',
              name,
              capacity,
              bytes,
            ),
          );
        });
      });
    });
    code.return(statusValue("OK"));
  });
}

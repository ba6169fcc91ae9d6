// The functions that describe a model without one: they read constant tables and nothing else.

import { bytesOf } from "../../../compiler/ir/dtype.js";
import { ABI_VERSION, DTYPE_NUMBERS, type FaceDType, STATUSES } from "./abi.js";
import { PORT, RANGE } from "./abi-structs.js";
import { type Code, type I64, i32, i64, NULL, type Ptr } from "./code.js";
import { arenaBytes } from "./create.js";
import { LIBC } from "./libc.js";
import { type FaceModule, statusValue } from "./module.js";
import { DTYPE_NAME } from "./shapes.js";
import { PORT_ROW, type Tables } from "./tables.js";

export function writeQueries(module: FaceModule, tables: Tables): void {
  const { data } = module;
  const { plan, bundle } = module.model;
  const { entry, ports } = tables;

  module.publish("abi_version", (code) => code.return(i32(ABI_VERSION)));
  module.publish("digest", (code) => code.return(data.text(bundle.digest)));
  module.publish("status_text", (code, status) => {
    for (const [number, text] of Object.values(STATUSES))
      code.if(code.compare("eq", status, i32(number)), () => code.return(data.text(text)));
    code.return(data.text("no status of this library"));
  });
  const dtypes = Object.entries(DTYPE_NUMBERS) as [FaceDType, number][];
  module.publish("dtype_name", (code, dtype) => {
    code.if(code.compare("ugt", code.op("sub", dtype, i32(1)), i32(dtypes.length - 1)), () => code.return(NULL));
    code.return(code.call(DTYPE_NAME, dtype));
  });
  module.publish("dtype_bytes", (code, dtype) => {
    for (const [name, number] of dtypes)
      code.if(code.compare("eq", dtype, i32(number)), () => code.return(i64(bytesOf(name))));
    code.return(i64(0));
  });

  const counts = {
    input: entry.inputs.length,
    output: entry.outputs.length,
    state: plan.states.length,
    symbol: plan.symbols.length,
  };
  /** Copies the first bytes of a row. */
  const describe =
    (rows: Ptr, count: number, rowBytes: number, bytes: number) =>
    (code: Code, index: I64, into: Ptr): void => {
      const isWrong = code.or(code.isNull(into), code.compare("uge", index, i64(count)));
      code.if(isWrong, () => code.return(statusValue("INVALID_ARGUMENT")));
      code.callOutside(LIBC.memcpy, [into, code.element(rows, index, rowBytes), i64(bytes)]);
      code.return(statusValue("OK"));
    };
  module.publish("input_count", (code) => code.return(i64(counts.input)));
  module.publish("output_count", (code) => code.return(i64(counts.output)));
  module.publish("state_count", (code) => code.return(i64(counts.state)));
  module.publish("symbol_count", (code) => code.return(i64(counts.symbol)));
  module.publish("input", describe(ports.input, counts.input, PORT_ROW.bytes, PORT.bytes));
  module.publish("output", describe(ports.output, counts.output, PORT_ROW.bytes, PORT.bytes));
  module.publish("state", describe(ports.state, counts.state, PORT_ROW.bytes, PORT.bytes));
  module.publish("symbol", describe(tables.symbols, counts.symbol, RANGE.bytes, RANGE.bytes));

  module.publish("string_count", (code) => code.return(i64(plan.strings.length)));
  module.publish("string", (code, place) => {
    code.if(code.compare("uge", place, i64(plan.strings.length)), () => code.return(NULL));
    code.return(code.load("ptr", code.element(tables.strings, place, 8)));
  });
  module.publish("arena_bytes", (code) => code.return(i64(arenaBytes(plan))));
}

// The model's shapes as functions: the dims of a port for given values of the symbols. Sizes that do not vary come from
// the port's row. Also the text of a shape, for errors.

import type { DimJson, Port } from "../../../compiler/plan/plan.js";
import { DTYPE_NUMBERS } from "./abi.js";
import { MAX_RANK } from "./abi-structs.js";
import { type Code, type I64, i64, type Ptr, signature } from "./code.js";
import { LIBC } from "./libc.js";
import type { FaceModule } from "./module.js";
import { PORT_ROW, slots, type Tables } from "./tables.js";

/** (port's index, i64 values of the symbols, i64 dims to set) */
export const INPUT_DIMS = signature("face.input_dims", "void", ["i64", "ptr", "ptr"]);
export const OUTPUT_DIMS = signature("face.output_dims", "void", ["i64", "ptr", "ptr"]);

/** (text, its bytes, dtype, rank, i64 dims) */
export const SHAPE_TEXT = signature("face.shape_text", "void", ["ptr", "i64", "i32", "i32", "ptr"]);

/** (dtype) -> its name, or a mark that there is none */
export const DTYPE_NAME = signature("face.dtype_name", "ptr", ["i32"]);

/** (rank, dims) -> number of elements; 2^32 where there are more, or where a size is below 0 */
export const ELEMENTS = signature("face.elements", "i64", ["i64", "ptr"]);

const FLOORDIV = signature("floordiv", "i64", ["i64", "i64"]);
const MOD = signature("mod", "i64", ["i64", "i64"]);

export const DIMS_BYTES = MAX_RANK * 8;

export function writeShapes(module: FaceModule, { entry, ports }: Tables): void {
  const slotOf = slots(module.model.plan);
  const writeDims = (fn: typeof INPUT_DIMS, list: readonly Port[], rows: Ptr): void =>
    module.define(fn, (code, index, symbols, dims) => {
      const row = code.element(rows, index, PORT_ROW.bytes);
      code.callOutside(LIBC.memcpy, [dims, code.place(row, PORT_ROW, "dims"), i64(DIMS_BYTES)]);
      for (const [i, { shape }] of list.entries()) {
        const varying = [...shape.entries()].filter(([, d]) => typeof d !== "number");
        if (varying.length === 0) continue;
        code.if(code.compare("eq", index, i64(i)), () => {
          for (const [axis, d] of varying) code.store(sizeOf(code, d, symbols, slotOf), code.at(dims, axis * 8));
        });
      }
      code.return();
    });
  writeDims(INPUT_DIMS, entry.inputs, ports.input);
  writeDims(OUTPUT_DIMS, entry.outputs, ports.output);

  module.define(ELEMENTS, (code, rank, dims) => {
    const product = code.local(i64(1));
    const over = i64(2 ** 32);
    code.each(rank, (axis) => {
      const size = code.load("i64", code.element(dims, axis, 8));
      // Both factors are below 2^32 here: the product does not wrap.
      code.if(code.compare("uge", size, over), () => code.return(over));
      product.set(code.mul(product.get(), size));
      code.if(code.compare("uge", product.get(), over), () => code.return(over));
    });
    code.return(product.get());
  });

  module.define(DTYPE_NAME, (code, dtype) => {
    for (const [name, number] of Object.entries(DTYPE_NUMBERS))
      code.if(code.compare("eq", dtype, { type: "i32", text: String(number) }), () =>
        code.return(module.data.text(name)),
      );
    code.return(module.data.text("no dtype"));
  });

  module.define(SHAPE_TEXT, (code, text, bytes, dtype, rank, dims) => {
    const used = code.local(i64(0));
    const last = code.sub(bytes, i64(1));
    const put = (format: string, ...args: readonly (Ptr | I64)[]): void => {
      const room = code.sub(bytes, used.get());
      const wrote = code.callOutside(LIBC.snprintf, [code.at(text, used.get()), room, module.data.text(format)], args);
      used.set(code.min(code.add(used.get(), code.signed(wrote)), last));
    };
    put("%s[", code.call(DTYPE_NAME, dtype));
    code.each(code.min(code.wide(rank), i64(MAX_RANK)), (axis) => {
      const size = code.load("i64", code.element(dims, axis, 8));
      const before = code.select(code.compare("eq", axis, i64(0)), module.data.text(""), module.data.text(", "));
      put("%s%lld", before, size);
    });
    put("]");
    code.return();
  });
}

function sizeOf(code: Code, d: DimJson, symbols: Ptr, slotOf: (name: string) => number): I64 {
  if (typeof d === "number") return i64(d);
  if (typeof d === "string") return code.load("i64", code.at(symbols, slotOf(d) * 8));
  const [op, left, right] = d;
  const [a, b] = [sizeOf(code, left, symbols, slotOf), sizeOf(code, right, symbols, slotOf)];
  switch (op) {
    case "add":
      return code.add(a, b);
    case "mul":
      return code.mul(a, b);
    case "div":
      return code.call(FLOORDIV, a, b);
    case "mod":
      return code.call(MOD, a, b);
    case "min":
      return code.select(code.compare("slt", a, b), a, b);
    case "max":
      return code.select(code.compare("sgt", a, b), a, b);
  }
}

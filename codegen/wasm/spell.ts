// How WebAssembly spells register operations: the dialect's table. Scalars hold masks as 0 or 1, vectors as all-ones
// lanes.

import type { Expr, MachineOp, Reg, RegKind } from "../loops/expr.js";
import type { Dialect } from "./dialect.js";
import { type Instruction, i32, type ValueType } from "./tree.js";

export function valueType({ kind, lanes }: Reg): ValueType {
  if (lanes > 1) return "v128";
  return kind === "mask32" || kind === "mask64" ? "i32" : kind;
}

type Num = "i32" | "i64" | "f32" | "f64";

function scalarName(kind: RegKind): Num {
  return kind === "mask32" || kind === "mask64" ? "i32" : kind;
}

function vectorName(kind: RegKind): "i32x4" | "i64x2" | "f32x4" | "f64x2" {
  switch (kind) {
    case "f32":
      return "f32x4";
    case "f64":
      return "f64x2";
    case "i64":
    case "mask64":
      return "i64x2";
    default:
      return "i32x4";
  }
}

interface Cx {
  readonly type: Reg;
  readonly args: readonly Instruction[];
  readonly operands: readonly Expr[];
  readonly dialect: Dialect;
}

type Spell = (cx: Cx) => Instruction;

function at(args: readonly Instruction[], i: number): Instruction {
  const x = args[i];
  if (x === undefined) throw new RangeError(`operand ${i} is missing`);
  return x;
}

function operandType(cx: Cx, i = 0): Reg {
  return cx.operands[i]?.type ?? cx.type;
}

const isFloat = (k: RegKind): boolean => k === "f32" || k === "f64";
const isMask = (k: RegKind): boolean => k === "mask32" || k === "mask64";
const zeroOf = (k: Num): Instruction => (k === "i32" ? i32(0) : k === "i64" ? ["i64.const", 0n] : [`${k}.const`, 0]);

/** The same name on scalars and vectors: `f32.add`, `f32x4.add`. */
const plain =
  (scalar: string, vector = scalar): Spell =>
  (cx) => {
    const { kind, lanes } = operandType(cx);
    return lanes > 1 ? [`${vectorName(kind)}.${vector}`, ...cx.args] : [`${scalarName(kind)}.${scalar}`, ...cx.args];
  };

const bitwise =
  (name: "and" | "or" | "xor"): Spell =>
  (cx) =>
    cx.type.lanes > 1 ? [`v128.${name}`, ...cx.args] : [`${scalarName(cx.type.kind)}.${name}`, ...cx.args];

const shift =
  (scalar: string): Spell =>
  (cx) => {
    const { kind, lanes } = cx.type;
    const count = at(cx.args, 1);
    const counted = operandType(cx, 1);
    if (lanes > 1)
      return [`${vectorName(kind)}.${scalar}`, at(cx.args, 0), counted.kind === "i64" ? ["i32.wrap", count] : count];
    const widened: Instruction = kind === "i64" && counted.kind === "i32" ? ["i64.extend_u", count] : count;
    return [`${scalarName(kind)}.${scalar}`, at(cx.args, 0), widened];
  };

/** Integer minimum and maximum: an instruction on vectors, a choice on scalars. */
const choose =
  (compare: string, vector: string): Spell =>
  (cx) => {
    const { kind, lanes } = cx.type;
    const [a, b] = [at(cx.args, 0), at(cx.args, 1)];
    if (lanes > 1) return [`${vectorName(kind)}.${vector}`, a, b];
    return ["select", [`${scalarName(kind)}.${compare}`, a, b], a, b];
  };

const compare =
  (float: string, signed: string): Spell =>
  (cx) => {
    const { kind, lanes } = operandType(cx);
    const name = isFloat(kind) ? float : signed;
    return lanes > 1 ? [`${vectorName(kind)}.${name}`, ...cx.args] : [`${scalarName(kind)}.${name}`, ...cx.args];
  };

function refuse(op: string): Spell {
  return () => {
    throw new RangeError(`WebAssembly has no ${op}`);
  };
}

export const SPELL: Readonly<Record<MachineOp, Spell>> = {
  add: plain("add"),
  sub: plain("sub"),
  mul: plain("mul"),
  div: plain("div"),
  min: plain("min"),
  max: plain("max"),
  sqrt: plain("sqrt"),
  floor: plain("floor"),
  ceil: plain("ceil"),
  trunc: plain("trunc"),
  nearest: plain("nearest"),
  neg: (cx) => {
    const { kind, lanes } = cx.type;
    if (lanes > 1 || isFloat(kind)) return plain("neg")(cx);
    const name = scalarName(kind);
    return [`${name}.sub`, zeroOf(name), at(cx.args, 0)];
  },
  abs: (cx) => {
    const { kind, lanes } = cx.type;
    // Engines build the mask anew for every f32x4.abs; a constant of ours stays in a register.
    if (lanes > 1 && kind === "f32") return ["v128.and", at(cx.args, 0), ["i32x4.splat", ["i32.literal", 0x7fffffff]]];
    if (lanes > 1 || isFloat(kind)) return plain("abs")(cx);
    const name = scalarName(kind);
    const x = at(cx.args, 0);
    return ["select", [`${name}.lt_s`, x, zeroOf(name)], [`${name}.sub`, zeroOf(name), x], x];
  },
  pmin: (cx) => {
    if (cx.type.lanes > 1) return plain("pmin")(cx);
    const [a, b] = [at(cx.args, 0), at(cx.args, 1)];
    return ["select", [`${scalarName(cx.type.kind)}.lt`, b, a], b, a];
  },
  pmax: (cx) => {
    if (cx.type.lanes > 1) return plain("pmax")(cx);
    const [a, b] = [at(cx.args, 0), at(cx.args, 1)];
    return ["select", [`${scalarName(cx.type.kind)}.lt`, a, b], b, a];
  },
  madd: (cx) => {
    const { kind, lanes } = cx.type;
    const [a, b, c] = [at(cx.args, 0), at(cx.args, 1), at(cx.args, 2)];
    if (cx.dialect.tier === "relaxed" && lanes > 1 && isFloat(kind))
      return [`${vectorName(kind)}.relaxed_madd`, a, b, c];
    const ns = lanes > 1 ? vectorName(kind) : scalarName(kind);
    return [`${ns}.add`, c, [`${ns}.mul`, a, b]];
  },
  divS: plain("div_s"),
  divU: plain("div_u"),
  remS: plain("rem_s"),
  remU: plain("rem_u"),
  minS: choose("lt_s", "min_s"),
  maxS: choose("gt_s", "max_s"),
  minU: choose("lt_u", "min_u"),
  maxU: choose("gt_u", "max_u"),
  and: bitwise("and"),
  or: bitwise("or"),
  xor: bitwise("xor"),
  shl: shift("shl"),
  shrS: shift("shr_s"),
  shrU: shift("shr_u"),
  shlHalves: (cx) => ["i16x8.shl", ...cx.args],
  shrHalves: (cx) => ["i16x8.shr_u", ...cx.args],
  eq: compare("eq", "eq"),
  ne: compare("ne", "ne"),
  lt: compare("lt", "lt_s"),
  le: compare("le", "le_s"),
  ltU: compare("lt", "lt_u"),
  leU: compare("le", "le_u"),
  not: (cx) => (cx.type.lanes > 1 ? ["v128.not", at(cx.args, 0)] : ["i32.eqz", at(cx.args, 0)]),
  select: (cx) => {
    const [mask, a, b] = [at(cx.args, 0), at(cx.args, 1), at(cx.args, 2)];
    return cx.type.lanes > 1 ? ["v128.bitselect", a, b, mask] : ["select", mask, a, b];
  },
  toIntS: (cx) => toInt(cx, "s"),
  toIntU: (cx) => toInt(cx, "u"),
  toFloatS: (cx) => toFloat(cx, "s"),
  toFloatU: (cx) => toFloat(cx, "u"),
  fromHalf: refuse("f16 conversion"),
  toHalf: refuse("f16 conversion"),
  promote: (cx) => (cx.type.lanes > 1 ? refuse("vector promote")(cx) : ["f64.promote", at(cx.args, 0)]),
  demote: (cx) => (cx.type.lanes > 1 ? refuse("vector demote")(cx) : ["f32.demote", at(cx.args, 0)]),
  extendS: (cx) => ["i64.extend_s", at(cx.args, 0)],
  extendU: (cx) => ["i64.extend_u", at(cx.args, 0)],
  wrap: (cx) => ["i32.wrap", at(cx.args, 0)],
  bits: (cx) => {
    const from = operandType(cx).kind;
    const { kind, lanes } = cx.type;
    return lanes > 1 || from === kind ? at(cx.args, 0) : [`${scalarName(kind)}.reinterpret`, at(cx.args, 0)];
  },
  maskToInt: (cx) => {
    const { kind, lanes } = cx.type;
    const x = at(cx.args, 0);
    if (lanes > 1) return ["v128.and", x, [`${vectorName(kind)}.splat`, kind === "i64" ? ["i64.const", 1n] : i32(1)]];
    return kind === "i64" ? ["i64.extend_u", x] : x;
  },
  intToMask: (cx) => {
    const { kind, lanes } = operandType(cx);
    const x = at(cx.args, 0);
    if (lanes > 1) return [`${vectorName(kind)}.ne`, x, [`${vectorName(kind)}.splat`, zeroOf(scalarName(kind))]];
    return [`${scalarName(kind)}.ne`, x, zeroOf(scalarName(kind))];
  },
  laneBits: (cx) => ["i32x4.bitmask", ...cx.args],
  lowestBit: (cx) => ["i32.ctz", ...cx.args],
  splat: (cx) => {
    const { kind } = cx.type;
    const x = at(cx.args, 0);
    // A scalar mask is 0 or 1: its negation has all bits equal.
    return isMask(kind) ? ["i32x4.splat", ["i32.sub", i32(0), x]] : [`${vectorName(kind)}.splat`, x];
  },
  dot16: (cx) => ["i32x4.dot_i16x8_s", ...cx.args],
  dot8: (cx) => (cx.dialect.bytes === "unsigned" ? relaxedDot(cx) : dotBytes(cx)),
  dot7: (cx) => (cx.dialect.tier === "relaxed" ? relaxedDot(cx) : dotBytes(cx)),
  dotS: refuse("dot products of signed bytes"),
  dotBf16: refuse("dot products of bfloat16"),
  squareU: refuse("squares of bytes"),
  squareS: refuse("squares of bytes"),
  joinLow: (cx) => ["shuffle2", "0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23", ...cx.args],
  joinHigh: (cx) => ["shuffle2", "8,9,10,11,12,13,14,15,24,25,26,27,28,29,30,31", ...cx.args],
  zipLow: (cx) => ["shuffle2", "0,1,2,3,16,17,18,19,4,5,6,7,20,21,22,23", ...cx.args],
  zipHigh: (cx) => ["shuffle2", "8,9,10,11,24,25,26,27,12,13,14,15,28,29,30,31", ...cx.args],
  evensOdds: (cx) => ["shuffle2", "0,1,2,3,8,9,10,11,20,21,22,23,28,29,30,31", ...cx.args],
  checkedIndex: (cx) => [operandType(cx).kind === "i64" ? "call.check64" : "call.check32", ...cx.args],
};

/** The first operand is the second here: the one of which the instruction promises seven bits. */
function relaxedDot({ args }: Cx): Instruction {
  return ["i32x4.relaxed_dot_i8x16_i7x16_add_s", at(args, 1), at(args, 0), at(args, 2)];
}

/** Even bytes and odd ones, each as 16-bit pairs. */
function dotBytes(cx: Cx): Instruction {
  const [u, s, c] = [at(cx.args, 0), at(cx.args, 1), at(cx.args, 2)];
  const low: Instruction = ["v128.and", u, ["i32x4.splat", ["i32.literal", 0x00ff00ff]]];
  const high: Instruction = ["i16x8.shr_u", u, i32(8)];
  const even: Instruction = ["i16x8.shr_s", ["i16x8.shl", s, i32(8)], i32(8)];
  const odd: Instruction = ["i16x8.shr_s", s, i32(8)];
  return ["i32x4.add", ["i32x4.add", c, ["i32x4.dot_i16x8_s", low, even]], ["i32x4.dot_i16x8_s", high, odd]];
}

function toInt(cx: Cx, sign: "s" | "u"): Instruction {
  const from = operandType(cx).kind;
  if (cx.type.lanes > 1) return [`i32x4.trunc_sat_f32x4_${sign}`, at(cx.args, 0)];
  return [`${scalarName(cx.type.kind)}.trunc_${sign}_sat.${scalarName(from)}`, at(cx.args, 0)];
}

function toFloat(cx: Cx, sign: "s" | "u"): Instruction {
  const from = operandType(cx).kind;
  if (cx.type.lanes > 1) return [`f32x4.convert_i32x4_${sign}`, at(cx.args, 0)];
  return [`${scalarName(cx.type.kind)}.convert_${sign}.${scalarName(from)}`, at(cx.args, 0)];
}

export { scalarName, vectorName };

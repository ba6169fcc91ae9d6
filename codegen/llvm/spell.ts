// How LLVM IR spells register operations: the dialect's table. No instruction has fast-math flags, so that nothing is
// reassociated or contracted; operations mean bit for bit what they mean on WebAssembly (NaN payloads apart).

import { Bug } from "../../compiler/ir/errors.js";
import type { MachineOp, Reg, RegKind } from "../loops/expr.js";
import { dot16, dotBf16, dotBytes, neonBytes } from "./dots.js";
import { arg, cast, type Spell, type Spelling } from "./spelling.js";

import { bitsType, floatText, intrinsicType, repeated, scalarType, typeOf, vectorOf } from "./types.js";

const isFloat = (k: RegKind): boolean => k === "f32" || k === "f64";

function operandType(cx: Spelling, i = 0): Reg {
  return cx.operands[i]?.type ?? cx.type;
}

function zero({ kind, lanes }: Reg): string {
  return repeated(scalarType(kind), isFloat(kind) ? "0.0" : "0", lanes);
}

const binary =
  (integer: string, float = integer): Spell =>
  (cx) =>
    cx.out.value(`${isFloat(cx.type.kind) ? float : integer} ${typeOf(cx.type)} ${arg(cx, 0)}, ${arg(cx, 1)}`);

function select(cx: Spelling, mask: string, maskType: string, yes: string, no: string, type = typeOf(cx.type)): string {
  return cx.out.value(`select ${maskType} ${mask}, ${type} ${yes}, ${type} ${no}`);
}

const maskType = ({ lanes }: Reg): string => vectorOf("i1", lanes);

function compareText(cx: Spelling, predicate: string, a: string, b: string): string {
  const type = operandType(cx);
  return cx.out.value(`${isFloat(type.kind) ? "fcmp" : "icmp"} ${predicate} ${typeOf(type)} ${a}, ${b}`);
}

const compare =
  (float: string, integer: string): Spell =>
  (cx) =>
    compareText(cx, isFloat(operandType(cx).kind) ? float : integer, arg(cx, 0), arg(cx, 1));

/** a where `predicate(a, b)`, else b. */
const choose =
  (predicate: string): Spell =>
  (cx) =>
    select(cx, compareText(cx, predicate, arg(cx, 0), arg(cx, 1)), maskType(cx.type), arg(cx, 0), arg(cx, 1));

const intrinsic =
  (name: string): Spell =>
  (cx) => {
    const type = typeOf(cx.type);
    return cx.out.call(type, `llvm.${name}.${intrinsicType(cx.type)}`, [{ type, text: arg(cx, 0) }]);
  };

const bitwise =
  (op: "and" | "or" | "xor"): Spell =>
  (cx) => {
    const type = typeOf(cx.type);
    const bits = bitsType(cx.type);
    const [a, b] = [cast(cx, "bitcast", type, arg(cx, 0), bits), cast(cx, "bitcast", type, arg(cx, 1), bits)];
    return cast(cx, "bitcast", bits, cx.out.value(`${op} ${bits} ${a}, ${b}`), type);
  };

/** Shift counts are taken modulo the width, as on WebAssembly. */
const shift =
  (op: "shl" | "ashr" | "lshr"): Spell =>
  (cx) => {
    const { kind, lanes } = cx.type;
    const own = scalarType(kind);
    const from = typeOf(operandType(cx, 1));
    const resized = cast(cx, from === "i64" ? "trunc" : "zext", from, arg(cx, 1), own);
    const masked = cx.out.value(`and ${own} ${resized}, ${kind === "i64" ? 63 : 31}`);
    return cx.out.value(`${op} ${typeOf(cx.type)} ${arg(cx, 0)}, ${splat(cx, own, masked, lanes)}`);
  };

function splat(cx: Spelling, scalar: string, value: string, lanes: number): string {
  if (lanes === 1) return value;
  const vector = vectorOf(scalar, lanes);
  const one = cx.out.value(`insertelement ${vector} undef, ${scalar} ${value}, i32 0`);
  return cx.out.value(`shufflevector ${vector} ${one}, ${vector} undef, <${lanes} x i32> zeroinitializer`);
}

/** Minimum and maximum that propagate NaN; of two zeros the sign bits decide: `bits` combines them. */
const extreme =
  (predicate: "olt" | "ogt", bits: "or" | "and"): Spell =>
  (cx) => {
    const type = typeOf(cx.type);
    const integers = bitsType(cx.type);
    const mask = maskType(cx.type);
    const [a, b] = [arg(cx, 0), arg(cx, 1)];
    const ordered = select(cx, compareText(cx, predicate, a, b), mask, a, b);
    const [x, y] = [cast(cx, "bitcast", type, a, integers), cast(cx, "bitcast", type, b, integers)];
    const same = cast(cx, "bitcast", integers, cx.out.value(`${bits} ${integers} ${x}, ${y}`), type);
    const settled = select(cx, compareText(cx, "oeq", a, b), mask, same, ordered);
    const nan = cx.out.value(`fadd ${type} ${a}, ${b}`);
    return select(cx, compareText(cx, "uno", a, b), mask, nan, settled);
  };

/** Towards zero and saturating; NaN is 0. */
const toInt =
  (sign: "s" | "u"): Spell =>
  (cx) => {
    const from = operandType(cx);
    if (cx.type.lanes > 1 && !cx.dialect.saturates) return guardedToInt(cx, sign);
    const name = `llvm.fpto${sign}i.sat.${intrinsicType(cx.type)}.${intrinsicType(from)}`;
    return cx.out.call(typeOf(cx.type), name, [{ type: typeOf(from), text: arg(cx, 0) }]);
  };

/** As LLVM's saturating conversion, which it would do lane by lane: what is out of range never reaches the instruction. */
function guardedToInt(cx: Spelling, sign: "s" | "u"): string {
  const { out } = cx;
  const from = operandType(cx);
  const { lanes } = cx.type;
  const [type, mask] = [typeOf(from), maskType(cx.type)];
  const kind = from.kind === "f64" ? "f64" : "f32";
  const real = (value: number): string => repeated(scalarType(kind), floatText(kind, value), lanes);
  const [least, beyond] = sign === "s" ? [-(2 ** 31), 2 ** 31] : [0, 2 ** 32];
  const x = arg(cx, 0);
  const raised = select(cx, compareText(cx, "olt", x, real(least)), mask, real(least), x, type);
  const fits = compareText(cx, "olt", raised, real(beyond));
  const whole = out.value(
    `fpto${sign}i ${type} ${select(cx, fits, mask, raised, real(0), type)} to ${typeOf(cx.type)}`,
  );
  const most = repeated(scalarType(cx.type.kind), String(sign === "s" ? 2 ** 31 - 1 : -1), lanes);
  return select(cx, compareText(cx, "oge", x, real(beyond)), mask, most, whole);
}

const convert =
  (op: string): Spell =>
  (cx) =>
    cast(cx, op, typeOf(operandType(cx)), arg(cx, 0), typeOf(cx.type));

/** A vector of lanes of two: `from(i, lanes)` counts those of the second behind those of the first. */
const shuffle =
  (from: (i: number, lanes: number) => number): Spell =>
  (cx) => {
    const { lanes } = cx.type;
    const type = typeOf(cx.type);
    const order = Array.from({ length: lanes }, (_, i) => `i32 ${from(i, lanes)}`);
    return cx.out.value(
      `shufflevector ${type} ${arg(cx, 0)}, ${type} ${arg(cx, 1)}, <${lanes} x i32> <${order.join(", ")}>`,
    );
  };

/** Lanes of two vectors alternating: the low halves, the high halves. */
const zip = (high: boolean): Spell =>
  shuffle((i, lanes) => (high ? lanes / 2 : 0) + (i >> 1) + (i % 2 === 0 ? 0 : lanes));

/** A half of one vector and then the same half of another. */
const join = (high: boolean): Spell =>
  shuffle((i, lanes) => i + (i < lanes / 2 ? 0 : lanes / 2) + (high ? lanes / 2 : 0));

const evensOdds = shuffle((i, lanes) => (i < lanes / 2 ? 2 * i : 2 * i + 1));

function madd(cx: Spelling): string {
  const type = typeOf(cx.type);
  const [a, b, c] = [arg(cx, 0), arg(cx, 1), arg(cx, 2)];
  const float = isFloat(cx.type.kind);
  if (float && cx.tier === "relaxed" && cx.dialect.fma)
    return cx.out.call(type, `llvm.fma.${intrinsicType(cx.type)}`, [
      { type, text: a },
      { type, text: b },
      { type, text: c },
    ]);
  const product = cx.out.value(`${float ? "fmul" : "mul"} ${type} ${a}, ${b}`);
  return cx.out.value(`${float ? "fadd" : "add"} ${type} ${c}, ${product}`);
}

/** The index where it is inside, else 0 and a note that the run fails. */
function checkedIndex(cx: Spelling): string {
  const { out } = cx;
  const index = typeOf(operandType(cx));
  const size = cast(cx, "zext", "i32", arg(cx, 1), index);
  const inside = out.value(`icmp ult ${index} ${arg(cx, 0)}, ${size}`);
  const [outside, after] = [out.fresh("outside"), out.fresh("inside")];
  out.branch(inside, after, outside);
  out.block(outside);
  // Threads that share the kernel may note it at the same time.
  out.line(`store atomic i32 1, ptr ${cx.fail} monotonic, align 4`);
  out.jump(after);
  out.block(after);
  const low = cast(cx, "trunc", index, arg(cx, 0), "i32");
  return out.value(`select i1 ${inside}, i32 ${low}, i32 0`);
}

/** Of lanes as halves, by a count that is a constant. */
function shiftHalves(name: string): Spell {
  return (cx) => {
    const [, by] = cx.operands;
    if (by?.kind !== "const") throw new Bug("llvm", `${name} of halves by a count that is no constant`);
    const [type, lanes] = [typeOf(cx.type), 2 * cx.type.lanes];
    const halves = vectorOf("i16", lanes);
    const shifted = cx.out.value(
      `${name} ${halves} ${cast(cx, "bitcast", type, arg(cx, 0), halves)}, ${repeated("i16", String(by.value), lanes)}`,
    );
    return cast(cx, "bitcast", halves, shifted, type);
  };
}

export const SPELL: Readonly<Record<MachineOp, Spell>> = {
  add: binary("add", "fadd"),
  sub: binary("sub", "fsub"),
  mul: binary("mul", "fmul"),
  div: binary("sdiv", "fdiv"),
  min: extreme("olt", "or"),
  max: extreme("ogt", "and"),
  pmin: (cx) => select(cx, compareText(cx, "olt", arg(cx, 1), arg(cx, 0)), maskType(cx.type), arg(cx, 1), arg(cx, 0)),
  pmax: (cx) => select(cx, compareText(cx, "olt", arg(cx, 0), arg(cx, 1)), maskType(cx.type), arg(cx, 1), arg(cx, 0)),
  sqrt: intrinsic("sqrt"),
  floor: intrinsic("floor"),
  ceil: intrinsic("ceil"),
  trunc: intrinsic("trunc"),
  nearest: intrinsic("roundeven"),
  neg: (cx) =>
    isFloat(cx.type.kind)
      ? cx.out.value(`fneg ${typeOf(cx.type)} ${arg(cx, 0)}`)
      : cx.out.value(`sub ${typeOf(cx.type)} ${zero(cx.type)}, ${arg(cx, 0)}`),
  abs: (cx) => {
    if (isFloat(cx.type.kind)) return intrinsic("fabs")(cx);
    const negative = compareText(cx, "slt", arg(cx, 0), zero(cx.type));
    const flipped = cx.out.value(`sub ${typeOf(cx.type)} ${zero(cx.type)}, ${arg(cx, 0)}`);
    return select(cx, negative, maskType(cx.type), flipped, arg(cx, 0));
  },
  madd,
  divS: binary("sdiv"),
  divU: binary("udiv"),
  remS: binary("srem"),
  remU: binary("urem"),
  minS: choose("slt"),
  maxS: choose("sgt"),
  minU: choose("ult"),
  maxU: choose("ugt"),
  and: bitwise("and"),
  or: bitwise("or"),
  xor: bitwise("xor"),
  shl: shift("shl"),
  shrS: shift("ashr"),
  shrU: shift("lshr"),
  shlHalves: shiftHalves("shl"),
  shrHalves: shiftHalves("lshr"),
  eq: compare("oeq", "eq"),
  ne: compare("une", "ne"),
  lt: compare("olt", "slt"),
  le: compare("ole", "sle"),
  ltU: compare("olt", "ult"),
  leU: compare("ole", "ule"),
  not: (cx) => cx.out.value(`xor ${typeOf(cx.type)} ${arg(cx, 0)}, ${repeated("i1", "true", cx.type.lanes)}`),
  select: (cx) => select(cx, arg(cx, 0), typeOf(operandType(cx)), arg(cx, 1), arg(cx, 2)),
  toIntS: toInt("s"),
  toIntU: toInt("u"),
  toFloatS: convert("sitofp"),
  toFloatU: convert("uitofp"),
  fromHalf: (cx) => {
    const { lanes } = cx.type;
    const bits = cast(cx, "trunc", vectorOf("i32", lanes), arg(cx, 0), vectorOf("i16", lanes));
    const half = cast(cx, "bitcast", vectorOf("i16", lanes), bits, vectorOf("half", lanes));
    return cast(cx, "fpext", vectorOf("half", lanes), half, typeOf(cx.type));
  },
  toHalf: (cx) => {
    const { lanes } = cx.type;
    const half = cast(cx, "fptrunc", vectorOf("float", lanes), arg(cx, 0), vectorOf("half", lanes));
    const bits = cast(cx, "bitcast", vectorOf("half", lanes), half, vectorOf("i16", lanes));
    return cast(cx, "zext", vectorOf("i16", lanes), bits, typeOf(cx.type));
  },
  promote: convert("fpext"),
  demote: convert("fptrunc"),
  extendS: convert("sext"),
  extendU: convert("zext"),
  wrap: convert("trunc"),
  bits: convert("bitcast"),
  maskToInt: convert("zext"),
  intToMask: (cx) => compareText(cx, "ne", arg(cx, 0), zero(operandType(cx))),
  laneBits: (cx) => {
    const { lanes } = operandType(cx);
    return cast(
      cx,
      "zext",
      `i${lanes}`,
      cx.out.value(`bitcast ${maskType(operandType(cx))} ${arg(cx, 0)} to i${lanes}`),
      "i32",
    );
  },
  lowestBit: (cx) =>
    cx.out.call("i32", "llvm.cttz.i32", [
      { type: "i32", text: arg(cx, 0) },
      { type: "i1", text: "true" },
    ]),
  splat: (cx) => splat(cx, scalarType(cx.type.kind), arg(cx, 0), cx.type.lanes),
  dot16,
  dot8: dotBytes(false),
  dot7: dotBytes(true),
  dotBf16,
  dotS: neonBytes("sdot"),
  squareU: neonBytes("usmmla"),
  squareS: neonBytes("smmla"),
  joinLow: join(false),
  joinHigh: join(true),
  zipLow: zip(false),
  zipHigh: zip(true),
  evensOdds,
  checkedIndex,
};

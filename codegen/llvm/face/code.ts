// Writes LLVM functions by hand: typed values, structs with C's layout, and if and while instead of blocks. The C face's
// functions are written with it, so that no C compiler is needed to make a library.

import { FunctionText } from "../text.js";
import { BYTES, type Field, type Scalar, type Single, type Struct, type TypeOf } from "./struct.js";

/** Four words in a register. */
export type Words = "<4 x i32>";
export type Register = Scalar | Words;
export type Result = Register | "void";

export interface Val<T extends Result = Scalar> {
  readonly type: T;
  readonly text: string;
}

export type Ptr = Val<"ptr">;
export type I32 = Val<"i32">;
export type I64 = Val<"i64">;
export type Bool = Val<"i1">;
export type I32x4 = Val<Words>;

export const NULL: Ptr = { type: "ptr", text: "null" };
export const i8 = (n: number): Val<"i8"> => ({ type: "i8", text: String(n) });
export const i32 = (n: number): I32 => ({ type: "i32", text: String(n) });
export const i64 = (n: number): I64 => ({ type: "i64", text: String(n) });
export const global = (name: string): Ptr => ({ type: "ptr", text: `@${name}` });

/** A function as its callers see it. */
export interface Signature<R extends Result = Result, P extends readonly Scalar[] = readonly Scalar[]> {
  readonly name: string;
  readonly result: R;
  readonly params: P;
}

export type Vals<P extends readonly Scalar[]> = { readonly [I in keyof P]: Val<P[I]> };

export function signature<R extends Result, const P extends readonly Scalar[]>(
  name: string,
  result: R,
  params: P,
): Signature<R, P> {
  return { name, result, params };
}

/** A register that changes. */
export interface Local<T extends Register> {
  get(): Val<T>;
  set(value: Val<T>): void;
}

type Compare = "eq" | "ne" | "slt" | "sle" | "sgt" | "sge" | "ult" | "ule" | "ugt" | "uge";
type Arithmetic = "add" | "sub" | "mul" | "and" | "or" | "xor" | "shl" | "lshr" | "sdiv";

const argument = ({ type, text }: Val<Result>): string => `${type} ${text}`;

/** Vectors lie anywhere. */
function alignOf(type: Register): number {
  return type === "<4 x i32>" ? 1 : BYTES[type];
}

/** The body of a function while it is written. */
export class Code {
  readonly #out: FunctionText;
  readonly #declarations: Set<string>;

  /** `declarations` gets what the function calls of other objects. */
  constructor(declarations: Set<string>) {
    this.#declarations = declarations;
    this.#out = new FunctionText(declarations);
  }

  body(): string {
    return this.#out.body();
  }

  /** An instruction that is not among the methods. */
  value<T extends Register>(type: T, text: string): Val<T> {
    return { type, text: this.#out.value(text) };
  }

  line(text: string): void {
    this.#out.line(text);
  }

  op<T extends Register>(op: Arithmetic, a: Val<T>, b: Val<T>): Val<T> {
    return this.value(a.type, `${op} ${a.type} ${a.text}, ${b.text}`);
  }

  add<T extends "i32" | "i64" | Words>(a: Val<T>, b: Val<T>): Val<T> {
    return this.op("add", a, b);
  }

  sub<T extends "i32" | "i64">(a: Val<T>, b: Val<T>): Val<T> {
    return this.op("sub", a, b);
  }

  mul(a: I64, b: I64): I64 {
    return this.op("mul", a, b);
  }

  compare<T extends Scalar>(how: Compare, a: Val<T>, b: Val<T>): Bool {
    return this.value("i1", `icmp ${how} ${a.type} ${a.text}, ${b.text}`);
  }

  isNull(p: Ptr): Bool {
    return this.compare("eq", p, NULL);
  }

  and(a: Bool, b: Bool): Bool {
    return this.op("and", a, b);
  }

  or(a: Bool, b: Bool): Bool {
    return this.op("or", a, b);
  }

  not(a: Bool): Bool {
    return this.value("i1", `xor i1 ${a.text}, true`);
  }

  select<T extends Scalar>(condition: Bool, yes: Val<T>, no: Val<T>): Val<T> {
    return this.value(yes.type, `select i1 ${condition.text}, ${argument(yes)}, ${argument(no)}`);
  }

  min(a: I64, b: I64): I64 {
    return this.select(this.compare("ult", a, b), a, b);
  }

  /** Zero-extended. */
  wide(a: Val<"i1" | "i8" | "i32">): I64 {
    return this.value("i64", `zext ${argument(a)} to i64`);
  }

  signed(a: Val<"i8" | "i32">): I64 {
    return this.value("i64", `sext ${argument(a)} to i64`);
  }

  low(a: I64): I32 {
    return this.value("i32", `trunc i64 ${a.text} to i32`);
  }

  address(p: Ptr): I64 {
    return this.value("i64", `ptrtoint ptr ${p.text} to i64`);
  }

  // -- memory

  load<T extends Register>(type: T, from: Ptr, align = alignOf(type)): Val<T> {
    return this.value(type, `load ${type}, ptr ${from.text}, align ${align}`);
  }

  store(value: Val<Register>, to: Ptr): void {
    this.line(`store ${argument(value)}, ptr ${to.text}, align ${alignOf(value.type)}`);
  }

  /** So many bytes on. */
  at(p: Ptr, bytes: number | I64): Ptr {
    const by = typeof bytes === "number" ? String(bytes) : bytes.text;
    return this.value("ptr", `getelementptr i8, ptr ${p.text}, i64 ${by}`);
  }

  /** Element `index` of an array of elements of so many bytes. */
  element(p: Ptr, index: I64, bytes: number): Ptr {
    return this.at(p, this.mul(index, i64(bytes)));
  }

  place<F extends Readonly<Record<string, Field>>>(p: Ptr, struct: Struct<F>, name: keyof F & string): Ptr {
    return this.at(p, struct.offset(name));
  }

  get<F extends Readonly<Record<string, Field>>, K extends Single<F>>(
    p: Ptr,
    struct: Struct<F>,
    name: K,
  ): Val<TypeOf<F, K>> {
    return this.load(struct.fields[name] as TypeOf<F, K>, this.place(p, struct, name));
  }

  set<F extends Readonly<Record<string, Field>>, K extends Single<F>>(
    p: Ptr,
    struct: Struct<F>,
    name: K,
    value: Val<TypeOf<F, K>>,
  ): void {
    this.store(value, this.place(p, struct, name));
  }

  /** Bytes on the stack for as long as the function runs. */
  room(bytes: number): Ptr {
    return { type: "ptr", text: this.#out.slot(`[${bytes} x i8], align 16`) };
  }

  local<T extends Register>(start: Val<T>): Local<T> {
    const slot: Ptr = { type: "ptr", text: this.#out.slot(start.type) };
    this.store(start, slot);
    return { get: () => this.load(start.type, slot), set: (value) => this.store(value, slot) };
  }

  // -- control

  if(condition: Bool, yes: () => void, no: () => void = () => {}): void {
    this.#out.either(condition.text, yes, no);
  }

  while(condition: () => Bool, body: () => void): void {
    const [test, again, after] = [this.#out.fresh("test"), this.#out.fresh("again"), this.#out.fresh("after")];
    this.#out.jump(test);
    this.#out.block(test);
    this.#out.branch(condition().text, again, after);
    this.#out.block(again);
    body();
    this.#out.jump(test);
    this.#out.block(after);
  }

  /** The body for 0, 1, ... below `count`. */
  each(count: I64, body: (index: I64) => void): void {
    const index = this.local(i64(0));
    this.while(
      () => this.compare("ult", index.get(), count),
      () => {
        body(index.get());
        index.set(this.add(index.get(), i64(1)));
      },
    );
  }

  return(value?: Val): void {
    this.line(value === undefined ? "ret void" : `ret ${argument(value)}`);
    // What follows in the text is reached by nothing.
    this.#out.block(this.#out.fresh("unreached"));
  }

  /** Ends a function whose every path has returned. */
  end(): void {
    this.line("unreachable");
  }

  // -- calls

  /** Of a function of this module. */
  call<R extends Result, P extends readonly Scalar[]>(fn: Signature<R, P>, ...args: Vals<P>): Val<R> {
    const text = `call ${fn.result} @${fn.name}(${args.map(argument).join(", ")})`;
    return this.#called(fn.result, text);
  }

  /** Of a function of another object. `rest`: what a function with `...` takes besides. */
  callOutside<R extends Result, P extends readonly Scalar[]>(
    fn: Signature<R, P>,
    args: Vals<P>,
    rest?: readonly Val[],
  ): Val<R> {
    const params = rest === undefined ? fn.params.join(", ") : [...fn.params, "..."].join(", ");
    this.#declarations.add(`declare ${fn.result} @${fn.name}(${params})`);
    const type = rest === undefined ? fn.result : `${fn.result} (${params})`;
    return this.#called(fn.result, `call ${type} @${fn.name}(${[...args, ...(rest ?? [])].map(argument).join(", ")})`);
  }

  /** Through a pointer. */
  callThrough<R extends Result, P extends readonly Scalar[]>(
    at: Ptr,
    { result, params }: Pick<Signature<R, P>, "result" | "params">,
    ...args: Vals<P>
  ): Val<R> {
    return this.#called(result, `call ${result} (${params.join(", ")}) ${at.text}(${args.map(argument).join(", ")})`);
  }

  #called<R extends Result>(type: R, text: string): Val<R> {
    if (type !== "void") return { type, text: this.#out.value(text) };
    this.line(text);
    return { type, text: "" };
  }
}

/** LLVM's attributes of all functions, and of those with instructions of a CPU's own features ("+sha"). */
export function attributesOf(features?: string): string {
  return features === undefined ? "#1" : `nounwind "target-features"="${features}"`;
}

/** A whole function; `linkage` stands after `define`. */
export function define<R extends Result, P extends readonly Scalar[]>(
  { name, result, params }: Signature<R, P>,
  linkage: "internal" | "",
  declarations: Set<string>,
  write: (code: Code, ...args: Vals<P>) => void,
  features?: string,
): string {
  const code = new Code(declarations);
  const args = params.map((type, i) => ({ type, text: `%a${i}` }));
  write(code, ...(args as unknown as Vals<P>));
  code.end();
  const head = ["define", linkage, result, `@${name}(${args.map(argument).join(", ")})`].filter((w) => w !== "");
  return `${head.join(" ")} ${attributesOf(features)} {\n${code.body()}\n}\n`;
}

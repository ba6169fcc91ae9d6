// Protobuf bytes to messages and back, driven by the schema in proto.ts. Reading never copies `bytes` fields (they are
// views of the file), never allocates more than a constant times the bytes read, and turns every malformation into a
// Refusal with the byte offset: truncation, a wrong wire type, a length beyond its message, too deep nesting.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { refuse } from "../../ir/errors.js";
import { type Draft, type Field, type Message, type MessageName, SCHEMA, type ScalarKind } from "./proto.js";

/** Messages inside messages; a subgraph takes three levels. */
const MAX_DEPTH = 150;

const WIRE_TYPES: Readonly<Record<ScalarKind, WireType>> = {
  int32: WireType.Varint,
  int64: WireType.Varint,
  uint64: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
};

const NONE: readonly never[] = Object.freeze([]);

interface Entry {
  readonly name: string;
  readonly field: Field;
}

const tables = new Map<MessageName, ReadonlyMap<number, Entry>>();

function tableOf(message: MessageName): ReadonlyMap<number, Entry> {
  let table = tables.get(message);
  if (table === undefined) {
    const fields: Readonly<Record<string, Field>> = SCHEMA[message];
    table = new Map(Object.entries(fields).map(([name, field]) => [field.no, { name, field }]));
    tables.set(message, table);
  }
  return table;
}

function isScalar(kind: string): kind is ScalarKind {
  return Object.hasOwn(WIRE_TYPES, kind);
}

function isMessage(kind: string): kind is MessageName {
  return Object.hasOwn(SCHEMA, kind);
}

class Decoder {
  readonly #reader: BinaryReader;
  readonly #bytes: Uint8Array;
  readonly #file: string;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true });

  constructor(bytes: Uint8Array, file: string) {
    // A Buffer's views are Buffers, whose methods differ.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#reader = new BinaryReader(bytes);
    this.#file = file;
  }

  fail(offset: number, detail: string): never {
    return refuse({
      code: "malformed_input",
      scope: "onnx",
      subject: this.#file,
      detail,
      at: `${this.#file}, byte ${offset}`,
      hint: "the file is damaged or is no ONNX protobuf",
    });
  }

  message(name: MessageName, end: number, depth: number): unknown {
    if (depth > MAX_DEPTH) this.fail(this.#reader.pos, `messages nest more than ${MAX_DEPTH} deep`);
    const table = tableOf(name);
    const out: Record<string, unknown> = {};
    for (const { name: key, field } of table.values()) out[key] = field.repeated ? NONE : undefined;
    while (this.#reader.pos < end) {
      const start = this.#reader.pos;
      const [no, wire] = this.#tag(start);
      const entry = table.get(no);
      if (entry === undefined) this.#skip(wire, start, end, name, no);
      else if (entry.field.repeated) {
        let list = out[entry.name];
        if (!Array.isArray(list) || Object.isFrozen(list)) out[entry.name] = list = [];
        this.#append(list as unknown[], entry, wire, start, end, depth, name);
      } else {
        if (isMessage(entry.field.kind) && out[entry.name] !== undefined)
          this.fail(start, `${name}.${entry.name} occurs twice`);
        out[entry.name] = this.#single(entry, wire, start, end, depth, name);
      }
    }
    if (this.#reader.pos !== end) this.fail(this.#reader.pos, `${name} runs past its end at byte ${end}`);
    return out;
  }

  #tag(start: number): [number, WireType] {
    try {
      return this.#reader.tag();
    } catch {
      return this.fail(start, "no valid field tag");
    }
  }

  #varint(end: number): number {
    const start = this.#reader.pos;
    const n = this.#wide(() => this.#reader.uint64(), start, end);
    return n > BigInt(Number.MAX_SAFE_INTEGER) ? this.fail(start, `length ${n}`) : Number(n);
  }

  #wide(read: () => bigint | string, start: number, end: number): bigint {
    let n: bigint;
    try {
      n = BigInt(read());
    } catch {
      return this.fail(start, "no valid varint");
    }
    if (this.#reader.pos > end) this.fail(start, "a varint is cut off");
    return n;
  }

  /** Moves past a length prefix; returns where the delimited part ends. */
  #delimited(start: number, end: number, what: string): number {
    const length = this.#varint(end);
    const stop = this.#reader.pos + length;
    if (stop > end) this.fail(start, `${what} says ${length} bytes, ${end - this.#reader.pos} are left`);
    return stop;
  }

  #skip(wire: WireType, start: number, end: number, name: string, no: number): void {
    if (wire === WireType.Varint) this.#wide(() => this.#reader.uint64(), start, end);
    else if (wire === WireType.Bit32) this.#reader.pos += 4;
    else if (wire === WireType.Bit64) this.#reader.pos += 8;
    else if (wire === WireType.LengthDelimited)
      this.#reader.pos = this.#delimited(start, end, `field ${no} of ${name}`);
    else this.fail(start, `field ${no} of ${name} is a group, which ONNX has none of`);
    if (this.#reader.pos > end) this.fail(start, `field ${no} of ${name} is cut off`);
  }

  #append(
    list: unknown[],
    entry: Entry,
    wire: WireType,
    start: number,
    end: number,
    depth: number,
    message: MessageName,
  ): void {
    const { kind } = entry.field;
    if (isScalar(kind) && wire === WireType.LengthDelimited && WIRE_TYPES[kind] !== WireType.LengthDelimited) {
      const stop = this.#delimited(start, end, `${message}.${entry.name}`);
      while (this.#reader.pos < stop) list.push(this.#scalar(kind, stop, `${message}.${entry.name}`));
    } else list.push(this.#single(entry, wire, start, end, depth, message));
  }

  #single(entry: Entry, wire: WireType, start: number, end: number, depth: number, message: MessageName): unknown {
    const { kind } = entry.field;
    const what = `${message}.${entry.name}`;
    const want = isScalar(kind) ? WIRE_TYPES[kind] : WireType.LengthDelimited;
    if (wire !== want) this.fail(start, `${what} has wire type ${wire}, want ${want}`);
    if (isMessage(kind)) return this.message(kind, this.#delimited(start, end, what), depth + 1);
    return isScalar(kind) ? this.#scalar(kind, end, what) : this.fail(start, `${what} has no kind`);
  }

  #scalar(kind: ScalarKind, end: number, what: string): number | bigint | string | Uint8Array {
    const reader = this.#reader;
    const start = reader.pos;
    switch (kind) {
      case "int32":
        return Number(
          BigInt.asIntN(
            32,
            this.#wide(() => reader.uint64(), start, end),
          ),
        );
      case "int64":
        return this.#wide(() => reader.int64(), start, end);
      case "uint64":
        return this.#wide(() => reader.uint64(), start, end);
      case "float":
        if (end - start < 4) this.fail(start, `${what} is cut off`);
        return reader.float();
      case "double":
        if (end - start < 8) this.fail(start, `${what} is cut off`);
        return reader.double();
      case "bytes":
      case "string": {
        const stop = this.#delimited(start, end, what);
        const bytes = this.#bytes.subarray(reader.pos, stop);
        reader.pos = stop;
        if (kind === "bytes") return bytes;
        try {
          return this.#utf8.decode(bytes);
        } catch {
          return this.fail(start, `${what} is no UTF-8`);
        }
      }
    }
  }
}

/** Reads one message that fills `bytes`. `file` names it in refusals. */
export function decodeMessage<K extends MessageName>(name: K, bytes: Uint8Array, file: string): Message<K> {
  return new Decoder(bytes, file).message(name, bytes.byteLength, 0) as Message<K>;
}

/** Writes one message; absent and undefined fields are left out, and numbers in lists are packed. */
export function encodeMessage<K extends MessageName>(name: K, message: Draft<K>): Uint8Array {
  const writer = new BinaryWriter();
  write(writer, name, message);
  return writer.finish();
}

function write(writer: BinaryWriter, name: MessageName, message: Readonly<Record<string, unknown>>): void {
  const fields: Readonly<Record<string, Field>> = SCHEMA[name];
  for (const [key, field] of Object.entries(fields)) {
    const value = message[key];
    if (value === undefined) continue;
    const list: readonly unknown[] = field.repeated ? (value as readonly unknown[]) : [value];
    const { kind } = field;
    if (isScalar(kind) && field.repeated && WIRE_TYPES[kind] !== WireType.LengthDelimited) {
      if (list.length === 0) continue;
      writer.tag(field.no, WireType.LengthDelimited).fork();
      for (const v of list) writeScalar(writer, kind, v);
      writer.join();
    } else {
      for (const v of list) {
        writer.tag(field.no, isScalar(kind) ? WIRE_TYPES[kind] : WireType.LengthDelimited);
        if (isScalar(kind)) writeScalar(writer, kind, v);
        else if (isMessage(kind)) {
          writer.fork();
          write(writer, kind, v as Readonly<Record<string, unknown>>);
          writer.join();
        }
      }
    }
  }
}

function writeScalar(writer: BinaryWriter, kind: ScalarKind, value: unknown): void {
  if (value instanceof Uint8Array) writer.bytes(value);
  else if (typeof value === "string") writer.string(value);
  else if (typeof value === "bigint") kind === "uint64" ? writer.uint64(value) : writer.int64(value);
  else if (typeof value === "number") {
    if (kind === "float") writer.float(value);
    else if (kind === "double") writer.double(value);
    else if (kind === "int32") writer.int32(value);
    else writer.int64(value);
  } else throw new TypeError(`${kind} cannot be ${typeof value}`);
}

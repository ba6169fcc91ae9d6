// The FlatBuffers that the benchmark writes for LiteRT, read by the format's rules: tables through their vtables, offsets forward,
// vectors of bytes aligned.

import test from "ava";
import { byte, bytes, flatbuffer, float, int, ints, table, tables, text } from "./flatbuffer.js";

/** Position of a field's value, or null where the table does not have it. */
function fieldAt(view: DataView, at: number, number: number): number | null {
  const vtable = at - view.getInt32(at, true);
  const slot = 4 + 2 * number;
  if (slot >= view.getUint16(vtable, true)) return null;
  const offset = view.getUint16(vtable + slot, true);
  return offset === 0 ? null : at + offset;
}

function followed(view: DataView, at: number | null): number {
  if (at === null) throw new RangeError("the field is not there");
  const offset = view.getUint32(at, true);
  if (offset === 0 || at + offset >= view.byteLength) throw new RangeError(`offset ${offset} at ${at}`);
  return at + offset;
}

test("tables, vectors and scalars are where their offsets say", (t) => {
  const data = Uint8Array.from({ length: 37 }, (_, i) => i);
  const file = flatbuffer(
    {
      0: int(-3),
      2: byte(7),
      3: float(0.5),
      4: text("psionic"),
      5: ints([1, -2, 3]),
      6: tables([{ 0: bytes(data) }, {}, { 1: table({ 0: int(9) }) }]),
    },
    "TFL3",
  );
  const view = new DataView(file.buffer);
  t.is(new TextDecoder().decode(file.subarray(4, 8)), "TFL3");
  const root = followed(view, 0);
  const field = (number: number): number => fieldAt(view, root, number) ?? t.fail();
  t.is(view.getInt32(field(0), true), -3);
  t.is(fieldAt(view, root, 1), null);
  t.is(fieldAt(view, root, 7), null);
  t.is(view.getInt8(field(2)), 7);
  t.is(view.getFloat32(field(3), true), 0.5);
  const words = followed(view, field(4));
  t.is(new TextDecoder().decode(file.subarray(words + 4, words + 4 + view.getUint32(words, true))), "psionic");
  t.is(file[words + 4 + 7], 0);
  const list = followed(view, field(5));
  t.deepEqual(
    Array.from({ length: view.getUint32(list, true) }, (_, i) => view.getInt32(list + 4 + 4 * i, true)),
    [1, -2, 3],
  );
  const children = followed(view, field(6));
  t.is(view.getUint32(children, true), 3);
  const [first, , third] = [0, 1, 2].map((i) => followed(view, children + 4 + 4 * i));
  const vector = followed(view, fieldAt(view, first ?? 0, 0));
  t.is((vector + 4) % 16, 0);
  t.deepEqual(file.subarray(vector + 4, vector + 4 + view.getUint32(vector, true)), data);
  t.is(view.getInt32(fieldAt(view, followed(view, fieldAt(view, third ?? 0, 1)), 0) ?? 0, true), 9);
});

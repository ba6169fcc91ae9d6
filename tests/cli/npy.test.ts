// .npy and .npz: files that numpy wrote read as numpy means them, everything written reads back the same, and damage is
// an error with a reason. The numpy files are those of numpy 2.4 (np.lib.format.write_array), whose headers are padded with
// spaces to 128 bytes here; they are kept as dictionary and data.
import test from "ava";
import fc from "fast-check";
import { zipSync } from "fflate";
import { isNpy, readNpy, writeNpy } from "../../compiler/cli/io/npy.js";
import { isZip, readNpz, writeNpz } from "../../compiler/cli/io/npz.js";
import { bytesOf, DTYPES, type DType, isDType } from "../../compiler/ir/dtype.js";
import { sizeOf, Tensor, tensorFrom } from "../../compiler/ir/tensor.js";

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (b) => Number.parseInt(b, 16));

/** A file as numpy writes it: 128 bytes of header, data in hex. */
function numpyFile(dict: string, data: string, major: 1 | 2 | 3 = 1): Uint8Array {
  const fixed = major === 1 ? 10 : 12;
  const start = 128;
  const body = hex(data);
  const out = new Uint8Array(start + body.length).fill(0x20, fixed, start - 1);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, major, 0]);
  const view = new DataView(out.buffer);
  if (major === 1) view.setUint16(8, start - fixed, true);
  else view.setUint32(8, start - fixed, true);
  out.set(new TextEncoder().encode(dict), fixed);
  out[start - 1] = 0x0a;
  out.set(body, start);
  return out;
}

const dict = (descr: string, fortran: boolean, shape: string): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${shape}, }`;

const QUARTERS = "000000000000803e0000003f0000403f0000803f0000a03f";
const QUARTERS_FORTRAN = "000000000000403f0000803e0000803f0000003f0000a03f";
const QUARTERS_BIG = "000000003e8000003f0000003f4000003f8000003fa00000";
const quarters = tensorFrom("f32", [2, 3], [0, 0.25, 0.5, 0.75, 1, 1.25]);

const FROM_NUMPY: readonly (readonly [what: string, file: Uint8Array, want: Tensor])[] = [
  ["float32", numpyFile(dict("<f4", false, "(2, 3)"), QUARTERS), quarters],
  ["version 2.0", numpyFile(dict("<f4", false, "(2, 3)"), QUARTERS, 2), quarters],
  ["version 3.0", numpyFile(dict("<f4", false, "(2, 3)"), QUARTERS, 3), quarters],
  ["Fortran order", numpyFile(dict("<f4", true, "(2, 3)"), QUARTERS_FORTRAN), quarters],
  ["big-endian", numpyFile(dict(">f4", false, "(2, 3)"), QUARTERS_BIG), quarters],
  ["Python 2's long sizes", numpyFile(dict("<f4", false, "(2L, 3L)"), QUARTERS), quarters],
  [
    "int64",
    numpyFile(dict("<i8", false, "(2,)"), "01000000000000400000000000000080"),
    tensorFrom("i64", [2], [2n ** 62n + 1n, -(2n ** 63n)]),
  ],
  ["bool", numpyFile(dict("|b1", false, "(3,)"), "010001"), tensorFrom("bool", [3], [1, 0, 1])],
  [
    "float16",
    numpyFile(dict("<f2", false, "(3,)"), "003e00c0007c"),
    tensorFrom("f16", [3], [1.5, -2, Number.POSITIVE_INFINITY]),
  ],
  ["a scalar", numpyFile(dict("|u1", false, "()"), "07"), tensorFrom("u8", [], [7])],
  [
    "complex, big-endian",
    numpyFile(dict(">c8", false, "(1,)"), "3f80000040000000"),
    new Tensor("c64", [1], hex("0000803f00000040")),
  ],
  ["no elements", numpyFile(dict("<f8", false, "(0, 3)"), ""), new Tensor("f64", [0, 3], new Uint8Array(0))],
];

for (const [what, file, want] of FROM_NUMPY)
  test(`reads what numpy writes: ${what}`, (t) => {
    t.true(isNpy(file));
    const have = readNpy(file);
    t.is(have.dtype, want.dtype);
    t.deepEqual(have.shape, want.shape);
    t.deepEqual([...have.bytes], [...want.bytes]);
  });

test("three axes in Fortran order", (t) => {
  // np.asfortranarray(np.arange(24, dtype='<i2').reshape(2, 3, 4)): the first axis is fastest in the file.
  const stored: string[] = [];
  for (let k = 0; k < 4; k++)
    for (let j = 0; j < 3; j++)
      for (let i = 0; i < 2; i++) stored.push(`${(i * 12 + j * 4 + k).toString(16).padStart(2, "0")}00`);
  const have = readNpy(numpyFile(dict("<i2", true, "(2, 3, 4)"), stored.join("")));
  t.deepEqual(
    have.numbers(),
    Array.from({ length: 24 }, (_, i) => i),
  );
});

test("writes the bytes that numpy writes", (t) => {
  t.deepEqual([...writeNpy(quarters)], [...numpyFile(dict("<f4", false, "(2, 3)"), QUARTERS)]);
  t.deepEqual([...writeNpy(tensorFrom("u8", [], [7]))], [...numpyFile(dict("|u1", false, "()"), "07")]);
  t.deepEqual([...writeNpy(tensorFrom("bool", [3], [1, 0, 1]))], [...numpyFile(dict("|b1", false, "(3,)"), "010001")]);
});

const REFUSED: readonly (readonly [what: string, file: Uint8Array, message: RegExp])[] = [
  ["no magic", new TextEncoder().encode("hello, this is text"), /does not begin with/],
  ["a header cut short", numpyFile(dict("<f4", false, "(2, 3)"), QUARTERS).subarray(0, 40), /its header says/],
  ["only the magic", hex("934e554d50590100"), /inside the header/],
  ["an unknown version", numpyFile(dict("<f4", false, "(1,)"), "00000000").fill(9, 6, 7), /version 9\.0/],
  ["data cut short", numpyFile(dict("<f4", false, "(2, 3)"), QUARTERS).slice(0, -1), /takes 24 bytes, the file has 23/],
  ["bytes after the data", numpyFile(dict("<f4", false, "(1,)"), "0000000000"), /takes 4 bytes, the file has 5/],
  ["a bool that is 2", numpyFile(dict("|b1", false, "(1,)"), "02"), /other than 0 and 1/],
  [
    "records",
    numpyFile("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "00000000"),
    /structured/,
  ],
  ["strings of bytes", numpyFile(dict("|S2", false, "(1,)"), "6162"), /dtype is \|S2/],
  ["Python objects", numpyFile(dict("|O", false, "(1,)"), "80"), /dtype is \|O/],
  ["untyped bytes", numpyFile(dict("<V2", false, "(1,)"), "803f"), /dtype is <V2/],
  ["a missing key", numpyFile("{'descr': '<f4', 'shape': (1,), }", "00000000"), /lacks one of/],
  ["a key twice", numpyFile("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", ""), /twice/],
  [
    "code in the header",
    numpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os'),), }", ""),
    /want a size/,
  ],
  ["a negative size", numpyFile(dict("<f4", false, "(-1,)"), ""), /want a size/],
  ["a size beyond 2^53", numpyFile(dict("<f4", false, "(99999999999999999999,)"), ""), /want a size/],
  ["text after the header", numpyFile(`${dict("<f4", false, "(1,)")} x`, "00000000"), /want the end/],
];

for (const [what, file, message] of REFUSED)
  test(`refuses ${what}`, (t) => void t.throws(() => readNpy(file), { instanceOf: RangeError, message }));

test("bfloat16 and 8-bit floats pass through untyped bytes when they are expected", (t) => {
  for (const dtype of ["bf16", "f8e4m3fn", "i4"] as const) {
    const x = tensorFrom(dtype, [2], [1, -1]);
    const file = writeNpy(x);
    t.throws(() => readNpy(file));
    t.throws(() => readNpy(file, "f32"));
    t.deepEqual([...readNpy(file, dtype).bytes], [...x.bytes]);
  }
});

const dtypes = Object.keys(DTYPES).filter((d): d is DType => isDType(d) && d !== "str");
const tensors = fc
  .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }) })
  .chain(({ dtype, shape }) => {
    const size = sizeOf(shape) * bytesOf(dtype);
    const byte = dtype === "bool" ? fc.nat({ max: 1 }) : fc.nat({ max: 255 });
    return fc
      .array(byte, { minLength: size, maxLength: size })
      .map((bytes) => new Tensor(dtype, shape, Uint8Array.from(bytes)));
  });

const same = (a: Tensor, b: Tensor): boolean =>
  a.dtype === b.dtype && a.shape.join() === b.shape.join() && Buffer.compare(a.bytes, b.bytes) === 0;

test("every tensor comes back from .npy", (t) => {
  fc.assert(
    fc.property(tensors, (x) => same(readNpy(writeNpy(x), x.dtype), x)),
    { numRuns: 300 },
  );
  t.pass();
});

test("every set of tensors comes back from .npz, and has the same bytes each time", (t) => {
  const sets = fc.dictionary(fc.stringMatching(/^[a-zA-Z0-9_./:é]{1,12}$/), tensors, { maxKeys: 4 });
  fc.assert(
    fc.property(sets, (set) => {
      const file = writeNpz(Object.entries(set));
      const back = readNpz(file, (name) => set[name]?.dtype);
      const again = writeNpz(Object.entries(set));
      return (
        isZip(file) &&
        Buffer.compare(file, again) === 0 &&
        back.size === Object.keys(set).length &&
        [...back].every(([name, x]) => set[name] !== undefined && same(x, set[name]))
      );
    }),
    { numRuns: 100 },
  );
  t.pass();
});

test("a flipped bit in a .npy or .npz is never a crash, and in a .npz always an error or the same arrays", (t) => {
  const npy = writeNpy(quarters);
  const npz = writeNpz([["x", quarters]]);
  const tryRead = (f: () => unknown): unknown => {
    try {
      return f();
    } catch (e) {
      if (e instanceof RangeError) return null;
      throw e;
    }
  };
  fc.assert(
    fc.property(fc.nat({ max: npz.length - 1 }), fc.nat({ max: 7 }), (at, bit) => {
      const damaged = npz.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
      const back = tryRead(() => readNpz(damaged));
      if (back instanceof Map)
        for (const x of back.values()) if (!(x instanceof Tensor) || !same(x, quarters)) return false;
      const cut = npy.slice();
      if (at < cut.length) cut[at] = (cut[at] ?? 0) ^ (1 << bit);
      tryRead(() => readNpy(cut));
      return true;
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test("reads compressed .npz, and refuses what is no zip of arrays", (t) => {
  const file = zipSync({ "x.npy": writeNpy(tensorFrom("f32", [100], new Array<number>(100).fill(0))) });
  t.deepEqual(readNpz(file).get("x")?.shape, [100]);
  t.throws(() => readNpz(zipSync({ "x.npy": new TextEncoder().encode("no array") })), {
    message: /"x\.npy" is no \.npy/,
  });
  t.throws(() => readNpz(new TextEncoder().encode("PK\x03\x04 but no zip")), { message: /no zip file/ });
});

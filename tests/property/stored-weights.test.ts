// Weights stored in a shorter dtype: what is widened has the bits of what was packed, for every pair of dtypes, odd sizes and
// every way in which bytes arrive; and what no shorter dtype holds stays as it is.

import test from "ava";
import fc from "fast-check";
import { narrowest } from "../../codegen/bundle/narrow.js";
import { storeWeights, widenedOf } from "../../codegen/bundle/store.js";
import { bytesOf } from "../../compiler/ir/dtype.js";
import { decodeMinifloat } from "../../compiler/ir/minifloat.js";
import { canAdd, type DType, openWidening, type WidenedSpec, widen } from "../../runtime-shim/format.js";
import { fakePlan } from "../support/fake-bundle.js";
import { FORMS, formName, narrowConstant, randomOf, storedElements, widened } from "../support/stored-constants.js";

test("every f16 and bf16 is the f32 of its value, and keeps its sign and payload", (t) => {
  const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
  for (const [stored, fractionBits] of [
    ["f16", 10],
    ["bf16", 7],
  ] as const) {
    const wide = new Uint32Array(65536);
    widen(new Uint8Array(patterns.buffer), new Uint8Array(wide.buffer), { dtype: "f32", stored, add: 0 });
    const wrong = patterns.findIndex((p) => {
      const value = decodeMinifloat(stored, p);
      const sign = (p & 0x8000) * 65536;
      const payload = (p & ((1 << fractionBits) - 1)) * 2 ** (23 - fractionBits);
      const want = Number.isNaN(value)
        ? sign + 0x7f800000 + payload
        : new Uint32Array(Float32Array.of(value).buffer)[0];
      return wide[p] !== want;
    });
    t.is(wrong, -1, stored);
  }
});

test("every integer is its stored value plus what is added, modulo what the dtype holds", (t) => {
  const valuesOf = (dtype: DType, bytes: Uint8Array): number[] =>
    Array.from({ length: bytes.length / bytesOf(dtype) }, (_, i) => {
      const bits = bytesOf(dtype) * 8;
      const whole = bytes.subarray((i * bits) / 8, ((i + 1) * bits) / 8).reduceRight((sum, b) => sum * 256 + b, 0);
      return dtype.startsWith("i") && whole >= 2 ** (bits - 1) ? whole - 2 ** bits : whole;
    });
  for (const { dtype, stored } of FORMS.filter((form) => canAdd(form.dtype)))
    for (const add of [0, 1, -1, -100, 300, 40_000, -(2 ** 31), 2 ** 31, 2 ** 32]) {
      const from = storedElements({ dtype, stored, add }, 2048, randomOf(add));
      const wide = new Uint8Array(2048 * bytesOf(dtype));
      widen(from, wide, { dtype, stored, add });
      const size = 2 ** (8 * bytesOf(dtype));
      const unsigned = (value: number): number => ((value % size) + size) % size;
      const want = valuesOf(stored, from).map((value) => unsigned(value + add));
      t.deepEqual(valuesOf(dtype, wide).map(unsigned), want, formName({ dtype, stored, add }));
    }
});

for (const [i, form] of FORMS.entries())
  test(`narrowed and widened: ${formName(form)}`, (t) => {
    const random = randomOf(i);
    for (const elems of [1, 7, 1000, 40_001]) {
      const bytes = widened(form, elems, random);
      const narrow = narrowest(bytes, form.dtype);
      if (narrow === null) return t.fail(`${elems} elements were not narrowed`);
      t.true(bytesOf(narrow.stored) <= bytesOf(form.stored));
      const again = new Uint8Array(bytes.length);
      widen(narrow.bytes, again, narrow);
      t.is(Buffer.compare(again, bytes), 0);
    }
  });

/** Elements that no shorter dtype holds, by their bits. */
const WIDE: readonly (readonly [DType, Uint8Array])[] = [
  ["f32", new Uint8Array(Float32Array.of(0, 1, 1 + 2 ** -12, 2).buffer)],
  ["f32", new Uint8Array(Float32Array.of(1e-45, 0).buffer)],
  // A payload in the lowest bit, which both 16-bit floats lack.
  ["f32", new Uint8Array(Uint32Array.of(0, 0x7f800001).buffer)],
  ["f64", new Uint8Array(8)],
  ["i16", new Uint8Array(Int16Array.of(-1, 255).buffer)],
  ["u16", new Uint8Array(Uint16Array.of(0, 256).buffer)],
  ["i32", new Uint8Array(Int32Array.of(-(2 ** 31), 2 ** 31 - 1).buffer)],
  ["u32", new Uint8Array(Uint32Array.of(0, 2 ** 32 - 1).buffer)],
  ["i64", new Uint8Array(8)],
  ["f16", new Uint8Array(8)],
];

test("what no shorter dtype holds is not narrowed, wherever it stands", (t) => {
  for (const [dtype, bytes] of WIDE) {
    for (const length of [64, 80_000]) {
      const late = new Uint8Array(length);
      late.set(bytes, length - bytes.length);
      t.is(narrowest(late, dtype), null, `${dtype} ${bytes.join()} at the end of ${length}`);
    }
  }
});

test("the shortest is taken: negative zero needs a float", (t) => {
  const stored = (values: readonly number[]): string | undefined => {
    const block = new Float32Array(16);
    block.set(values);
    return narrowest(new Uint8Array(block.buffer), "f32")?.stored;
  };
  t.is(stored([0, -128, 127]), "i8");
  t.is(stored([-0, 1]), "bf16");
  t.is(stored([1 + 2 ** -10]), "f16");
  t.is(stored([2 ** 100]), "bf16");
  const integers = (values: readonly number[]) => {
    const block = new Int16Array(32).fill(values[0] ?? 0);
    block.set(values);
    return narrowest(new Uint8Array(block.buffer), "i16");
  };
  t.like(integers([-133, 122]), { stored: "u8", add: -133 });
  t.like(integers([-32768, -32513]), { stored: "u8", add: -32768 });
  t.is(integers([-133, 123]), null);
});

const parts = fc.array(
  fc.record({ form: fc.option(fc.constantFrom(...FORMS)), blocks: fc.integer({ min: 1, max: 40 }) }),
  { minLength: 1, maxLength: 8 },
);

test("in place, from the end of the region, whatever arrives at once", (t) => {
  const region = 192;
  fc.assert(
    fc.property(parts, fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1 }), fc.nat(), (list, steps, seed) => {
      const random = randomOf(seed);
      const specs: WidenedSpec[] = [];
      const [narrow, wide]: [Uint8Array[], Uint8Array[]] = [[], []];
      let at = region;
      for (const { form, blocks } of list) {
        const bytes = new Uint8Array(blocks * 64);
        const plain = { dtype: "u8", stored: "u8", add: 0 } as const;
        const stored = storedElements(form ?? plain, bytes.length / bytesOf(form?.dtype ?? "u8"), random);
        if (form === null) bytes.set(stored);
        else {
          widen(stored, bytes, form);
          specs.push({ ...form, offset: at, bytes: bytes.length });
        }
        narrow.push(stored);
        wide.push(bytes);
        at += bytes.length;
      }
      const want = Buffer.concat(wide);
      const stored = Buffer.concat(narrow);
      const memory = new Uint8Array(region + want.length + 64).fill(0xaa);
      const weights = memory.subarray(region, region + want.length);
      const { place, arrived } = openWidening(weights, { offset: region, bytes: want.length }, specs);
      if (place.length !== stored.length) throw new Error(`${place.length} bytes of ${stored.length}`);
      for (let done = 0, i = 0; done < stored.length; i++) {
        const next = Math.min(stored.length, done + 8 * (steps[i % steps.length] ?? 1) + 8);
        place.set(stored.subarray(done, next), done);
        arrived(next);
        done = next;
      }
      const isWhole = Buffer.compare(weights, want) === 0;
      const isInside = [...memory.subarray(0, region), ...memory.subarray(-64)].every((b) => b === 0xaa);
      return isWhole && isInside;
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test("a plan's constants are stored by what they are, and small savings are left alone", (t) => {
  const random = randomOf(5);
  const narrow = narrowConstant({ dtype: "f32", stored: "f16", add: 0 }, 3001, random).bytes;
  const noise = new Uint8Array(Float32Array.from({ length: 5000 }, random).buffer);
  const planOf = (list: readonly Uint8Array[]) => {
    let end = 1024;
    const [base] = fakePlan.constants;
    if (base === undefined) throw new Error("the fake plan has no constant");
    const constants = list.map((bytes) => {
      const constant = { ...base, offset: end, bytes: bytes.length };
      end += Math.ceil(bytes.length / 64) * 64;
      return constant;
    });
    const weights = new Uint8Array(end - 1024);
    for (const [i, bytes] of list.entries()) weights.set(bytes, (constants[i]?.offset ?? 0) - 1024);
    const memory = { ...fakePlan.memory, weights: { offset: 1024, bytes: weights.length } };
    return { plan: { ...fakePlan, memory, constants }, weights };
  };
  const storedOf = (...list: readonly Uint8Array[]) => {
    const { plan, weights } = planOf(list);
    const stored = storeWeights(plan, weights);
    const wide = new Uint8Array(weights.length);
    const specs = widenedOf(stored.plan);
    const { place, arrived } = openWidening(wide, plan.memory.weights, specs);
    place.set(stored.weights);
    arrived(place.length);
    t.is(Buffer.compare(wide, weights), 0);
    return { forms: stored.plan.constants.map((c) => c.stored), parts: specs.length };
  };
  t.deepEqual(storedOf(narrow, noise, narrow, narrow), { forms: ["f16", "f32", "f16", "f16"], parts: 2 });
  t.deepEqual(storedOf(noise), { forms: ["f32"], parts: 0 });
  t.deepEqual(storedOf(new Uint8Array(1024)), { forms: ["f32"], parts: 0 });
  t.deepEqual(storedOf(narrow, noise, noise, noise, noise), { forms: ["f32", "f32", "f32", "f32", "f32"], parts: 0 });
  t.deepEqual(storedOf(), { forms: [], parts: 0 });
});

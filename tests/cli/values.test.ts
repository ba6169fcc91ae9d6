// Tensors as JSON, --dim, names that were nearly right, and pairs of inputs and outputs as states.
import test from "ava";
import fc from "fast-check";
import { parseDims } from "../../compiler/cli/dims.js";
import { tensorFromJson, tensorToJson } from "../../compiler/cli/io/json-tensor.js";
import { preview } from "../../compiler/cli/io/preview.js";
import { nearest } from "../../compiler/cli/nearest.js";
import { withStates } from "../../compiler/import/states.js";
import * as build from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import { bytesOf, DTYPES, type DType, isDType } from "../../compiler/ir/dtype.js";
import { Refused } from "../../compiler/ir/errors.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { sizeOf, Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { interpret } from "../../compiler/reference/interpret.js";

const held = Object.keys(DTYPES).filter((d): d is DType => isDType(d) && !["str", "c64", "c128"].includes(d));

test("every tensor comes back from JSON, but for NaN payloads", (t) => {
  const tensors = fc
    .record({ dtype: fc.constantFrom(...held), shape: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }) })
    .chain(({ dtype, shape }) => {
      const size = sizeOf(shape) * bytesOf(dtype);
      return fc.array(fc.nat({ max: 255 }), { minLength: size, maxLength: size }).map(
        (bytes) =>
          new Tensor(
            dtype,
            shape,
            Uint8Array.from(bytes, (b) => clip(dtype, b)),
          ),
      );
    });
  fc.assert(
    fc.property(tensors, (x) => {
      const back = tensorFromJson(JSON.parse(JSON.stringify(tensorToJson(x))), x.dtype);
      return (
        back.shape.join() === x.shape.join() &&
        x.numbers().every((v, i) => Object.is(v, back.at(i))) &&
        (Number.isNaN(x.numbers().reduce((a, b) => a + b, 0)) || Buffer.compare(back.bytes, x.bytes) === 0)
      );
    }),
    { numRuns: 500 },
  );
  t.pass();
});

/** A byte that an element of this dtype may hold. */
function clip(dtype: DType, byte: number): number {
  const { bits, kind } = DTYPES[dtype];
  if (kind === "bool") return byte & 1;
  if (bits >= 8) return byte;
  const low = byte & ((1 << bits) - 1);
  return kind === "int" && low >= 1 << (bits - 1) ? 256 + low - (1 << bits) : low;
}

test("a decimal is rounded to float16 once", (t) => {
  // Halfway between two float16 in float32, but above it as it is written.
  t.is(tensorFromJson(1.000488281251, "f16").at(0), 1.0009765625);
  t.is(tensorFromJson(1.00048828125, "f16").at(0), 1);
});

test("what an element cannot be says where", (t) => {
  const cases: readonly (readonly [unknown, DType, RegExp])[] = [
    [[1, [2]], "f32", /element \[1\] is a list/],
    [[[1, 2], 3], "f32", /element \[1\] is 3, want a list of 2/],
    [["one"], "f32", /element \[0\] is "one", want a number/],
    [null, "f32", /the value is null/],
    [{}, "f32", /the value is an object/],
    [256, "u8", /256, want 0 to 255/],
    ["18446744073709551616", "u64", /want 0 to 18446744073709551615/],
    [2 ** 53, "i64", /beyond 2\^53.*"9007199254740992"/],
    [65520, "f16", /f16 cannot hold/],
    [1, "c64", /no JSON form/],
  ];
  for (const [value, dtype, message] of cases)
    t.throws(() => tensorFromJson(value, dtype), { instanceOf: RangeError, message });
});

test("preview shows all of a small tensor and the ends of a large one", (t) => {
  t.is(preview(tensorFrom("f32", [2, 2], [0.1, -0, Number.NaN, 1e10])), "[[0.1, -0],\n [NaN, 10000000000]]");
  t.is(preview(tensorFrom("i64", [], [-(2n ** 63n)])), "-9223372036854775808");
  t.is(preview(tensorFrom("bool", [1], [1])), "[true]");
  t.is(
    preview(
      tensorFrom(
        "u8",
        [100],
        Array.from({ length: 100 }, (_, i) => i),
      ),
    ),
    "[0, 1, 2, ..., 97, 98, 99]",
  );
  t.is(preview(new Tensor("f32", [0, 3], new Uint8Array(0))), "[]");
});

test("--dim", (t) => {
  t.deepEqual(parseDims(["w=320", "b=1..8", "h=32..960:32", "x.2=7"]), {
    w: 320,
    b: { lo: 1, hi: 8 },
    h: { lo: 32, hi: 960, step: 32 },
    "x.2": 7,
  });
});

test("the nearest name", (t) => {
  t.is(nearest("inptu", ["output", "input"]), "input");
  t.is(nearest("X", ["x", "y"]), "x");
  t.is(nearest("zebra", ["x", "input"]), null);
});

/** next = x + before; twice = next + next. */
function running(size: number | ReturnType<typeof sym>): { b: Builder; graph: Graph } {
  const b = new Builder();
  const x = build.input(b, "x", "f32", [2]);
  const before = build.input(b, "before", "f32", [size]);
  const next = build.add(b, x, before);
  const outputs = [
    { name: "twice", value: build.add(b, next, next) },
    { name: "next", value: next },
  ];
  return {
    b,
    graph: { name: "running", inputs: [x, before], outputs, states: [], bindings: [], constraints: b.constraints },
  };
}

test("a pair becomes a state that the reference carries", (t) => {
  const { b, graph } = running(2);
  const stateful = withStates(graph, b, [{ input: "before", output: "next" }]);
  t.deepEqual(stateful.inputs.length, 1);
  t.deepEqual(
    stateful.outputs.map((o) => o.name),
    ["twice"],
  );
  const x = tensorFrom("f32", [2], [1, 10]);
  const first = interpret(stateful, { x });
  t.deepEqual(first.outputs["twice"]?.numbers(), [2, 20]);
  const second = interpret(stateful, { x }, { states: first.states });
  t.deepEqual(second.outputs["twice"]?.numbers(), [4, 40]);
  t.deepEqual(second.states["before"]?.numbers(), [2, 20]);
});

test("an output that is another pair's input still reads the value before the run", (t) => {
  const b = new Builder();
  const p = build.input(b, "p", "f32", []);
  const q = build.input(b, "q", "f32", []);
  const graph: Graph = {
    name: "swap",
    inputs: [p, q],
    outputs: [
      { name: "p2", value: q },
      { name: "q2", value: build.add(b, p, q) },
    ],
    states: [],
    bindings: [],
    constraints: [],
  };
  const stateful = withStates(graph, b, [
    { input: "p", output: "p2" },
    { input: "q", output: "q2" },
  ]);
  const one = tensorFrom("f32", [], [1]);
  let states: Record<string, Tensor> = { p: one, q: one };
  for (let i = 0; i < 5; i++) states = interpret(stateful, {}, { states }).states;
  t.deepEqual([states["p"]?.at(0), states["q"]?.at(0)], [8, 13]);
});

test("pairs that do not fit are refused together", (t) => {
  const { b, graph } = running(sym("n", 1, 4));
  const error = t.throws(() =>
    withStates(graph, b, [
      { input: "before", output: "next" },
      { input: "x", output: "nothing" },
      { input: "nobody", output: "twice" },
    ]),
  );
  t.true(error instanceof Refused);
  if (error instanceof Refused)
    t.deepEqual(
      error.refusals.map((r) => [r.code, r.subject]),
      [
        ["unsupported_shape", "before"],
        ["malformed_input", "nothing"],
        ["malformed_input", "nobody"],
      ],
    );
  const fixed = running(1);
  t.throws(() => withStates(fixed.graph, fixed.b, [{ input: "before", output: "next" }]), {
    message: /f32\[1\].*f32\[2\].*one type/,
  });
  const twice = running(2);
  t.throws(
    () =>
      withStates(twice.graph, twice.b, [
        { input: "x", output: "next" },
        { input: "before", output: "next" },
      ]),
    { message: /another pair already/ },
  );
});

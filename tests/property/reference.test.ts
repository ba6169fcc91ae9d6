// The interpreter: symbols, bindings, constraints, control flow, states and its errors.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { add, type Dim, floordiv, mul, sym } from "../../compiler/ir/dim.js";
import { Builder, type Graph, type Node, TypeIssue } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { evaluateConstantNode, InputIssue, interpret, RunIssue } from "../../compiler/reference/interpret.js";
import { graphOf, noiseTensor, numbersOf } from "../support/reference.js";

test("symbols come from input sizes, also through linear expressions", (t) => {
  const b = new Builder();
  const [h, w] = [sym("h", 1, 10), sym("w", 1, 10)];
  const x = ir.input(b, "x", "f32", [mul(32, h), add(mul(h, w), 1), floordiv(w, 2)]);
  const graph = graphOf(b, [x], { sizes: ir.dimsOf(b, [h, w]) });
  const { outputs } = interpret(graph, { x: noiseTensor("f32", [64, 11, 2], 1) });
  t.deepEqual(outputs["sizes"]?.numbers(), [2, 5]);
  const code = (shape: number[], dtype: "f32" | "f64" = "f32"): string =>
    t.throws(() => interpret(graph, { x: noiseTensor(dtype, shape, 1) }), { instanceOf: InputIssue }).code;
  t.is(code([64, 11, 2], "f64"), "dtype_mismatch");
  t.is(code([64, 11]), "rank_mismatch");
  t.is(code([63, 11, 2]), "size_mismatch");
  t.is(code([64, 12, 2]), "size_mismatch");
  t.is(code([64, 11, 3]), "size_mismatch");
  t.is(code([640, 111, 5]), "symbol_out_of_range");
  t.is(t.throws(() => interpret(graph, {}), { instanceOf: InputIssue }).code, "missing_input");
  const extra = { x: noiseTensor("f32", [64, 11, 2], 1), y: noiseTensor("f32", [1], 1) };
  t.is(t.throws(() => interpret(graph, extra), { instanceOf: InputIssue }).code, "unknown_input");
});

test("a symbol that no size tells is refused", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [floordiv(sym("h", 1, 10), 2)]);
  const run = () => interpret(graphOf(b, [x], { x }), { x: noiseTensor("f32", [2], 1) });
  t.is(t.throws(run, { instanceOf: InputIssue }).code, "symbol_unbound");
});

test("constraints between symbols are checked", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [sym("n", 1, 10)]);
  const y = ir.input(b, "y", "f32", [sym("m", 1, 10)]);
  const graph = graphOf(b, [x, y], { z: ir.add(b, x, y) });
  const run = (m: number): unknown =>
    interpret(graph, { x: noiseTensor("f32", [3], 1), y: noiseTensor("f32", [m], 1) }).outputs["z"]?.shape;
  t.deepEqual(run(3), [3]);
  t.is(t.throws(() => run(4), { instanceOf: RunIssue }).code, "constraint_violated");
  t.throws(() => run(1), { instanceOf: RunIssue });
  t.throws(() => ir.add(b, ir.full(b, "f32", [3], 0), ir.full(b, "f32", [4], 0)), { instanceOf: TypeIssue });
});

test("symbols are bound to elements and to sizes of computed values", (t) => {
  const b = new Builder();
  const [n, c] = [sym("n", 0, 6), sym("c", 0, 8)];
  const x = ir.input(b, "x", "i64", [2]);
  const found = ir.nonzero(b, ir.iota(b, "f32", [n]), c);
  const ones = ir.full(b, "f32", [c], 1);
  const graph: Graph = graphOf(b, [x], { total: ir.sum(b, ones), found }, [
    { symbol: c, from: "axis", value: found, index: 1 },
    { symbol: n, from: "element", value: x, index: 1 },
  ]);
  const run = (v: number) => interpret(graph, { x: tensorFrom("i64", [2], [0, v]) }).outputs;
  t.deepEqual(run(4)["total"]?.numbers(), [3]);
  t.deepEqual(run(4)["found"]?.numbers(), [1, 2, 3]);
  t.deepEqual(run(0)["found"]?.shape, [1, 0]);
  t.is(t.throws(() => run(7), { instanceOf: RunIssue }).code, "symbol_out_of_range");
  t.is(t.throws(() => run(-1), { instanceOf: RunIssue }).code, "symbol_out_of_range");
  const unbound = { ...graph, bindings: [] };
  t.is(
    t.throws(() => interpret(unbound, { x: tensorFrom("i64", [2], [0, 1]) }), { instanceOf: RunIssue }).code,
    "symbol_unbound",
  );
});

test("an if computes only the branch that it takes", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "i64", []);
  const table = ir.vector(b, "i64", [10, 20]);
  const inside = ir.take(b, table, x);
  const [y] = ir.ifElse(b, ir.lt(b, x, 2), [inside], [ir.neg(b, x)]);
  const graph = graphOf(b, [x], { y: y ?? x });
  const run = (v: number): { values: number[] | undefined; ran: string[] } => {
    const ran: string[] = [];
    const onNode = (node: Node) => ran.push(node.op);
    return { values: interpret(graph, { x: tensorFrom("i64", [], [v]) }, { onNode }).outputs["y"]?.numbers(), ran };
  };
  t.deepEqual(run(1), { values: [20], ran: ["const", "lt", "const", "take", "if"] });
  t.deepEqual(run(5), { values: [-5], ran: ["const", "lt", "neg", "if"] });
  const issue = t.throws(() => run(-1), { instanceOf: RunIssue });
  t.is(issue.code, "index_out_of_range");
  t.regex(issue.message, /^take \(node \d+\): take: index -1 at position 0, wants 0 to 1$/);
});

test("branches of different sizes", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "bool", []);
  const s = sym("s", 0, 3);
  const [y] = ir.ifElse(b, x, [ir.vector(b, "f32", [1])], [ir.vector(b, "f32", [1, 2, 3])], [[s]]);
  if (y === undefined) throw new Error("no result");
  const graph = graphOf(b, [x], { n: ir.dimValue(b, s), y }, [{ symbol: s, from: "axis", value: y, index: 0 }]);
  const sizes = [1, 0].map((v) => interpret(graph, { x: tensorFrom("bool", [], [v]) }).outputs["n"]?.numbers());
  t.deepEqual(sizes, [[1], [3]]);
});

/** Sums of squares while below a limit, with every step's sum. */
function squares(b: Builder, trips: number, limit: number, count: Dim): ReturnType<typeof ir.loop> {
  return ir.loop(b, {
    trips,
    carried: [ir.scalar(b, "i64", 0)],
    count,
    body: (i, [sum]) => {
      if (sum === undefined) throw new Error("no sum");
      const next = ir.add(b, sum, ir.mul(b, i, i));
      return { condition: ir.lt(b, next, limit), carried: [next], scanned: [next] };
    },
  });
}

test("a loop stops by its count or its condition, and scans what ran", (t) => {
  const b = new Builder();
  const count = sym("count", 0, 100);
  const run = (trips: number, limit: number): (number[] | undefined)[] => {
    const [last, all] = squares(b, trips, limit, count);
    if (last === undefined || all === undefined) throw new Error("no outputs");
    const n = ir.dimValue(b, count);
    const graph = graphOf(b, [], { last, all, n }, [{ symbol: count, from: "axis", value: all, index: 0 }]);
    return Object.values(interpret(graph, {}).outputs).map((v) => v.numbers());
  };
  t.deepEqual(run(5, 1000), [[30], [0, 1, 5, 14, 30], [5]]);
  t.deepEqual(run(50, 10), [[14], [0, 1, 5, 14], [4]]);
  t.deepEqual(run(0, 10), [[0], [], [0]]);
});

test("loops nest, capture outer values, and have their own symbols in every iteration", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [4]);
  const k = sym("k", 0, 4);
  const bindings: { symbol: Dim; from: "axis"; value: ReturnType<typeof ir.nonzero>; index: number }[] = [];
  const shared = ir.mul(b, x, 2);
  const [total] = ir.loop(b, {
    trips: 3,
    count: 3,
    carried: [ir.scalar(b, "f32", 0)],
    body: (i, [sum]) => {
      if (sum === undefined) throw new Error("no sum");
      const above = ir.gt(b, shared, ir.cast(b, i, "f32"));
      const where = ir.nonzero(b, above, k);
      bindings.push({ symbol: k, from: "axis", value: where, index: 1 });
      const size = ir.cast(b, ir.dimValue(b, k), "f32");
      const [inner] = ir.loop(b, {
        trips: ir.add(b, i, 1),
        count: sym("inner", 0, 3),
        carried: [sum],
        body: (_, [s]) => {
          if (s === undefined) throw new Error("no sum");
          return { carried: [ir.add(b, s, size)] };
        },
      });
      return { carried: [inner ?? sum] };
    },
  });
  const graph = graphOf(b, [x], { total: total ?? x }, bindings);
  let multiplied = 0;
  const onNode = (node: Node) => {
    if (node === shared.node) multiplied++;
  };
  const { outputs } = interpret(graph, { x: tensorFrom("f32", [4], [0.25, 0.75, 0.4, 3]) }, { onNode });
  // 2x is 0.5, 1.5, 0.8, 6: above 0 are 4, above 1 are 2, above 2 is 1.
  t.deepEqual(outputs["total"]?.numbers(), [4 + 2 * 2 + 1 * 3]);
  t.is(multiplied, 1);
});

test("states start as zeros and hold their next values", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [2]);
  const cell = ir.state(b, "cell", "f32", [2]);
  const next = ir.add(b, cell, x);
  const graph: Graph = {
    ...graphOf(b, [x], { y: ir.mul(b, cell, 10) }),
    states: [{ name: "cell", current: cell, next }],
  };
  const args = { x: tensorFrom("f32", [2], [1, 2]) };
  const first = interpret(graph, args);
  t.deepEqual(first.outputs["y"]?.numbers(), [0, 0]);
  const second = interpret(graph, args, { states: first.states });
  t.deepEqual(second.outputs["y"]?.numbers(), [10, 20]);
  t.deepEqual(second.states["cell"]?.numbers(), [2, 4]);
  const wrong = { states: { cell: tensorFrom("f32", [3], [1, 2, 3]) } };
  t.throws(() => interpret(graph, args, wrong), { instanceOf: InputIssue });
});

test("depth costs no stack, also inside a region", (t) => {
  const b = new Builder();
  const chain = (from: ReturnType<typeof ir.neg>): ReturnType<typeof ir.neg> => {
    let v = from;
    for (let i = 0; i < 20000; i++) v = ir.add(b, v, i % 2);
    return v;
  };
  const [y] = ir.loop(b, {
    trips: 2,
    count: 2,
    carried: [chain(ir.scalar(b, "i32", 0))],
    body: (_, [v]) => ({ carried: v === undefined ? [] : [chain(v)] }),
  });
  t.deepEqual(y === undefined ? [] : numbersOf(b, y), [30000]);
});

test("composites are their decompositions", (t) => {
  const b = new Builder();
  const near = (have: number[], want: number[]): boolean => have.every((v, i) => Math.abs(v - (want[i] ?? 9)) < 1e-6);
  const x = ir.constant(b, tensorFrom("f32", [1, 3], [1, 2, 3]));
  t.true(near(numbersOf(b, ir.softmax(b, x, 1)), [0.09003057, 0.24472847, 0.66524096]));
  t.true(near(numbersOf(b, ir.logSoftmax(b, x, 1)), [-2.40760596, -1.40760596, -0.40760596]));
  const large = ir.constant(b, tensorFrom("f32", [2], [1000, 1000]));
  t.true(near(numbersOf(b, ir.softmax(b, large, 0)), [0.5, 0.5]));
  const scale = ir.vector(b, "f32", [1, 2, 3]);
  const normalized = ir.layerNorm(b, x, scale, ir.scalar(b, "f32", 1), 1, 0);
  t.true(near(numbersOf(b, normalized), [1 - Math.sqrt(1.5), 1, 1 + 3 * Math.sqrt(1.5)]));
});

test("constant nodes evaluate alone", (t) => {
  const b = new Builder();
  const two = ir.vector(b, "f32", [1, 2]);
  const sum = ir.add(b, two, two);
  t.deepEqual(evaluateConstantNode(sum.node)?.[0]?.numbers(), [2, 4]);
  t.is(evaluateConstantNode(ir.softmax(b, two, 0).node)?.[0]?.size, 2);
  t.is(evaluateConstantNode(two.node), null);
  t.is(evaluateConstantNode(ir.neg(b, sum).node), null);
  t.is(evaluateConstantNode(ir.dimsOf(b, [sym("n", 1, 2)]).node), null);
  t.is(evaluateConstantNode(ir.take(b, two, ir.vector(b, "i64", [5])).node), null);
});

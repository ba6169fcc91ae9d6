// Control flow on computed values, run on the reference and compared with the same loop in JavaScript.

import test from "ava";
import { tensor, zeros } from "../../compiler/frontend/constructors.js";
import { cond, forLoop, scan, whileLoop } from "../../compiler/frontend/control.js";
import { dim, f32, i64 } from "../../compiler/frontend/spec.js";
import { state } from "../../compiler/frontend/trace.js";
import { counting, given, refusal, run } from "./run.js";

function raise(): never {
  throw new Error("no such input");
}

const number = (n: number) => given("i64", [], [n]);

test("cond takes one branch, and writes in it reach the tensors outside", (t) => {
  for (const sign of [1, -1]) {
    const out = run({ x: given("f32", [2], [sign, sign]) }, ({ x = raise() }) => {
      const log = zeros([2]);
      const y = cond(
        x.sum().gt(0),
        () => {
          log.select(0, 0).add_(1);
          return { a: x.mul(2), b: [x] };
        },
        () => {
          log.select(0, 1).add_(5);
          return { a: x.neg(), b: [x.exp().mul(0)] };
        },
      );
      return { ...y, log };
    });
    t.deepEqual(out.outputs["a"], sign > 0 ? [2, 2] : [1, 1]);
    t.deepEqual(out.outputs["b.0"], sign > 0 ? [1, 1] : [0, 0]);
    t.deepEqual(out.outputs["log"], sign > 0 ? [1, 0] : [0, 5]);
  }
});

test("whileLoop runs until its condition fails", (t) => {
  const collatz = (n: number): number => {
    let steps = 0;
    for (; n !== 1; steps++) n = n % 2 === 0 ? n / 2 : 3 * n + 1;
    return steps;
  };
  for (const n of [1, 6, 27]) {
    const out = run({ n: number(n) }, ({ n = raise() }) => {
      const next = whileLoop(
        ({ n }) => n.ne(1),
        ({ n, steps }) => ({
          n: cond(
            n.remainder(2).eq(0),
            () => n.floorDivide(2),
            () => n.mul(3).add(1),
          ),
          steps: steps.add(1),
        }),
        { n, steps: tensor([0]).reshape([]) },
      );
      return next.steps;
    });
    t.deepEqual(out.outputs["output"], [collatz(n)]);
  }
});

test("forLoop counts, and a body that writes is carried", (t) => {
  for (const n of [0, 1, 4]) {
    const out = run({ n: number(n), x: counting(4) }, ({ n = raise(), x = raise() }) => {
      const seen = zeros([4]);
      const last = state("last", f32());
      const sum = forLoop(
        n,
        (i, sum) => {
          seen.select(0, i).copy_(sum);
          last.copy_(i);
          return sum.add(x.select(0, i));
        },
        zeros([]),
      );
      return { seen, sum };
    });
    const partial = [0, 0, 1, 3];
    t.deepEqual(
      out.outputs["seen"],
      partial.map((p, i) => (i < n ? p : 0)),
    );
    t.deepEqual(out.outputs["sum"], [[0, 0, 1, 3, 6][n] ?? 0]);
    t.deepEqual(out.states["last"], [Math.max(0, n - 1)]);
  }
});

test("loops nest, and an inner loop's writes reach the outermost tensor", (t) => {
  const out = run({}, () => {
    const table = zeros([3, 3]);
    forLoop(
      3,
      (i, c) =>
        forLoop(
          3,
          (j, d) => {
            table.select(0, i).select(0, j).copy_(i.mul(3).add(j));
            return d;
          },
          c,
        ),
      zeros([]),
    );
    return table;
  });
  t.deepEqual(out.outputs["output"], [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test("scan carries and stacks, over an axis of any size", (t) => {
  for (const n of [1, 3, 5]) {
    const out = run(
      { x: counting(n, 2) },
      ({ x = raise() }) => {
        const [sum, rows] = scan((c, row) => [c.add(row), c.mul(row)] as const, zeros([2]), x);
        return { sum, rows };
      },
      { x: f32(dim("n", 1, 8), 2) },
    );
    let c = [0, 0];
    const rows: number[] = [];
    for (let i = 0; i < n; i++) {
      const row = [2 * i, 2 * i + 1];
      rows.push(...row.map((r, j) => r * (c[j] ?? 0)));
      c = c.map((v, j) => v + (row[j] ?? 0));
    }
    t.deepEqual(out.outputs, { sum: c, rows });
  }
});

test("what control flow cannot take is refused with a reason", (t) => {
  const of = (f: Parameters<typeof run>[1]): string => refusal(() => run({ x: counting(2) }, f)).detail;
  const x0 = (args: Readonly<Record<string, import("../../compiler/frontend/tensor.js").Tensor>>) =>
    args["x"] ?? raise();
  t.is(
    of((a) =>
      cond(
        x0(a).gt(0),
        () => x0(a),
        () => x0(a),
      ),
    ),
    "cond: the condition is bool[2], wants a bool scalar",
  );
  t.is(
    of((a) =>
      cond(
        x0(a).any(),
        () => x0(a),
        () => x0(a).sum(),
      ),
    ),
    "cond: result 0 is f32[2] in one branch and f32[] in the other",
  );
  t.is(
    of((a) => forLoop(3, (_, c) => c.to("f64"), x0(a))),
    "forLoop: carried tensor 0 begins as f32[2] and becomes f64[2]",
  );
  t.is(
    of((a) => {
      let leaked = x0(a);
      forLoop(3, (_, c) => (leaked = c.add(1)), x0(a));
      return leaked.mul(2);
    }),
    "mul: a tensor that was made inside forLoop is used after it",
  );
  t.is(
    of((a) => forLoop(3, (_, c) => c.add(state("s", f32(2))), x0(a))),
    'state: "s" is declared inside forLoop',
  );
  t.is(i64().dtype, "i64");
});

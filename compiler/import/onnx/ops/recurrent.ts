// LSTM, GRU and RNN: the input's projection is one matrix product over all steps, the recurrent part a loop over time.
// Shapes inside: x [steps, batch, input], gates [steps, batch, gates * hidden], state [batch, hidden]. Steps beyond a
// row's sequence length keep the state and give zeros.

import * as ir from "../../../ir/build.js";
import type { Dim } from "../../../ir/dim.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { elu, hardSigmoid, leakyRelu, softplus, softsign, thresholdedRelu } from "./activation.js";
import { reversedSteps } from "./index.js";

type Activation = (b: Builder, x: Value) => Value;

/** Activations by name, with the defaults of the specification. */
function activationOf(cx: NodeContext, name: string, alpha: number | undefined, beta: number | undefined): Activation {
  switch (name.toLowerCase()) {
    case "relu":
      return ir.relu;
    case "tanh":
      return ir.tanh;
    case "sigmoid":
      return ir.sigmoid;
    case "affine":
      return (b, x) => ir.add(b, ir.mul(b, x, alpha ?? 1), beta ?? 0);
    case "leakyrelu":
      return (b, x) => leakyRelu(b, x, alpha ?? Math.fround(0.01));
    case "thresholdedrelu":
      return (b, x) => thresholdedRelu(b, x, alpha ?? 1);
    case "scaledtanh":
      return (b, x) => ir.mul(b, ir.tanh(b, ir.mul(b, x, beta ?? 1)), alpha ?? 1);
    case "hardsigmoid":
      return (b, x) => hardSigmoid(b, x, alpha ?? Math.fround(0.2), beta ?? 0.5);
    case "elu":
      return (b, x) => elu(b, x, alpha ?? 1);
    case "softsign":
      return softsign;
    case "softplus":
      return softplus;
    default:
      return cx.fail("unsupported_op", `has the activation "${name}"`);
  }
}

/** Activations of every direction, `per` of each, then their alphas and betas in order. */
function activationsOf(cx: NodeContext, directions: number, defaults: readonly string[]): Activation[][] {
  const per = defaults.length;
  const names = cx.optStrings("activations") ?? Array.from({ length: directions }, () => defaults).flat();
  if (names.length !== per * directions) cx.malformed(`takes ${per * directions} activations, has ${names.length}`);
  const alphas = [...(cx.optFloats("activation_alpha") ?? [])];
  const betas = [...(cx.optFloats("activation_beta") ?? [])];
  const takesAlpha = /^(affine|leakyrelu|thresholdedrelu|scaledtanh|hardsigmoid|elu)$/iu;
  const takesBeta = /^(affine|scaledtanh|hardsigmoid)$/iu;
  const made = names.map((name) =>
    activationOf(
      cx,
      name,
      takesAlpha.test(name) ? alphas.shift() : undefined,
      takesBeta.test(name) ? betas.shift() : undefined,
    ),
  );
  return Array.from({ length: directions }, (_, i) => made.slice(i * per, (i + 1) * per));
}

interface Cell {
  readonly gates: number;
  readonly activations: readonly string[];
  /** Number of states: 2 for LSTM. */
  readonly states: number;
  /** Next states from the step's projected input (with its bias) and the states; the first is what is given out. */
  step(part: Part, gates: Value, states: readonly Value[]): readonly Value[];
}

/** One direction's weights and settings. */
interface Part {
  readonly cx: NodeContext;
  readonly hidden: number;
  /** [hidden, gates * hidden] */
  readonly recurrent: Value;
  /** [gates * hidden], the recurrent bias, or null. */
  readonly bias: Value | null;
  readonly peepholes: Value | null;
  readonly f: readonly Activation[];
}

function clipped(cx: NodeContext, x: Value): Value {
  const clip = cx.optFloat("clip");
  return clip === undefined ? x : ir.max(cx.b, ir.min(cx.b, x, clip), -clip);
}

/** Columns [i * hidden, (i + n) * hidden) of a value's last axis. */
function gate(b: Builder, v: Value, i: number, hidden: number, n = 1): Value {
  return ir.sliceAxis(b, v, v.type.shape.length - 1, i * hidden, n * hidden);
}

function apply(part: Part, i: number, x: Value): Value {
  const f = part.f[i];
  return f === undefined ? part.cx.malformed("has too few activations") : f(part.cx.b, clipped(part.cx, x));
}

const rnnCell: Cell = {
  gates: 1,
  activations: ["Tanh"],
  states: 1,
  step: (part, gates, [h]) => {
    const { b } = part.cx;
    return h === undefined ? [] : [apply(part, 0, ir.add(b, gates, ir.matmul(b, h, part.recurrent)))];
  },
};

/** Gates in ONNX's order: update, reset, hidden. */
const gruCell: Cell = {
  gates: 3,
  activations: ["Sigmoid", "Tanh"],
  states: 1,
  step: (part, gates, [h]) => {
    const { hidden, recurrent, bias, cx } = part;
    const { b } = cx;
    if (h === undefined) return [];
    const both = ir.add(b, gate(b, gates, 0, hidden, 2), ir.matmul(b, h, gate(b, recurrent, 0, hidden, 2)));
    const sum = bias === null ? both : ir.add(b, both, gate(b, bias, 0, hidden, 2));
    const z = apply(part, 0, gate(b, sum, 0, hidden));
    const r = apply(part, 0, gate(b, sum, 1, hidden));
    const weights = gate(b, recurrent, 2, hidden);
    const offset = bias === null ? null : gate(b, bias, 2, hidden);
    const withBias = (v: Value): Value => (offset === null ? v : ir.add(b, v, offset));
    const inner = cx.flag("linear_before_reset")
      ? ir.mul(b, r, withBias(ir.matmul(b, h, weights)))
      : withBias(ir.matmul(b, ir.mul(b, r, h), weights));
    const candidate = apply(part, 1, ir.add(b, gate(b, gates, 2, hidden), inner));
    return [ir.add(b, ir.mul(b, ir.sub(b, 1, z), candidate), ir.mul(b, z, h))];
  },
};

/** Gates in ONNX's order: input, output, forget, cell. Peepholes: input, output, forget. */
const lstmCell: Cell = {
  gates: 4,
  activations: ["Sigmoid", "Tanh", "Tanh"],
  states: 2,
  step: (part, gates, [h, c]) => {
    const { hidden, recurrent, peepholes, cx } = part;
    const { b } = cx;
    if (h === undefined || c === undefined) return [];
    const all = ir.add(b, gates, ir.matmul(b, h, recurrent));
    const peep = (v: Value, i: number, state: Value): Value =>
      peepholes === null ? v : ir.add(b, v, ir.mul(b, gate(b, peepholes, i, hidden), state));
    const i = apply(part, 0, peep(gate(b, all, 0, hidden), 0, c));
    const forget = cx.flag("input_forget") ? ir.sub(b, 1, i) : apply(part, 0, peep(gate(b, all, 2, hidden), 2, c));
    const candidate = apply(part, 1, gate(b, all, 3, hidden));
    const next = ir.add(b, ir.mul(b, forget, c), ir.mul(b, i, candidate));
    const o = apply(part, 0, peep(gate(b, all, 1, hidden), 1, next));
    const activated = part.f[2];
    return [ir.mul(b, o, activated === undefined ? next : activated(b, next)), next];
  },
};

interface Direction {
  readonly y: Value;
  readonly last: readonly Value[];
}

function recurrent(cell: Cell): Translator {
  return (cx) => {
    const { b } = cx;
    const batchFirst = cx.flag("layout");
    const given = cx.in(0);
    if (cx.rank(given) !== 3) cx.malformed(`takes rank 3, has ${cx.rank(given)}`);
    const x = batchFirst ? ir.transpose(b, given, [1, 0, 2]) : given;
    const direction = cx.word("direction", ["forward", "reverse", "bidirectional"], "forward");
    const count = direction === "bidirectional" ? 2 : 1;
    const hidden = cx.size(cx.in(2), 2, "the hidden size");
    const activations = activationsOf(cx, count, cell.activations);
    const initial = Array.from({ length: cell.states }, (_, i) => {
      const v = cx.opt(5 + i);
      return v === undefined || !batchFirst ? v : ir.transpose(b, v, [1, 0, 2]);
    });
    const done = Array.from({ length: count }, (_, d) => {
      const reverse = direction === "reverse" || d === 1;
      return oneDirection(cx, cell, x, d, hidden, initial, activations[d] ?? [], reverse);
    });
    const join = (list: readonly Value[], axis: number): Value =>
      ir.concat(
        b,
        list.map((v) => ir.unsqueeze(b, v, [axis])),
        axis,
      );
    const y = join(
      done.map((d) => d.y),
      1,
    );
    const states = Array.from({ length: cell.states }, (_, i) =>
      join(
        done.flatMap((d) => d.last.slice(i, i + 1)),
        0,
      ),
    );
    if (!batchFirst) return [y, ...states];
    return [ir.transpose(b, y, [2, 0, 1, 3]), ...states.map((s) => ir.transpose(b, s, [1, 0, 2]))];
  };
}

/** Row `d` of a per-direction value, without that axis. */
function row(b: Builder, v: Value, d: number): Value {
  return ir.squeeze(b, ir.sliceAxis(b, v, 0, d, 1), [0]);
}

function oneDirection(
  cx: NodeContext,
  cell: Cell,
  x: Value,
  d: number,
  hidden: number,
  initial: readonly (Value | undefined)[],
  f: readonly Activation[],
  reverse: boolean,
): Direction {
  const { b } = cx;
  const [steps, batch] = [cx.dim(x, 0), cx.dim(x, 1)];
  const lengths = cx.opt(4);
  const turn = (v: Value): Value =>
    !reverse ? v : lengths === undefined ? ir.flip(b, v, [0]) : reversedSteps(cx, v, lengths, 0, 1);
  const weights = ir.transpose(b, row(b, cx.in(1), d), [1, 0]);
  const width = cell.gates * hidden;
  const biases = cx.opt(3);
  const inputBias = biases === undefined ? null : ir.sliceAxis(b, row(b, biases, d), 0, 0, width);
  const recurrentBias = biases === undefined ? null : ir.sliceAxis(b, row(b, biases, d), 0, width, width);
  // GRU keeps the recurrent bias apart: its place depends on linear_before_reset.
  const merged =
    inputBias === null
      ? null
      : cell === gruCell || recurrentBias === null
        ? inputBias
        : ir.add(b, inputBias, recurrentBias);
  const projected = ir.matmul(b, turn(x), weights);
  const gates = merged === null ? projected : ir.add(b, projected, merged);
  const peepholes = cell === lstmCell ? cx.opt(7) : undefined;
  const part: Part = {
    cx,
    hidden,
    recurrent: ir.transpose(b, row(b, cx.in(2), d), [1, 0]),
    bias: cell === gruCell ? recurrentBias : null,
    peepholes: peepholes === undefined ? null : row(b, peepholes, d),
    f,
  };
  const start = initial.map((v) => (v === undefined ? ir.full(b, x.type.dtype, [batch, hidden], 0) : row(b, v, d)));
  const out = ir.loop(b, {
    trips: ir.dimValue(b, steps),
    count: steps,
    carried: start,
    types: start.map((v) => ({ dtype: v.type.dtype, shape: [batch, hidden] as readonly Dim[] })),
    body: (t, states) => {
      const next = cell.step(part, ir.gather(b, gates, t, 0), states);
      const live = lengths === undefined ? null : ir.lt(b, t, ir.reshape(b, ir.cast(b, lengths, "i64"), [batch, 1]));
      const carried = live === null ? next : next.map((v, i) => ir.select(b, live, v, states[i] ?? v));
      const [y] = next;
      if (y === undefined) return cx.malformed("has no state");
      return { carried, scanned: [live === null ? y : ir.select(b, live, y, 0)] };
    },
  });
  const y = out[cell.states];
  if (y === undefined) return cx.malformed("has no output");
  return { y: turn(y), last: out.slice(0, cell.states) };
}

export const recurrentOps: Translators = {
  GRU: recurrent(gruCell),
  LSTM: recurrent(lstmCell),
  RNN: recurrent(rnnCell),
};

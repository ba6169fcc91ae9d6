// Contributed operators that are an operator of ONNX with other inputs: the translator of that operator sees the same node
// with those inputs, and with some attributes replaced.

import * as ir from "../../../ir/build.js";
import type { Value } from "../../../ir/graph.js";
import { NodeContext, type Translators } from "../context.js";
import { tensorItem } from "../items.js";
import { ATTRIBUTE_TYPE, type AttributeProto } from "../proto.js";
import { decodeMessage } from "../wire.js";

/** The operator set that translators of the main domain are asked for. */
const OPSET = 21;

export function intsAttribute(name: string, values: readonly number[]): AttributeProto {
  const blank = decodeMessage("AttributeProto", new Uint8Array(), name);
  return { ...blank, name, type: ATTRIBUTE_TYPE.ints, ints: values.map(BigInt) };
}

export function intAttribute(name: string, value: number): AttributeProto {
  const blank = decodeMessage("AttributeProto", new Uint8Array(), name);
  return { ...blank, name, type: ATTRIBUTE_TYPE.int, i: BigInt(value) };
}

export interface Through {
  /** In place of the node's attributes of the same names. */
  readonly attributes?: readonly AttributeProto[];
  readonly opset?: number;
}

/** The first result of another operator's translator on this node. */
export function through(
  cx: NodeContext,
  table: Translators,
  op: string,
  inputs: readonly (Value | undefined)[],
  { attributes = [], opset = OPSET }: Through = {},
): Value {
  const translator = table[op];
  if (translator === undefined) return cx.fail("unsupported_op", `${op} has no translation`);
  const names = new Set(attributes.map((a) => a.name));
  const kept = cx.node.attribute.filter((a) => !names.has(a.name));
  const node = { ...cx.node, attribute: [...kept, ...attributes], output: cx.node.output.slice(0, 1) };
  const items = inputs.map((v) => (v === undefined ? undefined : tensorItem(v)));
  const inner = new NodeContext(node, cx.at, cx.session, cx.scope, opset, items, cx.translateGraph);
  const result = translator(inner);
  const first = Array.isArray(result) ? result[0] : result;
  if (first === undefined || first === null) return cx.malformed(`${op} gives no result`);
  if (!("kind" in first)) return first;
  return first.kind === "tensor" ? first.value : cx.malformed(`${op} gives a ${first.kind}`);
}

/** [n, ...spatial, c] to [n, c, ...spatial]. */
export function channelsFirst(cx: NodeContext, v: Value): Value {
  const rank = cx.rank(v);
  if (rank < 3) cx.malformed(`takes rank 3 and up, has ${rank}`);
  return ir.transpose(cx.b, v, [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]);
}

/** [n, c, ...spatial] to [n, ...spatial, c]. */
export function channelsLast(cx: NodeContext, v: Value): Value {
  const rank = cx.rank(v);
  return ir.transpose(cx.b, v, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
}

/** Runs `make` on a value with its channels first, whatever `channels_last` says, and turns the result back. */
export function withChannels(cx: NodeContext, v: Value, last: boolean, make: (v: Value) => Value): Value {
  return last ? channelsLast(cx, make(channelsFirst(cx, v))) : make(v);
}

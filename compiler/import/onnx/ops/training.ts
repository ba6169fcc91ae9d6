// Gradient of ai.onnx.preview.training: the derivative of one tensor of the graph around it by others, at given values.

import * as ir from "../../../ir/build.js";
import { isFloat } from "../../../ir/dtype.js";
import { gradient } from "../../../ir/grad.js";
import type { Value } from "../../../ir/graph.js";
import { substituteValues } from "../../../ir/map-graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { UnknownInput } from "../session.js";

function named(cx: NodeContext, name: string): Value {
  const item = cx.scope.find(name);
  if (item === undefined) return cx.malformed(`names "${name}", which nothing before it computes`);
  if (item.kind === "unknown") throw new UnknownInput();
  return item.kind === "tensor" ? item.value : cx.malformed(`names "${name}", which is no tensor`);
}

/**
 * y as a function of the tensors named by xs and zs alone: they are cut free with parameters, and the inputs of this node
 * stand for those in the derivatives.
 */
const gradientOp: Translator = (cx) => {
  const { b } = cx;
  const xs = cx.optStrings("xs") ?? cx.malformed('attribute "xs" is missing');
  const zs = cx.optStrings("zs") ?? [];
  const names = [...xs, ...zs];
  if (xs.length === 0 || cx.arity !== names.length)
    cx.malformed(`names ${names.length} tensors and has ${cx.arity} inputs`);
  const sources = names.map((name) => named(cx, name));
  const params = sources.map((v) => b.param(v.type));
  const cut = new Map(sources.map((v, i) => [v, params[i] ?? v]));
  const [y] = substituteValues(b, [named(cx, cx.str("y"))], cut);
  if (y === undefined) return cx.malformed("has nothing to differentiate");
  if (!isFloat(y.type.dtype))
    cx.fail("unsupported_gradient", `differentiates "${cx.str("y")}", which is ${y.type.dtype}`);
  if (!y.type.shape.every((d) => d === 1))
    cx.fail(
      "unsupported_gradient",
      `differentiates "${cx.str("y")}", which is no scalar`,
      "reduce it to one number first",
    );
  const found = gradient(b, ir.reshape(b, y, []), params.slice(0, xs.length));
  const given = new Map(params.map((p, i) => [p, cx.in(i)]));
  return substituteValues(b, found, given);
};

export const gradientOps: Translators = { Gradient: gradientOp };

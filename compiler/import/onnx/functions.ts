// Model-local functions are inlined at each call: the body's names are its own, its attributes come from the call.

import type { NodeContext } from "./context.js";
import type { Item } from "./items.js";
import type { AttributeProto, FunctionProto, NodeProto } from "./proto.js";
import type { Scope } from "./scope.js";

export function functionKey(domain: string, name: string, overload: string): string {
  return JSON.stringify([domain === "ai.onnx" ? "" : domain, name, overload]);
}

export function callFunction(
  cx: NodeContext,
  f: FunctionProto,
  items: readonly (Item | undefined)[],
  translate: (nodes: readonly NodeProto[], scope: Scope) => void,
): (Item | null)[] {
  if (cx.scope.calls(f))
    cx.fail("resource_limit", "calls itself, which would never end", "inline the function, or use a Loop");
  const attributes = new Map<string, AttributeProto>();
  for (const a of f.attributeProto) attributes.set(a.name ?? "", a);
  for (const name of [...f.attribute, ...attributes.keys()]) {
    const given = cx.attribute(name);
    if (given !== undefined) attributes.set(name, given);
  }
  const opsets = new Map(cx.scope.opsets);
  for (const o of f.opsetImport) opsets.set(o.domain === "ai.onnx" ? "" : (o.domain ?? ""), Number(o.version ?? 0n));
  const scope = cx.scope.call(opsets, attributes, f);
  for (const [i, name] of f.input.entries()) {
    const item = items[i];
    if (item === undefined) scope.omit(name);
    else scope.define(name, item);
  }
  if (items.length > f.input.length) cx.malformed(`takes ${f.input.length} inputs, has ${items.length}`);
  translate(f.node, scope);
  return f.output.map((name) => scope.find(name) ?? null);
}

// The schedule as text: kernels with what they read, compute and write, in order, under their control flow. Values are
// numbered in the order they are met, so the text depends on nothing but the schedule.

import type { AttrSchema } from "../ir/attrs.js";
import { formatDim } from "../ir/dim.js";
import { constantOf, type Node, type Value } from "../ir/graph.js";
import { OPS } from "../ir/ops.js";
import { formatType } from "../ir/types.js";
import type { Kernel, Schedule, Step } from "./schedule.js";

export function printSchedule(schedule: Schedule): string {
  const names = new Map<Value, string>();
  const name = (v: Value): string => {
    const known = names.get(v);
    if (known !== undefined) return known;
    const made = nameFor(v, names.size);
    names.set(v, made);
    return made;
  };
  const lines: string[] = [];
  const walk = (steps: readonly Step[], indent: string): void => {
    for (const s of steps) {
      switch (s.kind) {
        case "kernel":
          lines.push(...printKernel(s.kernel, name).map((l) => indent + l));
          break;
        case "copy":
          lines.push(
            `${indent}copy ${name(s.from)} -> ${name(s.to)}${s.row === null ? "" : ` row ${formatDim(s.row)}`}`,
          );
          break;
        case "bind":
          lines.push(`${indent}bind ${formatDim(s.binding.symbol)} = ${name(s.binding.value)}[${s.binding.index}]`);
          break;
        case "assign":
          lines.push(`${indent}bind ${formatDim(s.symbol)} = ${formatDim(s.value)}`);
          break;
        case "if":
          lines.push(`${indent}if ${s.node.inputs.map(name).join(", ")} {`);
          for (const [i, b] of s.branches.entries()) {
            if (i > 0) lines.push(`${indent}} else {`);
            walk(b, `${indent}  `);
          }
          lines.push(`${indent}}`);
          break;
        case "loop":
          lines.push(
            `${indent}loop ${formatDim(s.iteration)} while ${s.node.inputs.slice(0, 2).map(name).join(", ")} {`,
          );
          walk(s.body, `${indent}  `);
          lines.push(`${indent}}`);
          break;
      }
    }
  };
  walk(schedule.steps, "");
  for (const o of schedule.graph.outputs) lines.push(`output ${JSON.stringify(o.name)} = ${name(o.value)}`);
  return `${lines.join("\n")}\n`;
}

function nameFor(v: Value, number: number): string {
  const constant = constantOf(v);
  if (constant !== undefined) {
    if (constant.size === 1) return `${constant.dtype}(${String(constant.elements[0])})[${constant.shape.join(", ")}]`;
    return `@${constant.digest.slice(0, 12)}:${formatType(v.type)}`;
  }
  if (v.node.op === "input" || v.node.op === "state") return `%${JSON.stringify(v.node.attrs.name)}`;
  return `%${number}`;
}

function printKernel(k: Kernel, name: (v: Value) => string): string[] {
  const choices = Object.entries(k.choices).map(([key, value]) => `${key}=${value}`);
  const reads = k.inputs.map(name).join(", ");
  const lines = [`${k.template} ${k.name}(${choices.join(" ")}) reads [${reads}] {`];
  for (const node of k.nodes) {
    if (node.op === "const" || node.op === "param" || node.op === "input" || node.op === "state") continue;
    lines.push(`  ${printNode(node, name)}`);
  }
  lines.push(`} writes [${k.outputs.map((v) => `${name(v)}: ${formatType(v.type)}`).join(", ")}]`);
  return lines;
}

function printNode(node: Node, name: (v: Value) => string): string {
  const schema: AttrSchema = OPS[node.op].attrs;
  const attrs: Readonly<Record<string, unknown>> = node.attrs;
  const shown = Object.entries(schema).map(([key, kind]) => `${key}: ${kind.format(attrs[key])}`);
  const operands = node.inputs.map(name).join(", ");
  const results = node.outputs.map(name).join(", ");
  return `${results} = ${node.op}(${operands})${shown.length === 0 ? "" : ` {${shown.join(", ")}}`}`;
}

// The source of a function, parsed: its own text, and the user's file where it can be found, for line numbers.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ArrowFunction, FunctionExpression, Node, SourceFile } from "ts-morph";
import { formatSite, refuseTrace, type Site } from "./site.js";

type Morph = typeof import("ts-morph");

let morph: Morph | undefined;

/** Loaded at the first kernel: it carries a whole TypeScript. */
export function loadMorph(): Morph {
  morph ??= createRequire(import.meta.url)("ts-morph") as Morph;
  return morph;
}

function parse(text: string): SourceFile {
  const { Project } = loadMorph();
  const project = new Project({ useInMemoryFileSystem: true, skipLoadingLibFiles: true });
  return project.createSourceFile("kernel.ts", text);
}

export interface KernelSource {
  readonly fn: ArrowFunction | FunctionExpression;
  /** `file:line` of a node in the user's file. */
  at(node: Node): string;
}

/** Parses a function given at `site`. Refuses what has no source, and functions of other forms. */
export function kernelSource(fn: (...args: never[]) => unknown, site: Site): KernelSource {
  const { SyntaxKind } = loadMorph();
  const text = fn.toString();
  const file = parse(`(${text});`);
  const expression = file.getFirstDescendantByKind(SyntaxKind.ParenthesizedExpression)?.getExpression();
  const found = expression?.asKind(SyntaxKind.ArrowFunction) ?? expression?.asKind(SyntaxKind.FunctionExpression);
  if (found === undefined || text.includes("[native code]"))
    return refuseTrace(
      "unsupported_op",
      "kernel",
      "kernel: the function's source cannot be read",
      "give an arrow function or a function expression",
      formatSite(site),
    );
  const first = firstLine(text, site);
  return { fn: found, at: (node) => formatSite({ file: site.file, line: first + node.getStartLineNumber() - 1 }) };
}

/** Line of the user's file where the function begins. */
function firstLine(text: string, site: Site): number {
  let content: string;
  try {
    content = readFileSync(site.file, "utf8");
  } catch {
    return site.line;
  }
  const lines: number[] = [];
  for (let i = content.indexOf(text); i >= 0; i = content.indexOf(text, i + 1)) lines.push(lineAt(content, i));
  const nearest = lines.toSorted((a, b) => Math.abs(a - site.line) - Math.abs(b - site.line))[0];
  return nearest ?? argumentLine(content, site.line);
}

/** Where the file has types that the running code has not: the first argument of the call at the line. */
function argumentLine(content: string, line: number): number {
  const { SyntaxKind } = loadMorph();
  const calls = parse(content).getDescendantsOfKind(SyntaxKind.CallExpression);
  const call = calls.find((c) => c.getStartLineNumber() === line && /(^|\.)kernel$/.test(c.getExpression().getText()));
  return call?.getArguments()[0]?.getStartLineNumber() ?? line;
}

function lineAt(content: string, position: number): number {
  return content.slice(0, position).split("\n").length;
}

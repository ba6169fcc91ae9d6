// Runs the passes and verifies after each, so that a broken graph is blamed on the pass that broke it.

import { Bug } from "../ir/errors.js";
import type { Builder, Graph } from "../ir/graph.js";
import { digestOf, nodeNames, print } from "../ir/print.js";
import { settle } from "../ir/settle.js";
import { formatIssue, verify } from "../ir/verify.js";
import type { Pass, PassOptions } from "./pass.js";
import { checkOrder, PIPELINE } from "./pipeline.js";

export interface RunOptions extends PassOptions {
  /** Instead of the whole pipeline. */
  readonly passes?: readonly Pass[];
}

export interface PassRecord {
  readonly name: string;
  readonly changed: boolean;
  /** Digest of the graph after the pass. */
  readonly digest: string;
}

export interface PassResult {
  readonly graph: Graph;
  /** What ran, in order: part of a plan's identity. */
  readonly log: readonly PassRecord[];
}

/** Runs passes over a graph of this builder. Throws Bug with the pass's name and the graph before it. */
export function runPasses(b: Builder, graph: Graph, options: RunOptions = {}): PassResult {
  const { passes = PIPELINE } = options;
  checkOrder(passes);
  // Frontends list every constraint that they met, also of nodes that nothing needs.
  let at = settle(graph);
  check("input graph", at, null);
  const log: PassRecord[] = [];
  let digest = digestOf(at);
  for (const pass of passes) {
    at = runPass(b, at, pass, options);
    const after = digestOf(at);
    log.push({ name: pass.name, changed: after !== digest, digest: after });
    digest = after;
  }
  return { graph: at, log };
}

/** One pass, verified. */
export function runPass(b: Builder, graph: Graph, pass: Pass, options: PassOptions = {}): Graph {
  let after: Graph;
  try {
    after = pass.run(b, graph, options);
  } catch (e) {
    throw new Bug(pass.name, e instanceof Error ? e.message : String(e), print(graph).text);
  }
  check(pass.name, after, graph);
  return after;
}

/** `before`: what the stage was given, for the report. */
function check(stage: string, graph: Graph, before: Graph | null): void {
  const issues = verify(graph);
  if (issues.length === 0) return;
  const name = nodeNames(graph);
  throw new Bug(stage, issues.map((i) => formatIssue(i, name)).join("; "), before === null ? "" : print(before).text);
}

// Writes what conformance runs saw into targets/wasm/tested.ts, and docs/operators.md from it:
//   node dist/tests/conformance/matrix.js [--onnx verdicts.json]
// Runs every op on every dtype, and the ONNX backend suite on wasm where it is there (or takes the verdicts of a run
// that wrote them with --json). Without the suite, the ONNX part stays as it was.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { matrixMarkdown } from "../../compiler/cli/matrix/markdown.js";
import { matrix } from "../../compiler/cli/matrix/matrix.js";
import { TESTED_ONNX } from "../../targets/wasm/tested.js";
import { benchOf } from "../support/dtype-cases.js";
import { NUMERIC } from "../support/dtype-values.js";
import type { Verdict } from "../support/onnx-judge.js";
import { suiteFolder } from "../support/suites.js";
import { casesIn, runTasks } from "./run.js";

interface SuiteCase {
  readonly id: string;
  readonly opset: Readonly<Record<string, number>>;
  readonly ops: readonly string[];
}

function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** Cases per op and dtype that gave the reference's values: "f64:3 f32:3" by op. */
async function testedOps(): Promise<Record<string, string>> {
  const counts = new Map<string, Map<string, number>>();
  for (const dtype of NUMERIC) {
    const bench = benchOf(dtype);
    const issues = await bench.run();
    const failed = new Set(issues.map((i) => i.split(" ")[0]));
    for (const i of issues) console.log(`FAILED ${i}`);
    for (const c of bench.cases) {
      if (failed.has(c.op)) continue;
      const row = counts.get(c.op) ?? new Map<string, number>();
      counts.set(c.op, row.set(dtype, (row.get(dtype) ?? 0) + 1));
    }
  }
  const texts = [...counts].map(([op, row]) => [op, [...row].map(([d, n]) => `${d}:${n}`).join(" ")] as const);
  return Object.fromEntries(texts.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** "passed refused opset,opset" by operator; operators of other domains with their domain before them. */
export function testedOnnx(
  cases: readonly SuiteCase[],
  verdicts: Readonly<Record<string, Pick<Verdict, "status">>>,
): Record<string, string> {
  const rows = new Map<string, { passed: number; refused: number; opsets: Set<number> }>();
  for (const c of cases) {
    const status = verdicts[c.id]?.status;
    for (const op of new Set(c.ops)) {
      const row = rows.get(op) ?? { passed: 0, refused: 0, opsets: new Set<number>() };
      rows.set(op, row);
      if (status === "refused") row.refused++;
      if (status !== "passed") continue;
      row.passed++;
      const at = op.lastIndexOf(":");
      const version = c.opset[at < 0 ? "" : op.slice(0, at)];
      if (version !== undefined) row.opsets.add(version);
    }
  }
  const text = ({ passed, refused, opsets }: { passed: number; refused: number; opsets: Set<number> }): string =>
    `${passed} ${refused} ${[...opsets].toSorted((a, b) => a - b).join(",")}`;
  return Object.fromEntries([...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([op, r]) => [op, text(r)]));
}

async function onnxPart(file: string | undefined): Promise<Readonly<Record<string, string>>> {
  const root = suiteFolder("onnx");
  if (root === null) {
    console.log("no ONNX suite: its part of the matrix stays as it was");
    return TESTED_ONNX;
  }
  const cases: readonly SuiteCase[] = JSON.parse(readFileSync(join(root, "index.json"), "utf8"));
  const verdicts: Readonly<Record<string, Verdict>> =
    file === undefined
      ? Object.fromEntries(await runTasks("wasm", casesIn(root), 2))
      : JSON.parse(readFileSync(file, "utf8"));
  return testedOnnx(cases, verdicts);
}

function recordText(name: string, record: Readonly<Record<string, string>>): string {
  const key = (k: string): string => (/^[A-Za-z_]\w*$/.test(k) ? k : JSON.stringify(k));
  const lines = Object.entries(record).map(([k, v]) => `  ${key(k)}: ${JSON.stringify(v)},`);
  return `export const ${name}: Readonly<Record<string, string>> = {\n${lines.join("\n")}\n};\n`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { onnx: { type: "string" } } });
  const root = repositoryRoot();
  const [ops, onnx] = [await testedOps(), await onnxPart(values.onnx)];
  const text = `// Made by \`make matrix\`: what its last run saw pass on the wasm target. Ops of the graph: cases by dtype of the
// first operand. ONNX operators: cases of the backend suites passed, refused, and the operator sets of those that passed.

${recordText("TESTED_OPS", ops)}
${recordText("TESTED_ONNX", onnx)}`;
  const file = join(root, "targets", "wasm", "tested.ts");
  writeFileSync(file, text);
  execFileSync(join(root, "node_modules", ".bin", "biome"), ["format", "--write", file], { stdio: "ignore" });
  writeFileSync(join(root, "docs", "operators.md"), matrixMarkdown(matrix({ ops, onnx })));
  console.log("targets/wasm/tested.ts and docs/operators.md are written");
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) await main();

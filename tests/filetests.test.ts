// File tests: tests/filetests/**/*.ir. The first line says what to do; then an input graph; after a line `---` what is
// expected. BLESS=1 rewrites expectations (not when CI is set).
//
//   ; pass: canonicalize     the graph after the passes; `; judge: 1e-6` on the next line allows values to differ so much
//   ; schedule               the input's kernels
//   ; print                  the input, as it prints
//   ; refuse                 what the parser or the verifier says, word for word
//   ; run                    after `---`: input "x" = f32[2] [1, 2], expect "y" = f32[2] [2, 4]; judged by hand
//   ; fail                   as run, and the last part is what the reference says
//
// A pass has a second judge: input and output graphs give the same values on sampled inputs.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import test from "ava";
import { Builder, type Graph } from "../compiler/ir/graph.js";
import { RunIssue } from "../compiler/ir/run-issue.js";
import type { Tensor } from "../compiler/ir/tensor.js";
import { nodeNames, ParseError, parse, print } from "../compiler/ir/text.js";
import { Cursor } from "../compiler/ir/text-cursor.js";
import { formatIssue, verify } from "../compiler/ir/verify.js";
import { PASSES } from "../compiler/passes/pipeline.js";
import { runPass } from "../compiler/passes/run.js";
import { interpret } from "../compiler/reference/interpret.js";
import { schedule } from "../compiler/schedule/build.js";
import { printSchedule } from "../compiler/schedule/print.js";
import { SIMD128_BYTE_TILES, SIMD128_TILES } from "../compiler/schedule/tiles.js";
import { wasmKeeps } from "../targets/wasm/capabilities.js";
import { difference, sampleInputs } from "./support/sample.js";

const ROOT = resolve("tests/filetests");
const BLESS = process.env["BLESS"] === "1" && process.env["CI"] === undefined;
const DIVIDER = "\n---\n";

interface FileTest {
  readonly command: string;
  /** Everything before the divider. */
  readonly input: string;
  readonly expected: string;
  /** 0: the same bits. */
  readonly tolerance: number;
}

function readFileTest(text: string): FileTest {
  const at = text.indexOf(DIVIDER);
  const input = at < 0 ? text : text.slice(0, at + 1);
  const [first = ""] = input.split("\n");
  const judge = /^; judge: (\S+)$/m.exec(input)?.[1];
  return {
    command: first.replace(/^; */, "").trim(),
    input,
    expected: at < 0 ? "" : text.slice(at + DIVIDER.length),
    tolerance: judge === undefined || judge === "exact" ? 0 : Number(judge),
  };
}

/** Parses and verifies: a file's graph must be sound. */
function readGraph(input: string, b: Builder): Graph {
  const graph = parse(input, new Map(), b);
  const issues = verify(graph).map((i) => formatIssue(i, nodeNames(graph)));
  if (issues.length > 0) throw new Error(`the file's graph is unsound: ${issues.join("; ")}`);
  return graph;
}

function refusalOf(input: string): string {
  try {
    const graph = parse(input, new Map(), new Builder());
    return verify(graph)
      .map((i) => `${formatIssue(i, nodeNames(graph))}\n`)
      .join("");
  } catch (e) {
    if (e instanceof ParseError) return `${e.message}\n`;
    throw e;
  }
}

/** Values of `input "x" = ...` or `expect "y" = ...` lines. */
function valuesOf(text: string, keyword: string): Record<string, Tensor> {
  const out: Record<string, Tensor> = {};
  const c = new Cursor(text, new Map());
  while (!c.done) {
    const word = c.name("input or expect");
    const name = c.string();
    c.take("=");
    const value = c.tensor();
    if (word === keyword) out[name] = value;
  }
  return out;
}

function judged(before: Graph, after: Graph, tolerance: number): string | null {
  for (let seed = 1; seed <= 6; seed++) {
    const inputs = sampleInputs(before, seed, { special: tolerance === 0 && seed > 3 });
    let want: Record<string, Tensor>;
    try {
      want = interpret(before, inputs).outputs;
    } catch (e) {
      if (e instanceof RunIssue) continue;
      throw e;
    }
    const found = difference(interpret(after, inputs).outputs, want, tolerance);
    if (found !== null) return `seed ${seed}: ${found}`;
  }
  return null;
}

function filesUnder(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((e) => {
      const path = join(folder, e.name);
      return e.isDirectory() ? filesUnder(path) : e.name.endsWith(".ir") ? [path] : [];
    });
}

const files = filesUnder(ROOT);

test("there are file tests", (t) => {
  t.true(files.length > 20, `found ${files.length} under ${ROOT}`);
});

for (const path of files) {
  test(relative(ROOT, path), (t) => {
    const { command, input, expected, tolerance } = readFileTest(readFileSync(path, "utf8"));
    const expectText = (have: string, want = expected, before = `${input}---\n`): void => {
      if (BLESS && have !== want) writeFileSync(path, `${before}${have}`);
      t.is(have, BLESS ? have : want);
    };
    const [verb = "", rest = ""] = command.split(":").map((part) => part.trim());
    switch (verb) {
      case "pass": {
        const b = new Builder();
        const before = readGraph(input, b);
        let after = before;
        // Behind a pass may stand what else the target has: "widen bf16Dots", or has not everywhere: "bytes some".
        const words = rest.split(",").map((part) => part.trim().split(/\s+/));
        const names = words.map(([name = ""]) => name);
        const bf16Dots = words.flat().includes("bf16Dots");
        // Where that pass is named, the target is one that has what it is for.
        const machines = words.flat().includes("some") ? ("some" as const) : ("all" as const);
        const dots = names.includes("bytes") ? { byteDots: machines } : {};
        for (const name of names) {
          const pass = PASSES.get(name);
          if (pass === undefined) throw new Error(`no pass is named "${name}"`);
          after = runPass(b, after, pass, { keeps: wasmKeeps, bf16Dots, ...dots });
        }
        expectText(print(after).text);
        t.is(judged(before, after, tolerance), null);
        break;
      }
      case "print": {
        const { text } = print(readGraph(input, new Builder()));
        expectText(text);
        t.is(print(parse(text, new Map(), new Builder())).text, text);
        break;
      }
      case "schedule":
        // "widensBytes": for machines of which only some multiply bytes.
        expectText(
          printSchedule(
            schedule(readGraph(input, new Builder()), undefined, {
              tiles: rest === "widensBytes" ? SIMD128_BYTE_TILES : SIMD128_TILES,
            }),
          ),
        );
        break;
      case "refuse":
        expectText(refusalOf(input));
        break;
      case "run": {
        const { outputs } = interpret(readGraph(input, new Builder()), valuesOf(expected, "input"));
        t.is(difference(outputs, valuesOf(expected, "expect"), tolerance), null);
        break;
      }
      case "fail": {
        const [values = "", message = ""] = expected.split(DIVIDER);
        const error = t.throws(() => interpret(readGraph(input, new Builder()), valuesOf(values, "input")));
        expectText(`${error?.message.replace(/#\d+/, "#n")}\n`, message, `${input}---\n${values}\n---\n`);
        break;
      }
      default:
        t.fail(`unknown command "${command}"`);
    }
  });
}

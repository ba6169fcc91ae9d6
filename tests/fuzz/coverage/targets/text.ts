// Text that people write or keep: the IR's text form (ParseError and nothing else; what is sound prints and parses to the
// same text), dimensions (DimSyntaxError; formatDim gives back the same Dim), --dim and --input arguments (CliError), and
// tensors as JSON (RangeError). An input's first line says which: "graph ...", "dim", "dims", "argument", "json <dtype>".

import { parseDims } from "../../../../compiler/cli/dims.js";
import { CliError } from "../../../../compiler/cli/failures.js";
import { tensorFromJson, tensorToJson } from "../../../../compiler/cli/io/json-tensor.js";
import { parseInputArg, readValue } from "../../../../compiler/cli/io/source.js";
import { importOnnx } from "../../../../compiler/import/onnx/import.js";
import { type Dim, DimSyntaxError, formatDim, parseDim, sym } from "../../../../compiler/ir/dim.js";
import { DTYPES, isDType } from "../../../../compiler/ir/dtype.js";
import { Refused } from "../../../../compiler/ir/errors.js";
import { Builder } from "../../../../compiler/ir/graph.js";
import { OPS } from "../../../../compiler/ir/ops.js";
import { ParseError, parse, print } from "../../../../compiler/ir/text.js";
import { verify } from "../../../../compiler/ir/verify.js";
import { mutateText } from "../mutate-bytes.js";
import { Broken, type Target } from "../target.js";
import { onnxSeeds } from "./onnx-seeds.js";

const GRAPHS = [
  `graph "sum"
symbol n: 1..512
constraint n = 3 "add: axis 0"
%0 = input {name="x", dtype=f32, shape=[n, 3]} : f32[n, 3]
%1 = const {value=f32[3] [1, 2.5, NaN]} : f32[3]
%2 = neg(%0) : f32[n, 3]
%3 = reduceSum(%2) {axes=[1]} : f32[n]
output "y" = %3
`,
  `graph "bool"
%0 = input {name="c", dtype=bool, shape=[]} : bool[]
%1 = input {name="i", dtype=i64, shape=[2]} : i64[2]
%2 = const {value=i64[2] [9223372036854775807, -1]} : i64[2]
%3 = add(%1, %2) : i64[2]
output "y" = %3
`,
];

/** What the importer makes of small models: text with every kind of op. */
function importedGraphs(): string[] {
  return onnxSeeds.flatMap((bytes) => {
    try {
      const { text } = print(importOnnx(bytes, { builder: new Builder(), bound: 64 }).graph);
      return text.length < 1500 && !text.includes("sha256:") ? [text] : [];
    } catch (e) {
      if (e instanceof Refused) return [];
      throw e;
    }
  });
}

const DIMS = [
  "n",
  "2*n*m + 3",
  "floordiv(n + 1, 2)",
  "mod(n, 4) - m",
  "min(n, m, 7)",
  "max(2*n, `batch size`)",
  "ceildiv(n, 3)*2",
  "-(n - 5)*(m + 1)",
];

const JSONS = [
  "f32\n[[1, 2.5], [-0, 1e3]]",
  'i64\n["9223372036854775807", 1]',
  "bool\n[true, 0]",
  'f16\n["NaN", 1]',
  "u4\n15",
];

const symbols: ReadonlyMap<string, Dim> = new Map(
  (
    [
      ["n", 1, 512],
      ["m", 0, 64],
      ["batch size", 1, 8],
      ["k", -4, 4],
      ["inf", 0, Infinity],
    ] as const
  ).map(([name, lo, hi]) => [name, sym(name, lo, hi)]),
);

const MARKS = [
  "(",
  ")",
  "[",
  "]",
  "{",
  "}",
  ",",
  "=",
  ":",
  "..",
  "%0",
  "%1",
  "%9",
  "`",
  '"',
  "\\",
  ";",
  "\n",
  "-",
  "+",
  "*",
];
const DIM_WORDS = [
  "floordiv(",
  "ceildiv(",
  "mod(",
  "min(",
  "max(",
  "n",
  "m",
  "inf",
  "-inf",
  "`batch size`",
  "..8",
  ":32",
];
const TEXT_WORDS = [
  "graph",
  "symbol",
  "constraint",
  "output",
  "state",
  "yield",
  "then",
  "else",
  "body",
  "axis",
  "element",
];
const VALUES = [
  "Infinity",
  "-Infinity",
  "NaN",
  "-0",
  "true",
  "false",
  "null",
  '"x"',
  "sha256:",
  "__proto__",
  "constructor",
];
const ATTRS = Object.values(OPS).flatMap((o) => Object.keys(o.attrs).map((key) => `${key}=`));
const words = [...MARKS, ...DIM_WORDS, ...TEXT_WORDS, ...VALUES, ...ATTRS, ...Object.keys(OPS), ...Object.keys(DTYPES)];

function readGraph(text: string): string {
  const graph = parse(text, new Map(), new Builder());
  const issues = verify(graph);
  if (issues.length > 0) return "unsound graph";
  const printed = print(graph);
  const again = print(parse(printed.text, printed.tensors, new Builder()));
  if (again.text !== printed.text)
    throw new Broken(`the printed graph prints as another:\n${printed.text}\n${again.text}`);
  return "graph";
}

function readDim(text: string): string {
  const d = parseDim(text, (name) => symbols.get(name));
  const again = parseDim(formatDim(d), (name) => symbols.get(name));
  if (again !== d) throw new Broken(`${formatDim(d)} parses as ${formatDim(again)}`);
  return "dim";
}

function readDims(text: string): string {
  for (const spec of Object.values(parseDims(text.split("\n")))) {
    const { lo, hi } = typeof spec === "number" ? { lo: spec, hi: spec } : spec;
    const step = typeof spec === "number" ? 1 : (spec.step ?? 1);
    const isSound = [lo, hi, step].every((v) => Number.isSafeInteger(v)) && lo >= 0 && lo <= hi && step > 0;
    if (!isSound) throw new Broken(`a dimension ${lo}..${hi}:${step}`);
  }
  return "dims";
}

async function readArgument(text: string): Promise<string> {
  const { name, value } = parseInputArg(text);
  if (name === null || value.startsWith("@")) return "file argument";
  await readValue(value, { name, dtype: "f32", shape: null });
  return "argument";
}

function readJson(text: string): string {
  const [dtype = "", ...rest] = text.split("\n");
  if (!isDType(dtype)) return "no dtype";
  let value: unknown;
  try {
    value = JSON.parse(rest.join("\n"));
  } catch {
    return "no JSON";
  }
  const t = tensorFromJson(value, dtype);
  const again = tensorFromJson(JSON.parse(JSON.stringify(tensorToJson(t))), dtype);
  // An empty list says nothing of the axes inside it.
  if (t.size > 0 && (again.shape.join() !== t.shape.join() || Buffer.compare(again.bytes, t.bytes) !== 0))
    throw new Broken(`${dtype}[${t.shape.join()}] is another after writing and reading`);
  return "json";
}

async function read(text: string): Promise<string> {
  const line = text.indexOf("\n");
  const rest = text.slice(line + 1);
  switch (text.slice(0, Math.max(0, line))) {
    case "dim":
      return readDim(rest);
    case "dims":
      return readDims(rest);
    case "argument":
      return readArgument(rest);
    case "json":
      return readJson(rest);
    default:
      return readGraph(text);
  }
}

/** Errors that mean that the engine gave up, not that the text was judged. */
const ENGINE = /call stack|Array buffer|typed array length|Invalid array length|Invalid string length|BigInt/;

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

export const target: Target = {
  name: "text",
  maxBytes: 16384,
  seeds: [
    ...GRAPHS,
    ...importedGraphs(),
    ...DIMS.map((d) => `dim\n${d}`),
    "dims\nwidth=320\nbatch=1..8\nh=32..960:32",
    "argument\nx=[1, 2]",
    "argument\nx=@a.npy",
    "argument\nx=12345678901234567890",
    ...JSONS.map((j) => `json\n${j}`),
  ].map(encode),
  mutate(input, other, random) {
    const text = new TextDecoder().decode(input);
    const line = text.startsWith("graph") || random.once(50) ? 0 : text.indexOf("\n") + 1;
    const otherText = new TextDecoder().decode(other);
    const tail = mutateText(text.slice(line), otherText.slice(otherText.indexOf("\n") + 1), random, words);
    return encode(text.slice(0, line) + tail);
  },
  async run(input) {
    try {
      return await read(new TextDecoder().decode(input));
    } catch (e) {
      if (e instanceof ParseError || e instanceof DimSyntaxError || e instanceof CliError) return e.name;
      if (
        e instanceof RangeError &&
        new TextDecoder().decode(input.subarray(0, 5)) === "json\n" &&
        !ENGINE.test(e.message)
      )
        return "RangeError";
      throw e;
    }
  },
};

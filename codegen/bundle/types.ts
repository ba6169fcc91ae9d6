// In: a plan and a name. Out: the text of a .d.ts with the types of the model's entries, inputs and outputs, for
// `load<Name>()` of psionic/runtime. Sizes are in the comments: TypeScript checks names and element types, the runtime
// checks shapes.

import { refuse } from "../../compiler/ir/errors.js";
import type { EntryPlan, Plan, Port } from "../../compiler/plan/plan.js";
import { dimText, isDType } from "../../runtime-shim/format.js";

/** What holds an input's elements; Uint8Array for those that are not here. */
const HOLDERS: Readonly<Record<string, string>> = {
  f64: "Float64Array",
  f32: "Float32Array",
  f16: "Uint16Array",
  bf16: "Uint16Array",
  i64: "BigInt64Array",
  i32: "Int32Array",
  i16: "Int16Array",
  i8: "Int8Array",
  i4: "Int8Array",
  i2: "Int8Array",
  u64: "BigUint64Array",
  u32: "Uint32Array",
  u16: "Uint16Array",
  str: "string",
};

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

function key(name: string): string {
  return IDENTIFIER.test(name) ? name : JSON.stringify(name);
}

/** A comment cannot hold its own end, nor a line break. */
function comment(text: string): string {
  return `/** ${text.replaceAll("*/", "* /").replace(/[\r\n\u2028\u2029]/g, " ")} */`;
}

function portLines(ports: readonly Port[], type: (port: Port) => string): readonly string[] {
  return ports.flatMap((p) => [
    `        ${comment(`${p.dtype}[${p.shape.map(dimText).join(", ")}]`)}`,
    `        readonly ${key(p.name)}: ${type(p)};`,
  ]);
}

function entryLines(entry: EntryPlan): readonly string[] {
  return [
    `    readonly ${key(entry.name)}: {`,
    "      readonly inputs: {",
    ...portLines(entry.inputs, (p) => `Feed<${HOLDERS[p.dtype] ?? "Uint8Array"}>`),
    "      };",
    "      readonly outputs: {",
    ...portLines(entry.outputs, (p) => `TensorView<${JSON.stringify(p.dtype)}>`),
    "      };",
    "    };",
  ];
}

/** The .d.ts text. `name` is the type's name, an identifier. Throws Refused where it is not, or a dtype has no array. */
export function modelTypes(plan: Plan, name: string): string {
  const [first] = plan.entries;
  const fail = (subject: string, detail: string, hint: string): never =>
    refuse({ code: "malformed_input", scope: "types", subject, detail, at: "", hint });
  if (!IDENTIFIER.test(name)) fail(name, `"${name}" is not an identifier`, "name the type like OcrModel");
  if (first === undefined) return fail(name, "the plan has no entry", "compile a model with an entry");
  for (const port of plan.entries.flatMap((e) => [...e.inputs, ...e.outputs])) {
    if (!isDType(port.dtype)) fail(port.name, `${port.dtype} has no typed array`, "convert it inside the model");
  }
  return [
    `// Types of the model ${name}, written by psionic. Use: load<${name}>(source).`,
    "",
    `import type { Feed, TensorView } from "psionic/runtime";`,
    "",
    `export type ${name} = {`,
    `  readonly default: ${name}["entries"][${JSON.stringify(first.name)}];`,
    "  readonly entries: {",
    ...plan.entries.flatMap(entryLines),
    "  };",
    "};",
    "",
  ].join("\n");
}

// The C header of a model: the ABI's types, statuses and functions from their tables, and the model's own inputs, outputs
// and states as constants. It is C99 and C++.

import type { Plan, Port, StatePlan, Tier } from "../../../compiler/plan/plan.js";
import { dimText } from "../../../runtime-shim/format.js";
import { ABI_VERSION, DTYPE_NUMBERS, FUNCTIONS, STATUSES } from "./abi.js";
import { MAX_RANK, STRUCTS } from "./abi-structs.js";
import { arenaBytes } from "./create.js";
import { ERROR_BYTES } from "./module.js";
import { entryOf } from "./tables.js";

export interface HeaderFacts {
  /** An identifier: the header is <name>.h. */
  readonly name: string;
  readonly prefix: string;
  readonly plan: Plan;
  readonly tier: Tier;
  readonly producer: string;
  readonly target: string;
  /** What a CPU must have, for each level. */
  readonly features: readonly string[];
  /** Plan digest, hex. */
  readonly digest: string;
}

const LINE = 118;

export function headerText(facts: HeaderFacts): string {
  const { name, prefix, plan, tier, producer, target, features, digest } = facts;
  const upper = name.toUpperCase();
  const guard = `${upper}_H`;
  const about = [
    `The model "${name}" as a library for C: written by ${producer} for ${target}, for CPUs with`,
    `${features.join(", or ")}; tier ${tier}; not to be edited.`,
  ].join(" ");
  return [
    ...comment(about, ""),
    "/*",
    ` *   char error[PSN_ERROR_BYTES];`,
    ` *   psn_model *model;`,
    ` *   if (${prefix}_load("${name}.psn", NULL, &model, error, sizeof error) != PSN_OK) puts(error);`,
    ` *   ${prefix}_run(model, inputs, ${upper}_INPUTS, outputs, ${upper}_OUTPUTS);`,
    ` *   ${prefix}_free(model);`,
    " *",
    ...wrap(
      "A model runs one call at a time; several models, of one bundle too, run at the same time on threads of their own, and share the mapped weights. The library has no other state. Pointers may be NULL only where it says so.",
    ).map((line) => ` * ${line}`),
    " */",
    `#ifndef ${guard}`,
    `#define ${guard}`,
    "",
    "#include <stddef.h>",
    "#include <stdint.h>",
    "",
    ...typesText(),
    "",
    ...modelText(upper, plan, digest),
    "",
    "#ifdef __cplusplus",
    'extern "C" {',
    "#endif",
    "",
    ...functionsText(prefix),
    "#ifdef __cplusplus",
    "}",
    "#endif",
    "",
    `#endif /* ${guard} */`,
    "",
  ].join("\n");
}

/** Types and numbers that the headers of all models share. */
function typesText(): readonly string[] {
  const structs = Object.entries(STRUCTS).flatMap(([name, { doc, fields }]) => [
    ...comment(doc, ""),
    `typedef struct psn_${name} {`,
    ...Object.values(fields as Readonly<Record<string, readonly [string, string]>>).flatMap(([declaration, about]) => [
      ...comment(about, "  "),
      `  ${declaration};`,
    ]),
    `} psn_${name};`,
    "",
  ]);
  return [
    "#ifndef PSN_ABI_VERSION",
    ...comment("Of the types below and of all functions: a library of another number is another library.", ""),
    `#define PSN_ABI_VERSION ${ABI_VERSION}`,
    "",
    `#define PSN_MAX_RANK ${MAX_RANK}`,
    ...comment("Bytes for the text of an error: what is longer is cut.", ""),
    `#define PSN_ERROR_BYTES ${ERROR_BYTES}`,
    "",
    ...comment("What functions return: PSN_OK, or why they did nothing.", ""),
    "typedef int32_t psn_status;",
    "enum {",
    ...Object.entries(STATUSES).flatMap(([status, [number, text]]) => [
      ...comment(text, "  "),
      `  PSN_${status} = ${number}${number === Object.keys(STATUSES).length - 1 ? "" : ","}`,
    ]),
    "};",
    "",
    ...comment("Element types. 8- and 16-bit floats are raw bits; PSN_BOOL is a byte, 0 or 1.", ""),
    "enum {",
    Object.entries(DTYPE_NUMBERS)
      .map(([dtype, number]) => `  PSN_${dtype.toUpperCase()} = ${number}`)
      .join(",\n"),
    "};",
    "",
    ...comment("A loaded model.", ""),
    "typedef struct psn_model psn_model;",
    "",
    ...structs.slice(0, -1),
    `#elif PSN_ABI_VERSION != ${ABI_VERSION}`,
    '#error "headers of two ABI versions"',
    "#endif",
  ];
}

function modelText(upper: string, plan: Plan, digest: string): readonly string[] {
  const entry = entryOf(plan);
  const taken = new Set<string>();
  const macro = (kind: string, name: string, index: number): string => {
    const word = name.toUpperCase().replace(/[^A-Z0-9]+/g, "_");
    let made = `${upper}_${kind}_${word}`;
    while (taken.has(made)) made += `_${index}`;
    taken.add(made);
    return made;
  };
  const list = (kind: string, ports: readonly (Port | StatePlan)[]): readonly string[] => [
    `#define ${upper}_${kind}S ${ports.length}`,
    ...ports.flatMap((p, i) => {
      const shape = `${p.dtype}[${p.shape.map(dimText).join(", ")}]`;
      return [
        ...comment(`${kind.toLowerCase()} ${JSON.stringify(p.name)}: ${shape}, at most ${p.bytes} bytes`, ""),
        `#define ${macro(kind, p.name, i)} ${i}`,
      ];
    }),
  ];
  const symbols = plan.symbols.map(({ name, lo, hi }) => `${name} in ${lo}..${hi}`);
  return [
    ...comment("Plan digest of the bundle that the library was made with.", ""),
    `#define ${upper}_DIGEST \\`,
    `  "${digest}"`,
    ...comment("Bytes of an arena, for those who bring their own.", ""),
    `#define ${upper}_ARENA_BYTES UINT64_C(${arenaBytes(plan)})`,
    "",
    ...(symbols.length === 0 ? [] : comment(`Sizes that vary: ${symbols.join(", ")}.`, "")),
    ...comment("Places in the arrays of inputs and outputs.", ""),
    ...list("INPUT", entry.inputs),
    ...list("OUTPUT", entry.outputs),
    ...(plan.states.length === 0 ? [] : list("STATE", plan.states)),
  ];
}

function functionsText(prefix: string): readonly string[] {
  return Object.entries(FUNCTIONS).flatMap(([name, { result, params, doc }]) => {
    const list = params.map(([type, param]) => (type.endsWith("*") ? `${type}${param}` : `${type} ${param}`));
    const head = `${result.endsWith("*") ? result : `${result} `}${prefix}_${name}(`;
    const line = `${head}${list.length === 0 ? "void" : list.join(", ")});`;
    const lines =
      line.length <= LINE ? [line] : [head, ...list.map((p, i) => `  ${p}${i + 1 < list.length ? "," : ");"}`)];
    return [...comment(ownNames(doc, prefix), ""), ...lines, ""];
  });
}

/** A text with the functions' names as this library has them. */
function ownNames(text: string, prefix: string): string {
  return text.replace(/\bpsn_([a-z_]+)/g, (whole, name: string) => (name in FUNCTIONS ? `${prefix}_${name}` : whole));
}

function comment(text: string, indent: string): readonly string[] {
  // Names are the model's: not the end of a comment, nor what compilers warn of, nor what turns the reader's eye.
  const safe = text
    .replaceAll("*/", "* /")
    .replaceAll("/*", "/ *")
    .replaceAll("??", "? ?")
    .replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const lines = wrap(safe);
  const [only, second] = lines;
  if (second === undefined) return [`${indent}/* ${only ?? ""} */`];
  return [`${indent}/*`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`];
}

function wrap(text: string): readonly string[] {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + word.length + 1 > LINE - 6) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}

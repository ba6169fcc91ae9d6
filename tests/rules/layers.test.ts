// Dependencies point one way. Reads the imports of every source file and names each that breaks the rule.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!readdirSync(folder).includes("package.json")) folder = dirname(folder);
  return folder;
}

const ROOT = repositoryRoot();

/** Layer of a file by its folder, and the layers it may import besides itself. The first prefix that fits counts. */
const LAYERS: readonly { readonly prefix: string; readonly name: string; readonly may: readonly string[] }[] = [
  { prefix: "compiler/ir/", name: "ir", may: [] },
  { prefix: "compiler/reference/", name: "reference", may: ["ir"] },
  { prefix: "compiler/frontend/", name: "frontend", may: ["ir"] },
  { prefix: "compiler/import/", name: "import", may: ["ir"] },
  { prefix: "compiler/passes/", name: "passes", may: ["ir", "reference"] },
  { prefix: "compiler/schedule/", name: "schedule", may: ["ir"] },
  { prefix: "compiler/plan/", name: "plan", may: ["ir", "schedule"] },
  { prefix: "runtime-shim/format.ts", name: "format", may: ["shim"] },
  { prefix: "runtime-shim/", name: "shim", may: ["format"] },
  { prefix: "codegen/", name: "codegen", may: ["ir", "schedule", "plan", "format"] },
  { prefix: "targets/", name: "targets", may: ["ir", "schedule", "plan", "codegen"] },
  { prefix: "compiler/version.ts", name: "version", may: [] },
  {
    prefix: "compiler/cli/",
    name: "cli",
    may: [
      "ir",
      "reference",
      "frontend",
      "import",
      "passes",
      "schedule",
      "plan",
      "codegen",
      "targets",
      "pipeline",
      "format",
      "shim",
      "version",
    ],
  },
  {
    prefix: "compiler/",
    name: "pipeline",
    may: ["ir", "reference", "frontend", "import", "passes", "schedule", "plan", "codegen", "targets", "version"],
  },
];

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

function layerOf(path: string): (typeof LAYERS)[number] | undefined {
  return LAYERS.find((l) => path.startsWith(l.prefix));
}

function importsOf(path: string): string[] {
  const text = readFileSync(join(ROOT, path), "utf8");
  const found = text.matchAll(/(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g);
  return [...found].map((m) => relative(ROOT, resolve(dirname(join(ROOT, path)), m[1] ?? "")).replace(/\.js$/, ".ts"));
}

const FILES = ["compiler", "codegen", "targets", "runtime-shim"]
  .filter((f) => readdirSync(ROOT).includes(f))
  .flatMap(sources);

test("every source file belongs to a layer", (t) => {
  t.true(FILES.length > 50, "the sources were found");
  t.deepEqual(
    FILES.filter((f) => layerOf(f) === undefined),
    [],
  );
});

test("imports point from later layers to earlier ones", (t) => {
  const breaches: string[] = [];
  let seen = 0;
  for (const file of FILES) {
    const own = layerOf(file);
    for (const target of importsOf(file)) {
      const layer = layerOf(target);
      seen++;
      if (own === undefined || layer === undefined || layer.name === own.name || own.may.includes(layer.name)) continue;
      breaches.push(`${file} (${own.name}) imports ${target} (${layer.name})`);
    }
  }
  t.true(seen > 200, "imports were read");
  t.deepEqual(breaches, []);
});

test("the runtime imports no package", (t) => {
  const packages = FILES.filter((f) => f.startsWith("runtime-shim/")).flatMap((f) => {
    const text = readFileSync(join(ROOT, f), "utf8");
    return [...text.matchAll(/^import .* from ["']([^."'][^"']*)["']/gm)].map((m) => `${f}: ${m[1] ?? ""}`);
  });
  t.deepEqual(packages, []);
});

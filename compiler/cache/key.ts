// What a result depends on, as a digest. A bundle: the graph, every node that its builder made and where each came from,
// all options, the compiler itself, and the programs of this machine that it works with. A module: what it is made from, and
// the compiler. One key, the same bytes.

import { createHash, type Hash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import canonicalize from "canonicalize";
import type { Builder, Graph } from "../ir/graph.js";
import { print } from "../ir/print.js";

const FORMAT = "psionic cache 1";

/** Folders of the compiler's own code; what a bundle is made of is in them. */
const OWN = ["compiler", "codegen", "targets", "runtime-shim"];

/** Packages that write a bundle's code. */
const PACKAGES = ["binaryen"];

let ownDigest: string | null | undefined;

/** Of the compiler's code: a compiler that was changed is another one, whatever its version says. */
function codeDigest(): string | null {
  if (ownDigest === undefined)
    try {
      ownDigest = digestCode();
    } catch {
      ownDigest = null;
    }
  return ownDigest;
}

function digestCode(): string {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const hash = createHash("sha256");
  for (const folder of OWN)
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).sort())
      if (name.endsWith(".js")) field(hash, `${folder}/${name}`, readFileSync(join(root, folder, name)));
  for (const name of PACKAGES) field(hash, name, readFileSync(packageFile(name)));
  return hash.digest("hex");
}

/** The package.json of a package, which says its version. */
function packageFile(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  while (!existsSync(join(folder, "package.json")) && dirname(folder) !== folder) folder = dirname(folder);
  return join(folder, "package.json");
}

/** Lengths first, so that no two lists of fields run together to the same bytes. */
function field(hash: Hash, name: string, value: Uint8Array | string): void {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  hash.update(`${name}\n${bytes.length}\n`).update(bytes);
}

/** A digest that the compiler's code is part of. */
function begin(kind: string): Hash | null {
  const code = codeDigest();
  if (code === null) return null;
  const hash = createHash("sha256");
  field(hash, "format", FORMAT);
  field(hash, "kind", kind);
  field(hash, "code", code);
  return hash;
}

/**
 * 64 hexadecimal digits; null where the compiler does not find its own code, as when it is bundled into another program.
 * `options`: plain data, all that the compilation was told. `tools`: programs outside of it, with their versions.
 */
export function cacheKey(
  graph: Graph,
  builder: Builder,
  options: Readonly<Record<string, unknown>>,
  tools: readonly string[] = [],
): string | null {
  const hash = begin("bundle");
  if (hash === null) return null;
  field(hash, "options", canonicalize(options) ?? "");
  for (const tool of tools) field(hash, "tool", tool);
  field(hash, "graph", print(graph).text);
  for (const [key, origin] of builder.history()) {
    field(hash, "node", key);
    field(hash, "origin", origin);
  }
  return hash.digest("hex");
}

/** As `cacheKey`, of a module that is made from this content. */
export function moduleKey(content: string): string | null {
  const hash = begin("module");
  if (hash === null) return null;
  field(hash, "content", content);
  return hash.digest("hex");
}

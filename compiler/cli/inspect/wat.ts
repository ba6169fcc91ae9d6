// A module, or one function of it, as WebAssembly text, by way of wabt.

import loadWabt from "wabt";
import { badInput, messageOf } from "../failures.js";
import { suggest } from "../nearest.js";

/** The module as text, folded, with the names that its name section gives. */
export async function disassemble(wasm: Uint8Array): Promise<string> {
  const wabt = await loadWabt();
  const features = {
    simd: true,
    threads: true,
    bulk_memory: true,
    sat_float_to_int: true,
    sign_extension: true,
    relaxed_simd: true,
  };
  try {
    // A copy: wabt reads the whole buffer under a view.
    const module = wabt.readWasm(wasm.slice(), { readDebugNames: true, ...features });
    module.generateNames();
    module.applyNames();
    const text = module.toText({ foldExprs: true, inlineExport: true });
    module.destroy();
    return text;
  } catch (e) {
    throw badInput(`the module cannot be disassembled: ${messageOf(e)}`);
  }
}

/** The text of one function by its name. Throws with suggestions; a kernel may have been inlined where it is called. */
export function functionText(wat: string, name: string, isKernel: boolean): string {
  const functions = functionsOf(wat);
  const exact = functions.get(`$${name}`) ?? functions.get(name);
  if (exact !== undefined) return exact;
  const names = [...functions.keys()].map((f) => f.slice(1));
  if (isKernel)
    throw badInput(
      `the module has no function of its own for kernel "${name}": it was inlined, or the module has no names`,
      `functions: ${names.join(", ")}; --wat all shows the module`,
    );
  throw badInput(`the module has no function "${name}"`, suggest(name, names, "functions"));
}

/** Every `(func $name ...)` of a module's text, by name. */
function functionsOf(wat: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const found of wat.matchAll(/^ {2}\(func (\$[^\s()]+)/gm)) {
    const name = found[1];
    if (name !== undefined) out.set(name, wat.slice(found.index + 2, endOf(wat, found.index + 2)));
  }
  return out;
}

/** Just after the parenthesis that closes the one at `start`; strings and comments do not count. */
function endOf(wat: string, start: number): number {
  let depth = 0;
  const token = /\(;|;;[^\n]*|"(?:[^"\\]|\\.)*"|[()]/g;
  token.lastIndex = start;
  for (let found = token.exec(wat); found !== null; found = token.exec(wat)) {
    if (found[0] === "(;") token.lastIndex = wat.indexOf(";)", token.lastIndex) + 2;
    else if (found[0] === "(") depth++;
    else if (found[0] === ")" && --depth === 0) return token.lastIndex;
  }
  return wat.length;
}

// A model as a shared library for C, with its header: its kernels for every level of CPUs, and the functions of the
// header, which choose among them when a model is loaded.

import { faceText } from "../../codegen/llvm/face/face.js";
import { bundleFacts } from "../../codegen/llvm/face/facts.js";
import { headerText } from "../../codegen/llvm/face/header.js";
import { WEIGHTS } from "../../codegen/llvm/face/load.js";
import type { LlvmModule } from "../../codegen/llvm/target.js";
import type { Memo } from "../../codegen/memo.js";
import { Bug, refuse } from "../../compiler/ir/errors.js";
import type { Plan } from "../../compiler/plan/plan.js";
import { compileObject } from "./compile.js";
import { dataObject } from "./data-object.js";
import { linkShared } from "./link.js";
import type { NativeLevel, NativeTarget } from "./native.js";

export interface CLibraryOptions {
  /** An identifier: the library is lib<name>.so, the header <name>.h. */
  readonly name: string;
  /** Begins the names of its functions, before "_"; "psn" by default. Two libraries in one program have two. */
  readonly prefix?: string;
  /** Whether the weights are inside the library; by default they are mapped from the bundle. */
  readonly embedWeights?: boolean;
}

export interface CLibrary {
  readonly library: Uint8Array;
  readonly header: string;
}

interface LibraryParts {
  readonly plan: Plan;
  /** Best first; those of the first one's variant are the library's levels. */
  readonly modules: readonly LlvmModule<NativeLevel>[];
  readonly weights: Uint8Array;
  readonly bundle: Uint8Array;
  readonly producer: string;
  /** LLVM and the linker, with their versions. */
  readonly tools: readonly string[];
  readonly memo: Memo;
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Code reaches data in its library within 2 GiB. */
const MOST_EMBEDDED = 2 ** 30;

/** Throws Refused where no library can be made for the target, or of this name. */
export function checkCLibrary(target: string, isNative: boolean, { name, prefix = "psn" }: CLibraryOptions): void {
  if (!isNative)
    refuse({
      code: "unsupported_backend_capability",
      scope: target,
      subject: "library",
      detail: `a C library is native code, and ${target} is not`,
      at: "",
      hint: "compile for x86-64 or aarch64",
    });
  for (const word of [name, prefix])
    if (!IDENTIFIER.test(word))
      refuse({
        code: "malformed_input",
        scope: "library",
        subject: word,
        detail: `"${word}" is no identifier of C`,
        at: "",
        hint: "use letters, digits and _",
      });
}

/** The library and its header. Throws Refused where a tool is missing, or the model cannot be told in C. */
export function makeCLibrary(
  target: NativeTarget,
  { plan, modules, weights, bundle, producer, tools, memo }: LibraryParts,
  { name, prefix = "psn", embedWeights = false }: CLibraryOptions,
): CLibrary {
  if (embedWeights && weights.length > MOST_EMBEDDED)
    refuse({
      code: "resource_limit",
      scope: "library",
      subject: "weights",
      detail: `${weights.length} bytes of weights to embed; at most ${MOST_EMBEDDED}`,
      at: "",
      hint: "leave them in the bundle, from which the library maps them",
    });
  const variant = modules[0]?.variant;
  if (variant === undefined) throw new Bug(target.name, "a library without code");
  const { triple, baseline } = target;
  const facts = bundleFacts(bundle);
  const { digest } = facts;
  const levels = modules
    .filter((m) => m.variant === variant)
    .map(({ level, textIn }, i) => ({ level, textIn, features: level.features, suffix: `.${i}` }));
  const face = faceText({
    target: target.name,
    plan,
    levels,
    threads: variant.threads,
    bundle: facts,
    prefix,
    embedded: embedWeights,
  });
  const objects = levels.map(({ level: { cpu, enable }, textIn, suffix }) => {
    const text = textIn({ suffix, isInside: true });
    const machine = { triple, cpu, features: enable };
    return memo(
      () => JSON.stringify({ kind: "object", tools, machine, text }),
      () => compileObject(text, machine),
    );
  });
  const data = embedWeights ? [dataObject(target.link.machine, WEIGHTS, weights)] : [];
  const all = [compileObject(face, { triple, cpu: baseline, features: "" }), ...objects, ...data];
  const features = levels.map((l) => l.features.join(" and "));
  return {
    library: linkShared(all, target.link, { soname: `lib${name}.so` }),
    header: headerText({ name, prefix, plan, tier: variant.tier, producer, target: target.name, features, digest }),
  };
}

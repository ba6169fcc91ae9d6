// `psionic compile`: an ONNX file to a bundle. Import, the pipeline, and the files written, all or none.

import { basename, dirname, extname, join, resolve } from "node:path";
import type { Command } from "commander";
import type { CompileOptions } from "../../pipeline.js";
import { type CLibraryFlags, cLibraryFiles, wantedCLibrary } from "../c-library.js";
import type { Context } from "../context.js";
import { type ExitCode, usage } from "../failures.js";
import type { ImportOptions } from "../import-file.js";
import { checkWritable, makeFolder, readBytes, writeFiles } from "../io/files.js";
import { progress } from "../progress.js";
import { declareTarget, parseTarget, type TargetOptions } from "../target.js";
import { type TuningOptions, tuningFrom } from "../tuning-file.js";
import { parseTiers } from "../variant.js";
import { type Leaf, repeated } from "../verb.js";

interface Options extends TuningOptions, ImportOptions, TargetOptions, CLibraryFlags {
  readonly tier: string;
  readonly threads?: boolean;
  readonly name?: string;
  readonly entry?: string;
  readonly types?: string;
  /** False: --no-cache. */
  readonly cache?: string | false;
  readonly output?: string;
  readonly json?: boolean;
}

export const compileVerb: Leaf = {
  name: "compile",
  summary: "compile an ONNX model to a bundle",
  examples: [
    ["psionic compile model.onnx", "writes model.psn; every size must be fixed in the model"],
    ["psionic compile rec.onnx --dim width=320 -o rec.psn", "fixes a dynamic dimension"],
    ["psionic compile rec.onnx --dim batch=1..8 --dim width=32..960:32", "ranges; the second in multiples of 32"],
    [
      "psionic compile vad.onnx --state h=hn --state c=cn",
      "keeps h and c from run to run, instead of passing them around",
    ],
    [
      "psionic compile rec.onnx --dim width=320 --types rec.d.ts",
      "also writes TypeScript types of its inputs and outputs",
    ],
    ["psionic compile det.onnx --target x86-64 --cpu v4,v3", "native code for two levels of CPUs; the runtime picks"],
    ["psionic compile vad.onnx --target x86-64 --c-library out", "writes libvad.so, vad.h and vad.psn, to link with C"],
    ["psionic compile det.onnx --threads --tier strict,relaxed", "four modules: the runtime picks one"],
  ],
  declare(command: Command): void {
    command.argument("<model.onnx>", "the model");
    declareTarget(command);
    command
      .option(
        "--tier <names>",
        "strict: the same bits everywhere; relaxed: fastest; strict,relaxed: a module of each",
        "strict",
      )
      .option("--threads", "also a module of each tier that runs on several threads")
      .option(
        "--dim <name=size>",
        "size of a dynamic dimension: name=320, name=1..8 or name=32..960:32; repeatable",
        repeated,
      )
      .option(
        "--state <input=output>",
        "make an input and the output that is its next value a state; repeatable",
        repeated,
      )
      .option("--bound <n>", "upper bound for sizes that depend on data and that nothing else bounds")
      .option("--entry <name>", "the entry point's name (default: main)")
      .option("--name <name>", "the model's name in the plan (default: the file's, without extension)")
      .option(
        "--tuning <file>",
        "replay the choices that psionic tune wrote to this file (default: the compiler's own)",
      )
      .option("--machine <class>", "the class of machines whose tuning counts, where the file has several")
      .option("--cache <folder>", "reuse what was compiled before from this folder (default: $PSIONIC_CACHE, or none)")
      .option("--no-cache", "compile, whatever PSIONIC_CACHE says")
      .option("--types <file.d.ts>", "also write TypeScript types for load()")
      .option("--c-library <folder>", "also write lib<name>.so and <name>.h there, for programs in C; a native target")
      .option("--c-prefix <word>", "what the names of the library's functions begin with (default: psn)")
      .option("--embed-weights", "put the weights into the library, which else maps them from the bundle")
      .option("-o, --output <file.psn>", "the bundle (default: the model's path with .psn, or in the library's folder)")
      .option("--json", "what was written, as JSON on stdout");
  },
  async run(command: Command, cx: Context): Promise<ExitCode> {
    const [path = ""] = command.args;
    const options = command.opts<Options>();
    const { importer } = await import("../import-file.js");
    const { load } = await importer(options);
    const tiers = parseTiers(options.tier);
    const name = options.name ?? basename(path, extname(path));
    const wanted = wantedCLibrary(options, name);
    const beside = join(dirname(path), `${basename(path, extname(path))}.psn`);
    const output = options.output ?? wanted?.bundle ?? beside;
    if (name === "") throw usage("--name is empty", "leave it out, or name the model");
    const bytes = readBytes(path, "model");
    const tuning = await tuningFrom(options);
    for (const file of [output, options.types])
      if (file !== undefined && resolve(file) === resolve(path))
        throw usage(`the output "${file}" would replace the model`, "choose another with -o");
    if (wanted !== null) makeFolder(wanted.folder);
    for (const file of [output, options.types, wanted?.library, wanted?.header])
      if (file !== undefined) checkWritable(file);
    const clock = progress(["loading the compiler", `importing ${basename(path)}`, `compiling ${name}`, "writing"]);
    try {
      const importFile = await load();
      clock.next();
      const imported = importFile(path, bytes, name);
      clock.next();
      // Only now: a model that is refused does not wait for the code generator to load.
      const { compile } = await import("../../pipeline.js");
      const entry = options.entry === undefined ? {} : { entry: options.entry };
      const { threads = false } = options;
      const compiled = compile(imported, {
        tier: tiers,
        threads,
        ...parseTarget(options),
        ...entry,
        ...(wanted === null ? {} : { library: wanted.options }),
        ...tuning,
        ...cacheFrom(options.cache),
      });
      clock.next();
      const files = [{ path: output, bytes: compiled.bundle as Uint8Array | string }];
      if (options.types !== undefined) {
        const [{ modelTypes }, { typeName }] = await Promise.all([
          import("../../../codegen/bundle/types.js"),
          import("../type-name.js"),
        ]);
        files.push({ path: options.types, bytes: modelTypes(compiled.plan, typeName(name)) });
      }
      files.push(...cLibraryFiles(wanted, compiled.library));
      writeFiles(files);
      await clock.done();
      const { parseHeader } = await import("../../../runtime-shim/format.js");
      const { digest } = parseHeader(compiled.bundle);
      const notes = [...imported.notes, ...staleNotes(compiled.unusedTuning.length, options.tuning)];
      for (const note of notes) cx.note(`note: ${note}`);
      cx.document({
        output,
        digest,
        bytes: compiled.bundle.byteLength,
        kernels: compiled.plan.kernels.length,
        memory: compiled.plan.memory.bytes,
        ...(options.types === undefined ? {} : { types: options.types }),
        ...(wanted === null ? {} : { library: wanted.library, header: wanted.header }),
        notes,
      });
      const { bytesText, counted } = await import("../style.js");
      const { kernels, memory } = compiled.plan;
      cx.print(
        `${output}  ${bytesText(compiled.bundle.byteLength)}, ${counted(kernels.length, "kernel")}, ${bytesText(memory.bytes)} of memory`,
      );
      cx.print(`plan digest ${digest}`);
      if (wanted !== null) cx.print(`${wanted.library}, ${wanted.header}`);
      return 0;
    } finally {
      await clock.done();
    }
  },
};

function cacheFrom(
  folder: string | false = process.env["PSIONIC_CACHE"] ?? "",
): Partial<Pick<CompileOptions, "cache">> {
  return folder === false || folder === "" ? {} : { cache: { folder } };
}

function staleNotes(unused: number, file = ""): string[] {
  if (unused === 0) return [];
  return [`${unused} of the entries of "${file}" fit no kernel of this model; psionic tune --check lists them`];
}

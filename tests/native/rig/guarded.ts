// A compiled model whose entry runs on the rig: everything but the machine code is the runtime's own. What the rig finds
// wrong is an error of the run.

import { openBundle } from "../../../codegen/bundle/read.js";
import { range } from "../../../compiler/ir/dim.js";
import type { Stages } from "../../../compiler/pipeline.js";
import { kernelsOf } from "../../../compiler/plan/make-plan.js";
import { Model } from "../../../runtime-shim/model.js";
import { regionsOf } from "./regions.js";
import type { Rig } from "./rig.js";

export type GuardedModel = Pick<Model, "inputs" | "runSync">;

/** One for each library of the bundle. */
export function guardedModels({ compiled, schedule }: Stages, rig: Rig): GuardedModel[] {
  const { manifest, digest, blob, weights } = openBundle(compiled.bundle);
  const constants = weights();
  const { memory, modules } = manifest;
  const behindWeights = memory.weights.offset + memory.weights.bytes;
  const scratch = new Map(kernelsOf(schedule.steps).map((k) => [k.name, range(k.scratch).hi]));
  const regions = compiled.plan.entries.map((e) => regionsOf(compiled.plan, e, (step) => scratch.get(step) ?? 0));
  return modules.map(({ tier, features }, at) => {
    const library = blob("module", at);
    if (library === null) throw new Error("the bundle lacks a library");
    const buffer = new ArrayBuffer(memory.bytes);
    const bytes = new Uint8Array(buffer);
    bytes.set(constants, memory.weights.offset);
    let undefinedBits: Uint8Array | null = null;
    const exports = manifest.entries.map((entry, i) => {
      const { initial = [], steps = [] } = regions[i] ?? {};
      const run = (_start: number, _stop: number, ...symbols: readonly number[]): number => {
        const parts = { library, entry: entry.export, memory: bytes, weights: memory.weights, symbols, initial, steps };
        const answer = rig.run(parts);
        if (answer.complaint !== "") throw new Error(answer.complaint);
        bytes.set(answer.memory.subarray(0, memory.weights.offset));
        bytes.set(answer.memory.subarray(behindWeights), behindWeights);
        ({ undefinedBits } = answer);
        return answer.status;
      };
      return [entry.export, run] as const;
    });
    const model = new Model({
      manifest,
      digest,
      variant: { tier, threads: 1, features, fallback: "" },
      buffer,
      exports: Object.fromEntries(exports),
      entry: undefined,
      end: () => {},
    });
    const check = (outputs: ReturnType<Model["runSync"]>): void => {
      for (const [name, { data }] of Object.entries(outputs)) {
        if (!ArrayBuffer.isView(data) || data.buffer !== buffer || undefinedBits === null) continue;
        const { byteOffset, byteLength } = data;
        const isWeight = byteOffset >= memory.weights.offset && byteOffset < behindWeights;
        const wrong = undefinedBits.subarray(byteOffset, byteOffset + byteLength).findIndex((b) => b !== 0);
        if (!isWeight && wrong >= 0) throw new Error(`byte ${wrong} of output "${name}" depends on what nothing wrote`);
      }
    };
    return {
      inputs: model.inputs,
      runSync: (feeds) => {
        const outputs = model.runSync(feeds, { copy: false });
        check(outputs);
        return outputs;
      },
    };
  });
}

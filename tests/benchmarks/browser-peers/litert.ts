// LiteRT.js on its WebAssembly accelerator (XNNPACK). The row is written as a LiteRT model; inputs are made into tensors in every
// run, and the result is read, as the other engines do.

import { channelsLast, channelsSecond, type Peer, Unsupported } from "./peer.js";
import { tflite } from "./tflite.js";

interface Tensor {
  toTypedArray(): unknown;
  delete(): void;
}

interface CompiledModel {
  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]>;
  delete(): void;
}

/** What is used of @litertjs/core. */
export interface LiteRt {
  loadLiteRt(folder: string, options: { readonly threads: boolean }): Promise<unknown>;
  loadAndCompile(model: Uint8Array, options: { readonly accelerator: "wasm" }): Promise<CompiledModel>;
  readonly Tensor: new (data: Float32Array, shape: readonly number[]) => Tensor;
}

/** `assets`: the URL of the folder with the runtime's WebAssembly. */
export async function litert(lib: LiteRt, assets: string): Promise<Peer> {
  await lib.loadLiteRt(assets, { threads: false });
  return {
    name: "LiteRT.js",
    async prepare(model) {
      const compiled = await lib.loadAndCompile(tflite(model), { accelerator: "wasm" });
      const feeds = Object.values(model.inputs).map((e) => {
        const { data, shape } = channelsLast(e);
        if (!(data instanceof Float32Array)) throw new Unsupported(`no ${e.dtype}`);
        return { data, shape };
      });
      const run = async (): Promise<Float32Array> => {
        const tensors = feeds.map(({ data, shape }) => new lib.Tensor(data, shape));
        const results = await compiled.run(tensors);
        const data = results[0]?.toTypedArray();
        for (const t of [...tensors, ...results]) t.delete();
        if (!(data instanceof Float32Array)) throw new TypeError("the result is not of floats");
        return data;
      };
      await run();
      return {
        run,
        outputs: async () => new Map([[model.output, channelsSecond(await run(), model.outputShape)]]),
        release: async () => compiled.delete(),
      };
    },
  };
}

// The tensor of a trace, with all its methods: PyTorch's vocabulary in camelCase. See docs/tensor-api.md.

import { setMaker } from "./handle.js";
import { InPlace } from "./inplace.js";

/** A tensor while it is traced: shape and dtype are known, elements are not. */
export class Tensor extends InPlace {
  protected override get self(): Tensor {
    return this;
  }
}

setMaker((storage, views) => new Tensor(storage, views));

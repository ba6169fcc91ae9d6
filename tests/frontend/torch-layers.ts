// PyTorch's layers and products, as calls of the tensor API.

import type { Tensor } from "../../compiler/frontend/tensor.js";
import { type Adapter, type Call, given, OtherForm } from "./torch-call.js";

const conv = (c: Call) => ({
  ...given({
    bias: c.maybeT(1, "bias"),
    stride: c.perAxis(2, "stride"),
    dilation: c.perAxis(4, "dilation"),
    groups: c.maybeN(5, "groups"),
  }),
  ...edges(c),
});

const edges = (c: Call) => {
  const p = c.get(3, "padding");
  if (p === "same" || p === "valid") return { padding: p } as const;
  return given({ padding: c.perAxis(3, "padding") });
};

const transposed = (c: Call) =>
  given({
    bias: c.maybeT(1, "bias"),
    stride: c.perAxis(2, "stride"),
    padding: c.perAxis(3, "padding"),
    outputPadding: c.perAxis(4, "output_padding"),
    groups: c.maybeN(5, "groups"),
    dilation: c.perAxis(6, "dilation"),
  });

const maxPool = (c: Call) => {
  // Only the values are compared.
  c.flag(-1, "return_indices");
  return given({
    stride: c.perAxis(1, "stride"),
    padding: c.perAxis(2, "padding"),
    dilation: c.perAxis(3, "dilation"),
    ceilMode: c.flag(4, "ceil_mode"),
  });
};

const avgPool = (c: Call) =>
  given({
    stride: c.perAxis(1, "stride"),
    padding: c.perAxis(2, "padding"),
    ceilMode: c.flag(3, "ceil_mode"),
    countIncludePad: c.flag(4, "count_include_pad", true),
    divisorOverride: c.maybeN(5, "divisor_override"),
  });

const window = (c: Call) => c.perAxis(0, "kernel_size") ?? 1;

const adaptive = (c: Call, axes: number): (number | null)[] => {
  const size = c.get(0, "output_size");
  if (typeof size === "number") return Array.from({ length: axes }, () => size);
  if (Array.isArray(size)) return size.map((d) => (typeof d === "number" ? d : null));
  throw new OtherForm("output_size");
};

const norm = (c: Call, i: number) =>
  given({ weight: c.maybeT(i, "weight"), bias: c.maybeT(i + 1, "bias"), eps: c.maybeN(i + 2, "eps") });

const scaled = (t: Tensor, factor: number): Tensor => {
  if (t.dtype === "f32") return factor === 1 ? t : t.mul(factor);
  // PyTorch truncates the factors for integers.
  return t.mul(Math.trunc(factor));
};

const addTo = (c: Call, product: Tensor): Tensor =>
  scaled(c.x, c.n(-1, "beta", 1)).add(scaled(product, c.n(-1, "alpha", 1)));

export const layers: Readonly<Record<string, Adapter>> = {
  matmul: (c) => c.x.matmul(c.t(0)),
  mm: (c) => c.x.matmul(c.t(0)),
  mv: (c) => c.x.matmul(c.t(0)),
  bmm: (c) => c.x.matmul(c.t(0)),
  dot: (c) => c.x.matmul(c.t(0)),
  vdot: (c) => c.x.matmul(c.t(0)),
  inner: (c) => (c.x.rank === 0 || c.t(0).rank === 0 ? c.x.mul(c.t(0)) : c.x.matmul(c.t(0).t())),
  outer: (c) => c.x.unsqueeze(1).mul(c.t(0)),
  addmm: (c) => addTo(c, c.t(0).matmul(c.t(1))),
  addmm_decomposed: (c) => addTo(c, c.t(0).matmul(c.t(1))),
  addmv: (c) => addTo(c, c.t(0).matmul(c.t(1))),
  baddbmm: (c) => addTo(c, c.t(0).matmul(c.t(1))),
  addbmm: (c) =>
    addTo(
      c,
      c
        .t(0)
        .matmul(c.t(1))
        .sum(0, given({ dtype: c.x.dtype })),
    ),
  nn_functional_linear: (c) => {
    const w = c.t(0, "weight");
    return w.rank === 1 ? c.x.matmul(w) : c.x.linear(w, c.maybeT(1, "bias"));
  },
  nn_functional_conv1d: (c) => c.x.conv1d(c.t(0, "weight"), conv(c)),
  nn_functional_conv2d: (c) => c.x.conv2d(c.t(0, "weight"), conv(c)),
  nn_functional_conv3d: (c) => c.x.conv3d(c.t(0, "weight"), conv(c)),
  nn_functional_conv_transpose1d: (c) => c.x.convTranspose1d(c.t(0, "weight"), transposed(c)),
  nn_functional_conv_transpose2d: (c) => c.x.convTranspose2d(c.t(0, "weight"), transposed(c)),
  nn_functional_conv_transpose3d: (c) => c.x.convTranspose3d(c.t(0, "weight"), transposed(c)),
  nn_functional_max_pool1d: (c) => c.x.maxPool1d(window(c), maxPool(c)),
  nn_functional_max_pool2d: (c) => c.x.maxPool2d(window(c), maxPool(c)),
  nn_functional_max_pool3d: (c) => c.x.maxPool3d(window(c), maxPool(c)),
  nn_functional_avg_pool1d: (c) => c.x.avgPool1d(window(c), avgPool(c)),
  nn_functional_avg_pool2d: (c) => c.x.avgPool2d(window(c), avgPool(c)),
  nn_functional_avg_pool3d: (c) => c.x.avgPool3d(window(c), avgPool(c)),
  nn_functional_adaptive_avg_pool1d: (c) => c.x.adaptiveAvgPool(adaptive(c, 1)),
  nn_functional_adaptive_avg_pool2d: (c) => c.x.adaptiveAvgPool(adaptive(c, 2)),
  nn_functional_adaptive_avg_pool3d: (c) => c.x.adaptiveAvgPool(adaptive(c, 3)),
  nn_functional_layer_norm: (c) => c.x.layerNorm(c.list(0, "normalized_shape"), norm(c, 1)),
  nn_functional_group_norm: (c) => c.x.groupNorm(c.n(0, "num_groups"), norm(c, 1)),
  nn_functional_instance_norm: (c) => {
    if (c.get(-1, "use_input_stats") === false) throw new OtherForm("running statistics");
    c.get(-1, "running_mean");
    c.get(-1, "running_var");
    return c.x.instanceNorm(norm(c, -9));
  },
  nn_functional_batch_norm: (c) => {
    if (c.flag(4, "training")) throw new OtherForm("training");
    const { weight, bias } = given({ weight: c.maybeT(2, "weight"), bias: c.maybeT(3, "bias") });
    return c.x.batchNorm(
      c.t(0, "running_mean"),
      c.t(1, "running_var"),
      given({ weight, bias, eps: c.maybeN(-1, "eps") }),
    );
  },
  nn_functional__scaled_dot_product_attention: (c) =>
    c.x.scaledDotProductAttention(
      c.t(0),
      c.t(1),
      given({ mask: c.maybeT(2, "attn_mask"), isCausal: c.flag(-1, "is_causal") }),
    ),
};

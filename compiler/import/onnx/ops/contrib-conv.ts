// Convolutions and pools of com.microsoft.

import * as ir from "../../../ir/build.js";
import type { Translator, Translators } from "../context.js";
import { activated } from "./contrib-activation.js";
import { channelsFirst, channelsLast, intsAttribute, through } from "./contrib-through.js";
import { convOps } from "./conv.js";
import { poolOps } from "./pool.js";

/** A convolution, then an addition of the fourth input, then an activation. */
const fusedConv: Translator = (cx) => {
  const y = through(cx, convOps, "Conv", [cx.in(0), cx.in(1), cx.opt(2)]);
  const z = cx.opt(3);
  const sum = z === undefined ? y : ir.add(cx.b, y, z);
  return activated(cx, sum, cx.str("activation", ""), cx.optFloats("activation_params") ?? []);
};

const nhwcMaxPool: Translator = (cx) =>
  channelsLast(cx, through(cx, poolOps, "MaxPool", [channelsFirst(cx, cx.in(0))]));

/** The pads are an input, which must be known at compile time. */
const convTransposeWithDynamicPads: Translator = (cx) => {
  const pads = cx.opt(2);
  const attributes = pads === undefined ? [] : [intsAttribute("pads", cx.numbers(pads, "the pads"))];
  return through(cx, convOps, "ConvTranspose", [cx.in(0), cx.in(1), cx.opt(3)], { attributes });
};

export const contribConv: Translators = {
  ConvTransposeWithDynamicPads: convTransposeWithDynamicPads,
  FusedConv: fusedConv,
  NhwcMaxPool: nhwcMaxPool,
};

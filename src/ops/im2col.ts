import { im2colKernels } from "../../shaders/im2col";
import { defineOp, int, pair } from "../op";
import { checkWindows, convolvedSizes } from "./conv-windows";

/** The windows of a convolution spelled out: y[n,p,q,r,s,c] = x[n,p·stride+r·dilation−pad,…,c], zero in the padding. */
export const im2col = defineOp({
  name: "im2col",
  inputs: { x: "N H W C" },
  outputs: { y: "N P Q R S C" },
  attrs: { R: int, S: int, stride: pair(1), pad: pair(0), dilation: pair(1) },
  dims: convolvedSizes,
  check: checkWindows,
  kernels: im2colKernels,
});

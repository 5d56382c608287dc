import { conv2dGradWSlicesKernels, conv2dGradXKernels, conv2dKernels } from "../../shaders/conv2d";
import type { Lowering } from "../kernel";
import { defineOp, int, pair } from "../op";
import type { Tensor } from "../tensor";
import { checkWindows, convolvedSizes, type WindowAttrs } from "./conv-windows";
import { pointwise, pointwiseGradW, pointwiseGradX } from "./conv2d-pointwise";
import { winogradGradWLowerings, winogradGradXLowerings, winogradLowerings } from "./conv2d-winograd";
import { im2col } from "./im2col";
import { matmulNT } from "./matmul";
import { reshape } from "./reshape";
import { slicesFor, sumOfParts } from "./slices";

const attrs = { stride: pair(1), pad: pair(0), dilation: pair(1), groups: 1 } as const;
interface Attrs extends WindowAttrs {
  readonly groups: number;
}

type ConvSizes = Readonly<Record<"H" | "W" | "C" | "K" | "R" | "S" | "P" | "Q", number>>;
function check(sizes: ConvSizes, own: Attrs): string | undefined {
  const { C, K } = sizes;
  const { groups } = own;
  if (groups < 1 || C % groups !== 0) return `groups is ${groups}, which does not divide C = ${C}`;
  if (K % groups !== 0) return `groups is ${groups}, which does not divide K = ${K}`;
  return checkWindows(sizes, own);
}

const flops = ({ N = 0, P = 0, Q = 0, K = 0, R = 0, S = 0, C = 0, groups = 1 }) =>
  (2 * N * P * Q * K * R * S * C) / groups;

/** The convolution spelled out: every window as a row of a matrix, times the weights. The plainest way, and memory's worst. */
const columns: Lowering = {
  name: "im2col",
  family: "gpu",
  rejects: ({ groups = 1 }) => (groups === 1 ? undefined : `the channels are in ${groups} groups`),
  lower: (inputs, attrs, { N = 1, P = 1, Q = 1, K = 1, R = 1, S = 1, C = 1 }) => {
    const { x, w } = inputs as Record<"x" | "w", Tensor>;
    const { stride, pad, dilation } = attrs as unknown as Attrs;
    const windows = im2col({ x, R, S, stride, pad, dilation }).y;
    const a = reshape(windows, [N * P * Q, R * S * C]);
    return { y: reshape(matmulNT({ a, b: reshape(w, [K, R * S * C]) }).y, [N, P, Q, K]) };
  },
};

/**
 * Two-dimensional convolution (cross-correlation, as networks mean it), y[n,p,q,k] = Σ x[n,p·stride+r−pad,…,c]·w[k,r,s,c].
 * NHWC input, KRSC weights; `groups` splits the channels into independent convolutions.
 */
export const conv2d = defineOp({
  name: "conv2d",
  inputs: { x: "N H W C", w: "K R S C/groups" },
  outputs: { y: "N P Q K" },
  attrs,
  dims: convolvedSizes,
  check,
  // dx is y's adjoint in x, dw in w: both are convolutions of dy, with w and with x.
  grad: ({ x, w, dy }, own, { H, W, R, S }) => ({
    x: conv2dGradX({ dy, w, H, W, ...own }).dx,
    w: conv2dGradW({ dy, x, R, S, ...own }).dw,
  }),
  flops,
  kernels: [
    ...winogradLowerings,
    pointwise,
    ...conv2dKernels.slice(0, -1),
    columns,
    ...conv2dKernels.slice(-1),
  ],
});

/** Gradient of a convolution with respect to its input: dx[n,h,w,c] = Σ dy[n,p,q,k]·w[k,r,s,c] where p·stride+r−pad = h. */
export const conv2dGradX = defineOp({
  name: "conv2dGradX",
  inputs: { dy: "N P Q K", w: "K R S C/groups" },
  outputs: { dx: "N H W C" },
  attrs: { H: int, W: int, ...attrs },
  check,
  flops,
  kernels: [...winogradGradXLowerings, pointwiseGradX, ...conv2dGradXKernels],
});

/** The long sum over all positions in slices, then their sum: many workgroups even for few weights, in a fixed order. */
const slices: Lowering = {
  name: "slices",
  lower: (inputs, { stride, pad, dilation, groups }, sizes, context) => {
    const { dy, x } = inputs as Record<"dy" | "x", Tensor>;
    const { N = 1, P = 1, Q = 1, K = 1, R = 1, S = 1, C = 1 } = sizes;
    const own = { stride, pad, dilation, groups } as Attrs;
    const last = C / own.groups;
    const Z = slicesFor(K / own.groups, R * S * last, own.groups, N * P * Q, context);
    const { parts } = conv2dGradWSlices({ dy, x, Z, R, S, ...own });
    return { dw: sumOfParts(parts, [K, R, S, last]) };
  },
};

/** Gradient of a convolution with respect to its weights: dw[k,r,s,c] = Σ dy[n,p,q,k]·x[n,p·stride+r−pad,…,c]. */
export const conv2dGradW = defineOp({
  name: "conv2dGradW",
  inputs: { dy: "N P Q K", x: "N H W C" },
  outputs: { dw: "K R S C/groups" },
  attrs: { R: int, S: int, ...attrs },
  check,
  sumOver: "N",
  flops,
  kernels: [...winogradGradWLowerings, pointwiseGradW, slices],
});

/** The weights' gradient over each of Z slices of the batch's positions, as equal as can be. */
export const conv2dGradWSlices = defineOp({
  name: "conv2dGradWSlices",
  inputs: { dy: "N P Q K", x: "N H W C" },
  outputs: { parts: "Z K R S C/groups : f32" },
  attrs: { Z: int, R: int, S: int, ...attrs },
  check,
  sumOver: "N",
  flops,
  kernels: conv2dGradWSlicesKernels,
});

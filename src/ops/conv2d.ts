import { conv2dGradWSlicesKernels, conv2dGradXKernels, conv2dKernels } from "../../shaders/conv2d";
import type { KernelContext, Lowering, Sizes } from "../kernel";
import { defineOp, int, pair } from "../op";
import type { Tensor } from "../tensor";
import { batchedMatmulNT, batchedMatmulTNSlices } from "./batched-matmul";
import { checkWindows, convolvedSizes, type WindowAttrs } from "./conv-windows";
import { im2col } from "./im2col";
import { matmulNT } from "./matmul";
import { reshape } from "./reshape";
import { sumSlices } from "./sum";
import { winogradFilter, winogradGradient, winogradInput, winogradOutput, winogradWeights } from "./winograd";

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

/** Why F(2×2, 3×3) does not compute a convolution, or its input's gradient. No tensor of it may be cut into windows. */
function notWinograd(sizes: Sizes, { limits }: KernelContext): string | undefined {
  const { R, S, C = 1, K = 1, groups, padH = 0, padW = 0 } = sizes;
  const { strideH, strideW, dilationH, dilationW } = sizes;
  if (R !== 3 || S !== 3) return `the kernel is ${R}×${S}, not 3×3`;
  if (groups !== 1) return `the channels are in ${groups} groups`;
  if (strideH !== 1 || strideW !== 1) return `the stride is ${strideH}, ${strideW}`;
  if (dilationH !== 1 || dilationW !== 1) return "the kernel is dilated";
  if (padH > 2 || padW > 2) return `the padding is ${padH}, ${padW}, more than 2`;
  const bytes = 64 * Math.max(C, K) * Math.max(tilesOf(sizes), C, K);
  if (bytes > limits.maxStorageBufferBindingSize) return `the tiles take ${bytes} bytes, more than a binding`;
  return undefined;
}

/** Tiles of two by two positions, of the input or of the output, whichever are more. */
const tilesOf = ({ N = 1, H = 1, W = 1, P = 1, Q = 1 }: Sizes): number =>
  N * Math.max(Math.ceil(H / 2) * Math.ceil(W / 2), Math.ceil(P / 2) * Math.ceil(Q / 2));

/**
 * Where F(2×2, 3×3) was measured to win. On a GPU the transforms' memory traffic has to be little beside the products: many
 * channels. On a software adapter tiles have to be enough that the transform of the weights does not matter, and the whole
 * large enough to be worth four more pipelines.
 */
const suitsWinograd = (sizes: Sizes, { adapterClass }: KernelContext): boolean => {
  const { C = 1, K = 1 } = sizes;
  if (adapterClass === "gpu") return Math.min(C, K) >= 128;
  const tiles = tilesOf(sizes);
  return Math.min(C, K) >= 32 && tiles >= 32 && 72 * tiles * C * K >= 2 ** 27;
};

/** The same for the gradient of the weights: there the filters' transform is the last, over the sums of all tiles. */
const suitsWinogradGradW = (sizes: Sizes, { adapterClass }: KernelContext): boolean => {
  const { C = 1, K = 1 } = sizes;
  if (Math.min(C, K) < 64) return false;
  const tiles = tilesOf(sizes);
  return adapterClass === "gpu" || (tiles >= 48 && 72 * tiles * C * K >= 2 ** 27);
};

/** For each of the 16 places of a tile one matrix product. */
const products = (x: Tensor, u: Tensor, pad: readonly [number, number]): Tensor =>
  batchedMatmulNT({ a: winogradInput({ x, pad }).y, b: u }).y;

/** F(2×2, 3×3): 16 multiplications where the definition has 36, at the price of three transforms. */
const winograd: Lowering = {
  name: "winograd",
  rejects: notWinograd,
  suits: suitsWinograd,
  lower: (inputs, { pad }, { N = 1, P = 1, Q = 1 }) => {
    const { x, w } = inputs as Record<"x" | "w", Tensor>;
    const m = products(x, winogradWeights({ w }).u, pad as readonly [number, number]);
    return { y: winogradOutput({ m, N, P, Q }).y };
  },
};

/** The gradient of the input is a convolution of dy with the filters turned by half a turn. */
const winogradGradX: Lowering = {
  name: "winograd",
  rejects: notWinograd,
  suits: suitsWinograd,
  lower: (inputs, _, { N = 1, H = 1, W = 1, padH = 0, padW = 0 }) => {
    const { dy, w } = inputs as Record<"dy" | "w", Tensor>;
    const m = products(dy, winogradWeights({ w, turned: true }).u, [2 - padH, 2 - padW]);
    return { dx: winogradOutput({ m, N, P: H, Q: W }).y };
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
  kernels: [winograd, ...conv2dKernels.slice(0, -1), columns, ...conv2dKernels.slice(-1)],
});

/** Gradient of a convolution with respect to its input: dx[n,h,w,c] = Σ dy[n,p,q,k]·w[k,r,s,c] where p·stride+r−pad = h. */
export const conv2dGradX = defineOp({
  name: "conv2dGradX",
  inputs: { dy: "N P Q K", w: "K R S C/groups" },
  outputs: { dx: "N H W C" },
  attrs: { H: int, W: int, ...attrs },
  check,
  flops,
  kernels: [winogradGradX, ...conv2dGradXKernels],
});

/** Workgroups that keep a software adapter busy. */
const busy = 8;
/**
 * Those of the largest tiles, and of the next, that a large GPU runs at once: two and four on each of an H100's 132 cores. A
 * few more would take twice the time.
 */
const atOnce = { 128: 256, 64: 512 } as const;
/** Positions that a slice has at least: below, summing the slices costs more than they save. */
const fewestPositions = { gpu: 256, software: 64 } as const;

/** How many slices a long sum is to be made in: one where the tiles of its results keep the adapter busy by themselves. */
function slicesFor(
  rows: number,
  columns: number,
  products: number,
  length: number,
  { adapterClass, subgroupSize = 8, limits }: KernelContext,
): number {
  const large = Math.min(rows, columns) >= 96 ? 128 : 64;
  const tile = adapterClass === "gpu" ? large : 4 * subgroupSize;
  const tiles = Math.ceil(rows / tile) * Math.ceil(columns / tile) * products;
  const most = Math.min(
    Math.floor(length / fewestPositions[adapterClass]),
    Math.floor(limits.maxStorageBufferBindingSize / (4 * rows * columns * products)),
  );
  const wanted = adapterClass === "gpu" ? Math.floor(atOnce[large] / tiles) : Math.ceil(busy / tiles);
  return Math.max(1, Math.min(wanted, most));
}

/** Tiles below which a weight's sum is so short that rounding errors of the transforms, as large as a tile's largest value, show. */
const fewestTiles = 8;

/** The adjoint of F(2×2, 3×3) in the filters: 16 products over the tiles, where the definition has 36. */
const winogradGradW: Lowering = {
  name: "winograd",
  rejects: (sizes, context) =>
    tilesOf(sizes) < fewestTiles
      ? `${tilesOf(sizes)} tiles are too few for its accuracy`
      : notWinograd(sizes, context),
  suits: suitsWinogradGradW,
  lower: (inputs, { pad }, sizes, context) => {
    const { dy, x } = inputs as Record<"dy" | "x", Tensor>;
    const { K = 1, C = 1 } = sizes;
    const a = winogradGradient({ dy }).e;
    const b = winogradInput({ x, pad: pad as readonly [number, number] }).y;
    const Z = slicesFor(K, C, 16, tilesOf(sizes), context);
    return { dw: winogradFilter({ m: batchedMatmulTNSlices({ a, b, Z }).y }).w };
  },
};

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
    const dw = Z === 1 ? parts : sumSlices({ x: reshape(parts, [Z, K * R * S, last]) }).y;
    return { dw: reshape(dw, [K, R, S, last]) };
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
  kernels: [winogradGradW, slices],
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

import {
  batchNormApplyKernels,
  batchNormGradApplyKernels,
  batchNormGradFinishKernels,
  batchNormGradSumsKernels,
  batchNormMergeKernels,
  batchNormMomentsKernels,
} from "../../shaders/batch-norm";
import { elementwiseKernels } from "../../shaders/elementwise";
import type { Lowering, Sizes } from "../kernel";
import { defineOp, float, int } from "../op";
import { sizeOf, type Tensor } from "../tensor";
import { reshape } from "./reshape";

/**
 * `[…, C]` as images, positions and channels, and how many positions one partial sum takes: enough partial sums to keep
 * a GPU busy, not so many that they cost memory traffic. The outermost axis stays, so that the planner can cut it.
 */
function inBlocks(x: Tensor, ...others: readonly Tensor[]) {
  const channels = x.shape.at(-1) ?? 1;
  const total = sizeOf(x.shape) / channels;
  const outer = x.shape.length > 2 ? (x.shape[0] ?? 1) : 1;
  const length = total / outer;
  const images = length < 8 ? 1 : outer;
  const positions = total / images;
  const blocks = Math.max(1, Math.min(Math.ceil(512 / images), Math.floor(positions / 32)));
  const shape = [images, positions, channels];
  return {
    positions,
    rows: Math.ceil(positions / blocks),
    tensors: [x, ...others].map((t) => reshape(t, shape)) as unknown as readonly [Tensor, Tensor],
  };
}

/** Statistics by blocks, merged, then one pass that normalises and takes whatever is fused behind. */
const twoStages: Lowering = {
  name: "twoStages",
  lower: (inputs, _, { eps = 0 }) => {
    const { x, gamma, beta } = inputs as { x: Tensor; gamma: Tensor; beta: Tensor };
    const { positions, rows, tensors } = inBlocks(x);
    const parts = batchNormMoments({ x: tensors[0], rows });
    const { mean, variance, center, scale, bias } = batchNormMerge({
      ...parts,
      gamma,
      beta,
      positions,
      rows,
      eps,
    });
    return { y: batchNormApply({ x, center, scale, bias }).y, mean, variance };
  },
};

/**
 * Batch normalisation in training (Ioffe & Szegedy 2015): y = (x − mean) / √(variance + eps) · gamma + beta, with mean
 * and biased variance of every channel over all other axes. `batchNormRunning` folds them into running statistics.
 */
export const batchNorm = defineOp({
  name: "batchNorm",
  inputs: { x: "... C", gamma: "C : f32", beta: "C : f32" },
  outputs: { y: "... C", mean: "C : f32", variance: "C : f32" },
  attrs: { eps: float(1e-5) },
  grad: ({ x, gamma, mean, variance, dy }, { eps }) => {
    const { dx, dgamma, dbeta } = batchNormGrad({ x, dy, gamma, mean, variance, eps });
    return { x: dx, gamma: dgamma, beta: dbeta };
  },
  flops: ({ SIZE = 0 }) => 7 * SIZE,
  kernels: [twoStages],
});

/**
 * Mean and sum of squared distances from it, of every block of `rows` positions. `means` keeps 16 bits
 * and `rests` what they lack: where the mean is far larger than the spread, one f32 cannot hold it.
 */
export const batchNormMoments = defineOp({
  name: "batchNormMoments",
  inputs: { x: "N L C" },
  outputs: { means: "N J C : f32", rests: "N J C : f32", squares: "N J C : f32" },
  attrs: { rows: int },
  check: (_, { rows }) => (rows < 1 ? `rows is ${rows}, expected at least 1` : undefined),
  dims: ({ L }, { rows }) => ({ J: Math.ceil(L / rows) }),
  flops: ({ N = 0, L = 0, C = 0 }) => 4 * N * L * C,
  kernels: batchNormMomentsKernels,
});

/**
 * Merges the statistics of blocks (Chan, Golub & LeVeque 1979) and prepares y = (x − center)·scale + bias. `center` is
 * the mean to 16 bits, and `bias` makes good what it lacks.
 */
export const batchNormMerge = defineOp({
  name: "batchNormMerge",
  inputs: {
    means: "N J C : f32",
    rests: "N J C : f32",
    squares: "N J C : f32",
    gamma: "C : f32",
    beta: "C : f32",
  },
  outputs: { mean: "C : f32", variance: "C : f32", center: "C : f32", scale: "C : f32", bias: "C : f32" },
  attrs: { positions: int, rows: int, eps: float(1e-5) },
  check: ({ J }, { positions, rows }) =>
    Math.ceil(positions / rows) === J
      ? undefined
      : `${positions} positions in blocks of ${rows} are not ${J} blocks`,
  flops: ({ N = 0, J = 0, C = 0 }) => 7 * N * J * C,
  kernels: batchNormMergeKernels,
});

/** y = (x − center)·scale + bias, channel by channel. */
export const batchNormApply = defineOp({
  name: "batchNormApply",
  inputs: { x: "... C", center: "C : f32", scale: "C : f32", bias: "C : f32" },
  outputs: { y: "... C" },
  elementwise: { out: { y: "(x - center) * scale + bias" } },
  flops: ({ SIZE = 0 }) => 3 * SIZE,
  kernels: batchNormApplyKernels,
});

/** The sums that the gradients of a normalisation by channel need, by blocks in one pass, then merged. */
export function gradientSums(inputs: Readonly<Record<string, Tensor>>, { eps = 0, C = 1 }: Sizes) {
  const { x, dy, mean, gamma, variance } = inputs as Record<
    "x" | "dy" | "mean" | "gamma" | "variance",
    Tensor
  >;
  const { rows, tensors } = inBlocks(x, dy);
  const parts = batchNormGradSums({ x: tensors[0], dy: tensors[1], mean, rows });
  return batchNormGradFinish({ ...parts, gamma, variance, values: sizeOf(x.shape) / C, eps });
}

/** Both sums, then one pass for dx. */
const gradTwoStages: Lowering = {
  name: "twoStages",
  lower: (inputs, _, sizes) => {
    const { x, dy, mean } = inputs as Record<"x" | "dy" | "mean", Tensor>;
    const { dgamma, dbeta, a, b, d } = gradientSums(inputs, sizes);
    return { dx: batchNormGradApply({ x, dy, mean, a, b, d }).dx, dgamma, dbeta };
  },
};

/**
 * Gradient of `batchNorm`. With x̂ = (x − mean)/√(variance + eps) and M values a channel: dbeta = Σ dy,
 * dgamma = Σ dy·x̂, dx = gamma/√(variance + eps) · (dy − dbeta/M − x̂·dgamma/M).
 */
export const batchNormGrad = defineOp({
  name: "batchNormGrad",
  inputs: { x: "... C", dy: "... C", gamma: "C : f32", mean: "C : f32", variance: "C : f32" },
  outputs: { dx: "... C", dgamma: "C : f32", dbeta: "C : f32" },
  attrs: { eps: float(1e-5) },
  flops: ({ SIZE = 0 }) => 9 * SIZE,
  kernels: [gradTwoStages],
});

/** Σ dy and Σ dy·(x − mean) of every block of `rows` positions. */
export const batchNormGradSums = defineOp({
  name: "batchNormGradSums",
  inputs: { x: "N L C", dy: "N L C", mean: "C : f32" },
  outputs: { sums: "N J C : f32", products: "N J C : f32" },
  attrs: { rows: int },
  dims: ({ L }, { rows }) => ({ J: Math.ceil(L / rows) }),
  flops: ({ N = 0, L = 0, C = 0 }) => 4 * N * L * C,
  kernels: batchNormGradSumsKernels,
});

/** Adds up the blocks: the gradients of gamma and beta, and dx = a·dy − b·(x − mean) − d; `values` a channel. */
export const batchNormGradFinish = defineOp({
  name: "batchNormGradFinish",
  inputs: { sums: "N J C : f32", products: "N J C : f32", gamma: "C : f32", variance: "C : f32" },
  outputs: { dgamma: "C : f32", dbeta: "C : f32", a: "C : f32", b: "C : f32", d: "C : f32" },
  attrs: { values: int, eps: float(1e-5) },
  flops: ({ N = 0, J = 0, C = 0 }) => 2 * N * J * C,
  kernels: batchNormGradFinishKernels,
});

/** dx = a·dy − b·(x − mean) − d, channel by channel. */
export const batchNormGradApply = defineOp({
  name: "batchNormGradApply",
  inputs: { x: "... C", dy: "... C", mean: "C : f32", a: "C : f32", b: "C : f32", d: "C : f32" },
  outputs: { dx: "... C" },
  elementwise: { out: { dx: "a * dy - b * (x - mean) - d" } },
  flops: ({ SIZE = 0 }) => 5 * SIZE,
  kernels: batchNormGradApplyKernels,
});

/**
 * Moves running statistics towards a batch's, in place: running ← (1 − momentum)·running + momentum·batch, the variance
 * unbiased (times values/(values − 1)), as PyTorch does. `values` is the number of values a channel.
 */
export const batchNormRunning = defineOp({
  name: "batchNormRunning",
  inputs: {
    runningMean: "... : f32",
    runningVariance: "... : f32",
    mean: "... : f32",
    variance: "... : f32",
  },
  outputs: { runningMean: "... : f32", runningVariance: "... : f32" },
  attrs: { values: int, momentum: float(0.1) },
  check: (_, { values }) =>
    values < 2
      ? `a channel has ${values} value, expected at least 2: its unbiased variance is undefined`
      : undefined,
  inPlace: { runningMean: "runningMean", runningVariance: "runningVariance" },
  elementwise: {
    lets: "let unbiased = variance * T(f32(values) / (f32(values) - 1.0));",
    out: {
      runningMean: "runningMean + T(momentum) * (mean - runningMean)",
      runningVariance: "runningVariance + T(momentum) * (unbiased - runningVariance)",
    },
  },
  kernels: elementwiseKernels,
});

import {
  batchNormApplyKernels,
  batchNormGradApplyKernels,
  batchNormGradFinishKernels,
  batchNormGradSumsKernels,
  batchNormMergeKernels,
  batchNormMomentsKernels,
  normalGradient,
} from "../../shaders/batch-norm";
import { batchNormGradOnce, batchNormOnce } from "../../shaders/batch-norm-once";
import {
  gradFinishShared,
  gradSumsShared,
  mergeShared,
  momentsShared,
} from "../../shaders/batch-norm-shared";
import type { AdapterClass, KernelContext, Lowering, Sizes } from "../kernel";
import { defineOp, float, int } from "../op";
import { sizeOf, type Tensor } from "../tensor";
import { reshape } from "./reshape";

/**
 * `[…, C]` as images, positions and channels, and how many positions one partial sum takes: enough partial sums to keep
 * the adapter busy, not so many that they cost memory traffic. On a GPU a workgroup of 32 rows of threads takes one, for 32
 * channels. The outermost axis stays, so that the planner can cut it.
 */
function inBlocks(adapterClass: AdapterClass, x: Tensor, ...others: readonly Tensor[]) {
  const channels = x.shape.at(-1) ?? 1;
  const total = sizeOf(x.shape) / channels;
  const outer = x.shape.length > 2 ? (x.shape[0] ?? 1) : 1;
  const length = total / outer;
  const images = length < 8 ? 1 : outer;
  const positions = total / images;
  const [wanted, fewest] = adapterClass === "gpu" ? [1024 / Math.ceil(channels / 32), 128] : [512, 32];
  const blocks = Math.max(1, Math.min(Math.ceil(wanted / images), Math.floor(positions / fewest)));
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
  lower: (inputs, _, { eps = 0 }, { adapterClass }) => {
    const { x, gamma, beta } = inputs as { x: Tensor; gamma: Tensor; beta: Tensor };
    const { positions, rows, tensors } = inBlocks(adapterClass, x);
    const { parts } = batchNormMoments({ x: tensors[0], rows });
    const { mean, variance, center, scale, bias } = batchNormMerge({
      parts,
      gamma,
      beta,
      positions,
      rows,
      eps,
    });
    return { y: batchNormApply({ x, center, scale, bias }).y, mean, variance };
  },
};

/** Values a channel, over which its statistics are taken. */
const valuesOf = (x: Tensor): number => sizeOf(x.shape) / (x.shape.at(-1) ?? 1);

/**
 * Batch normalisation in training (Ioffe & Szegedy 2015): y = (x − mean) / √(biased + eps) · gamma + beta, with mean and
 * biased variance of every channel over all other axes. The `variance` that comes out is the unbiased one, as running
 * statistics take it: M/(M − 1) times the biased, of M values a channel. @throws ShapeError where M is 1
 */
export const batchNorm = defineOp({
  name: "batchNorm",
  inputs: { x: "... C", gamma: "C : f32", beta: "C : f32" },
  outputs: { y: "... C", mean: "C : f32", variance: "C : f32" },
  attrs: { eps: float(1e-5) },
  check: (_, __, leading) =>
    sizeOf(leading) > 1 ? undefined : "a channel has 1 value, expected at least 2: it has no variance",
  grad: ({ x, gamma, mean, variance, dy }, { eps }) => {
    const { dx, dgamma, dbeta } = batchNormGrad({ x, dy, gamma, mean, variance, eps });
    return { x: dx, gamma: dgamma, beta: dbeta };
  },
  flops: ({ SIZE = 0 }) => 7 * SIZE,
  kernels: [...batchNormOnce, twoStages],
});

/**
 * Of every block of `rows` positions three parts: its mean to 16 bits, what that lacks (where the mean is far larger than
 * the spread, one f32 cannot hold it), and the sum of squared distances from the mean.
 */
export const batchNormMoments = defineOp({
  name: "batchNormMoments",
  inputs: { x: "N L C" },
  outputs: { parts: "N J K C : f32" },
  attrs: { rows: int },
  check: (_, { rows }) => (rows < 1 ? `rows is ${rows}, expected at least 1` : undefined),
  dims: ({ L }, { rows }) => ({ J: Math.ceil(L / rows), K: 3 }),
  flops: ({ N = 0, L = 0, C = 0 }) => 4 * N * L * C,
  kernels: [momentsShared, ...batchNormMomentsKernels],
});

/**
 * Merges the statistics of blocks (Chan, Golub & LeVeque 1979) and prepares y = (x − center)·scale + bias. `center` is
 * the mean to 16 bits, and `bias` makes good what it lacks.
 */
export const batchNormMerge = defineOp({
  name: "batchNormMerge",
  inputs: { parts: "N J K C : f32", gamma: "C : f32", beta: "C : f32" },
  outputs: { mean: "C : f32", variance: "C : f32", center: "C : f32", scale: "C : f32", bias: "C : f32" },
  attrs: { positions: int, rows: int, eps: float(1e-5) },
  check: ({ J, K }, { positions, rows }) => {
    if (K !== 3) return `a block has ${K} parts, expected 3`;
    return Math.ceil(positions / rows) === J
      ? undefined
      : `${positions} positions in blocks of ${rows} are not ${J} blocks`;
  },
  flops: ({ N = 0, J = 0, C = 0 }) => 7 * N * J * C,
  kernels: [mergeShared, ...batchNormMergeKernels],
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

/**
 * The sums that the gradients of a normalisation by channel need, by blocks in one pass, then merged; `biased` times the
 * variance is what it normalised with.
 */
export function gradientSums(
  inputs: Readonly<Record<string, Tensor>>,
  { eps = 0 }: Sizes,
  { adapterClass }: KernelContext,
  biased = 1,
) {
  const { x, dy, mean, gamma, variance } = inputs as Record<
    "x" | "dy" | "mean" | "gamma" | "variance",
    Tensor
  >;
  const { rows, tensors } = inBlocks(adapterClass, x, dy);
  const parts = batchNormGradSums({ x: tensors[0], dy: tensors[1], mean, rows });
  return batchNormGradFinish({ ...parts, gamma, variance, values: valuesOf(x), biased, eps });
}

/** Both sums, then one pass for dx. */
const gradTwoStages: Lowering = {
  name: "twoStages",
  lower: (inputs, _, sizes, context) => {
    const { x, dy, mean } = inputs as Record<"x" | "dy" | "mean", Tensor>;
    const values = valuesOf(x);
    const { dgamma, dbeta, a, b } = gradientSums(inputs, sizes, context, (values - 1) / values);
    return { dx: batchNormGradApply({ x, dy, mean, a, b, dbeta, values }).dx, dgamma, dbeta };
  },
};

/**
 * Gradient of `batchNorm`, from its mean and its unbiased variance. With M values a channel, biased = variance·(M − 1)/M
 * and x̂ = (x − mean)/√(biased + eps): dbeta = Σ dy, dgamma = Σ dy·x̂,
 * dx = gamma/√(biased + eps) · (dy − dbeta/M − x̂·dgamma/M).
 */
export const batchNormGrad = defineOp({
  name: "batchNormGrad",
  inputs: { x: "... C", dy: "... C", gamma: "C : f32", mean: "C : f32", variance: "C : f32" },
  outputs: { dx: "... C", dgamma: "C : f32", dbeta: "C : f32" },
  attrs: { eps: float(1e-5) },
  flops: ({ SIZE = 0 }) => 9 * SIZE,
  kernels: [...batchNormGradOnce, gradTwoStages],
});

/** Σ dy and Σ dy·(x − mean) of every block of `rows` positions. */
export const batchNormGradSums = defineOp({
  name: "batchNormGradSums",
  inputs: { x: "N L C", dy: "N L C", mean: "C : f32" },
  outputs: { sums: "N J C : f32", products: "N J C : f32" },
  attrs: { rows: int },
  dims: ({ L }, { rows }) => ({ J: Math.ceil(L / rows) }),
  flops: ({ N = 0, L = 0, C = 0 }) => 4 * N * L * C,
  kernels: [gradSumsShared, ...batchNormGradSumsKernels],
});

/**
 * Adds up the blocks: the gradients of gamma and beta, and the factors of dx = a·(dy − dbeta/values) − b·(x − mean), with
 * `values` a channel. What was normalised with is `biased` times the variance.
 */
export const batchNormGradFinish = defineOp({
  name: "batchNormGradFinish",
  inputs: { sums: "N J C : f32", products: "N J C : f32", gamma: "C : f32", variance: "C : f32" },
  outputs: { dgamma: "C : f32", dbeta: "C : f32", a: "C : f32", b: "C : f32" },
  attrs: { values: int, biased: float(1), eps: float(1e-5) },
  flops: ({ N = 0, J = 0, C = 0 }) => 2 * N * J * C,
  kernels: [gradFinishShared, ...batchNormGradFinishKernels],
});

/** dx = a·(dy − dbeta/values) − b·(x − mean), channel by channel. */
export const batchNormGradApply = defineOp({
  name: "batchNormGradApply",
  inputs: { x: "... C", dy: "... C", mean: "C : f32", a: "C : f32", b: "C : f32", dbeta: "C : f32" },
  outputs: { dx: "... C" },
  attrs: { values: int },
  elementwise: { out: { dx: normalGradient } },
  flops: ({ SIZE = 0 }) => 6 * SIZE,
  kernels: batchNormGradApplyKernels,
});

import { elementwiseKernels } from "../../shaders/elementwise";
import type { Lowering } from "../kernel";
import { defineOp, float } from "../op";
import { gradientSums } from "./batch-norm";

const statistics = { mean: "C : f32", variance: "C : f32" } as const;

/** Batch normalisation with given statistics: y = (x − mean) / √(variance + eps) · gamma + beta. */
export const batchNormInference = defineOp({
  name: "batchNormInference",
  inputs: { x: "... C", gamma: "C : f32", beta: "C : f32", ...statistics },
  outputs: { y: "... C" },
  attrs: { eps: float(1e-5) },
  elementwise: { out: { y: "(x - mean) * (gamma / sqrt(variance + T(eps))) + beta" } },
  grad: ({ x, gamma, mean, variance, dy }, { eps }) => {
    const { dgamma, dbeta } = batchNormInferenceGradAffine({ x, dy, gamma, mean, variance, eps });
    return { x: batchNormInferenceGradX({ dy, gamma, variance, eps }).dx, gamma: dgamma, beta: dbeta };
  },
  flops: ({ SIZE = 0 }) => 3 * SIZE,
  kernels: elementwiseKernels,
});

/** dx = dy·gamma / √(variance + eps). */
export const batchNormInferenceGradX = defineOp({
  name: "batchNormInferenceGradX",
  inputs: { dy: "... C", gamma: "C : f32", variance: "C : f32" },
  outputs: { dx: "... C" },
  attrs: { eps: float(1e-5) },
  elementwise: { out: { dx: "dy * (gamma / sqrt(variance + T(eps)))" } },
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

/** Only the merged sums of both gradients. */
const twoStages: Lowering = {
  name: "twoStages",
  lower: (inputs, _, sizes, context) => {
    const { dgamma, dbeta } = gradientSums(inputs, sizes, context);
    return { dgamma, dbeta };
  },
};

/** Gradients of gamma and beta where the statistics are given: dgamma = Σ dy·(x − mean)/√(variance + eps), dbeta = Σ dy. */
export const batchNormInferenceGradAffine = defineOp({
  name: "batchNormInferenceGradAffine",
  inputs: { x: "... C", dy: "... C", gamma: "C : f32", ...statistics },
  outputs: { dgamma: "C : f32", dbeta: "C : f32" },
  attrs: { eps: float(1e-5) },
  kernels: [twoStages],
});

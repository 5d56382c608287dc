import { elementwiseKernels } from "../../shaders/elementwise";
import { defineOp, float } from "../op";
import type { Tensor } from "../tensor";
import { add } from "./add";
import { sum } from "./sum";

/** Elastic net, element by element: l1·|x| + l2/2·x². Its gradient is the term that the optimizers' updates add. */
export const elasticNet = defineOp({
  name: "elasticNet",
  inputs: { x: "..." },
  outputs: { y: "..." },
  attrs: { l1: float(0), l2: float(0) },
  elementwise: { out: { y: "l1 * abs(x) + 0.5 * l2 * x * x" } },
  grad: ({ x, dy }, own) => ({ x: elasticNetGrad({ x, dy, ...own }).dx }),
  flops: ({ SIZE = 0 }) => 5 * SIZE,
  kernels: elementwiseKernels,
});

/** (l1·sign(x) + l2·x)·dy */
export const elasticNetGrad = defineOp({
  name: "elasticNetGrad",
  inputs: { x: "...", dy: "..." },
  outputs: { dx: "..." },
  attrs: { l1: float(0), l2: float(0) },
  elementwise: { out: { dx: "(l1 * sign(x) + l2 * x) * dy" } },
  flops: ({ SIZE = 0 }) => 4 * SIZE,
  kernels: elementwiseKernels,
});

/** The penalty l1·Σ|x| + l2/2·Σx² over all tensors, a scalar; undefined without a tensor. */
export const penalty = (
  tensors: readonly Tensor[],
  weights: { readonly l1?: number; readonly l2?: number },
): Tensor | undefined =>
  tensors
    .map((x) => sum({ x: elasticNet({ x, ...weights }).y }).y)
    .reduce<Tensor | undefined>((a, b) => (a === undefined ? b : add({ a, b }).y), undefined);

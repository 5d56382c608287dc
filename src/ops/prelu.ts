import { elementwiseKernels } from "../../shaders/elementwise";
import { defineOp } from "../op";
import { columnSum } from "./column-sum";

/** x above zero, alpha·x below, with a learned alpha for every channel, the last axis (He et al. 2015). */
export const prelu = defineOp({
  name: "prelu",
  inputs: { x: "... C", alpha: "C" },
  outputs: { y: "... C" },
  elementwise: { out: { y: "select(alpha * x, x, x > T(0))" } },
  grad: ({ x, alpha, dy }) => ({
    x: preluGradX({ x, alpha, dy }).dx,
    alpha: columnSum({ x: preluGradAlpha({ x, dy }).y }).y,
  }),
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

/** Gradient of `prelu` with respect to x: dy above zero, alpha·dy below. */
export const preluGradX = defineOp({
  name: "preluGradX",
  inputs: { x: "... C", alpha: "C", dy: "... C" },
  outputs: { dx: "... C" },
  elementwise: { out: { dx: "select(alpha * dy, dy, x > T(0))" } },
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

/** What every element adds to the gradient of alpha: x·dy below zero. */
export const preluGradAlpha = defineOp({
  name: "preluGradAlpha",
  inputs: { x: "...", dy: "..." },
  outputs: { y: "..." },
  elementwise: { out: { y: "min(x, T(0)) * dy" } },
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

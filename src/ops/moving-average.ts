import { elementwiseKernels } from "../../shaders/elementwise";
import { defineOp, float } from "../op";

/**
 * Moves an average towards a new value, in place: average ← (1 − momentum)·average + momentum·value, as PyTorch's batch
 * norm does with its running statistics.
 */
export const movingAverage = defineOp({
  name: "movingAverage",
  inputs: { average: "... : f32", value: "... : f32" },
  outputs: { average: "... : f32" },
  attrs: { momentum: float(0.1) },
  inPlace: { average: "average" },
  elementwise: { out: { average: "average + T(momentum) * (value - average)" } },
  flops: ({ SIZE = 0 }) => 3 * SIZE,
  kernels: elementwiseKernels,
});

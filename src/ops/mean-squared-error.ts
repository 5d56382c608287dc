import { meanSquaredErrorGradScalar, meanSquaredErrorRow } from "../../shaders/mean-squared-error";
import { defineOp } from "../op";
import { scale } from "./scale";

/** Mean of (x − wanted)² over the values of every row. */
export const meanSquaredError = defineOp({
  name: "meanSquaredError",
  inputs: { x: "N K", wanted: "N K" },
  outputs: { loss: "N" },
  grad: ({ x, wanted, dloss }) => {
    const { dx } = meanSquaredErrorGrad({ x, wanted, dloss });
    return { x: dx, wanted: scale({ x: dx, by: -1 }).y };
  },
  flops: ({ N = 0, K = 0 }) => 3 * N * K,
  kernels: [meanSquaredErrorRow],
});

/** dx = 2/K·(x − wanted)·dloss */
export const meanSquaredErrorGrad = defineOp({
  name: "meanSquaredErrorGrad",
  inputs: { x: "N K", wanted: "N K", dloss: "N" },
  outputs: { dx: "N K" },
  flops: ({ N = 0, K = 0 }) => 3 * N * K,
  kernels: [meanSquaredErrorGradScalar],
});

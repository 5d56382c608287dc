import { defineOp } from "../op";
import { sizeOf, type Tensor } from "../tensor";
import { reshape } from "./reshape";
import { spread, sum } from "./sum";

/** The mean of all values. */
export const mean = defineOp({
  name: "mean",
  inputs: { x: "..." },
  outputs: { y: "" },
  grad: ({ x, dy }) => {
    const M = sizeOf(x.shape);
    return { x: reshape(spread({ x: dy, M, by: 1 / M }).y, x.shape) };
  },
  kernels: [{ name: "sum", lower: ({ x }) => sum({ x: x as Tensor, by: 1 / sizeOf((x as Tensor).shape) }) }],
});

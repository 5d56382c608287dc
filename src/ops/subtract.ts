import { elementwiseKernels } from "../../shaders/elementwise";
import { defineOp } from "../op";
import { scale } from "./scale";

/** Difference a − b of two tensors of one shape. */
export const subtract = defineOp({
  name: "subtract",
  inputs: { a: "...", b: "..." },
  outputs: { y: "..." },
  elementwise: { out: { y: "a - b" } },
  grad: ({ dy }) => ({ a: dy, b: scale({ x: dy, by: -1 }).y }),
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

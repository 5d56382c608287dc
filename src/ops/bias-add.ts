import { elementwiseKernels } from "../../shaders/elementwise";
import { defineOp } from "../op";
import { columnSum } from "./column-sum";

/** A number for every channel (the last axis) added to a tensor. */
export const biasAdd = defineOp({
  name: "biasAdd",
  inputs: { x: "... C", b: "C" },
  outputs: { y: "... C" },
  elementwise: { out: { y: "x + b" } },
  grad: ({ dy }) => ({ x: dy, b: columnSum({ x: dy }).y }),
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

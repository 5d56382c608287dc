import { elementwiseKernels } from "../../shaders/elementwise";
import { defineOp } from "../op";
import { columnSum } from "./column-sum";
import { multiply } from "./multiply";

/** x·scale + shift, with both by channel (the last axis). */
export const scaleShift = defineOp({
  name: "scaleShift",
  inputs: { x: "... C", scale: "C", shift: "C" },
  outputs: { y: "... C" },
  elementwise: { out: { y: "x * scale + shift" } },
  grad: ({ x, scale, dy }) => ({
    x: scaleChannels({ x: dy, scale }).y,
    scale: columnSum({ x: multiply({ a: dy, b: x }).y }).y,
    shift: columnSum({ x: dy }).y,
  }),
  flops: ({ SIZE = 0 }) => 2 * SIZE,
  kernels: elementwiseKernels,
});

/** x·scale by channel: the gradient of `scaleShift` with respect to x. */
export const scaleChannels = defineOp({
  name: "scaleChannels",
  inputs: { x: "... C", scale: "C" },
  outputs: { y: "... C" },
  elementwise: { out: { y: "x * scale" } },
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

import { elementwiseKernels } from "../../shaders/elementwise";
import { type DefinedOp, defineOp } from "../op";

/** Product of two tensors of one shape, element by element. */
export const multiply: DefinedOp<{ a: "..."; b: "..." }, { y: "..." }, Record<never, never>> = defineOp({
  name: "multiply",
  inputs: { a: "...", b: "..." },
  outputs: { y: "..." },
  elementwise: { out: { y: "a * b" } },
  grad: ({ a, b, dy }) => ({ a: multiply({ a: dy, b }).y, b: multiply({ a: dy, b: a }).y }),
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

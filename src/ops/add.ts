import { elementwiseKernels } from "../../shaders/elementwise";
import { type DefinedOp, defineOp } from "../op";

/** Sum of two tensors of one shape. */
export const add: DefinedOp<{ a: "..."; b: "..." }, { y: "..." }, Record<never, never>> = defineOp({
  name: "add",
  inputs: { a: "...", b: "..." },
  outputs: { y: "..." },
  elementwise: { out: { y: "a + b" } },
  grad: ({ dy }) => ({ a: dy, b: dy }),
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

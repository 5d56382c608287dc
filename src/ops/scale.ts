import { elementwiseKernels } from "../../shaders/elementwise";
import { type DefinedOp, defineOp, float } from "../op";

/** A tensor times the number `by`. */
export const scale: DefinedOp<{ x: "..." }, { y: "..." }, { by: { kind: "float"; value: number } }> =
  defineOp({
    name: "scale",
    inputs: { x: "..." },
    outputs: { y: "..." },
    attrs: { by: float(1) },
    elementwise: { out: { y: "x * by" } },
    grad: ({ dy }, { by }) => ({ x: scale({ x: dy, by }).y }),
    flops: ({ SIZE = 0 }) => SIZE,
    kernels: elementwiseKernels,
  });

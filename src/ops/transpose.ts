import { transposeDirect, transposeFours } from "../../shaders/transpose";
import { type DefinedOp, defineOp } from "../op";

/** Rows and columns of a matrix exchanged: y[n, m] = x[m, n]. */
export const transpose: DefinedOp<{ x: "M N" }, { y: "N M" }, Record<never, never>> = defineOp({
  name: "transpose",
  inputs: { x: "M N" },
  outputs: { y: "N M" },
  grad: ({ dy }) => ({ x: transpose({ x: dy }).y }),
  kernels: [transposeFours, transposeDirect],
});

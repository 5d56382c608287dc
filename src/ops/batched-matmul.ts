import { batchedMatmulNTKernels } from "../../shaders/matmul";
import { defineOp } from "../op";

/** B products of two matrices at once, the second one transposed: y[b,m,n] = Σ a[b,m,k]·b[b,n,k]. */
export const batchedMatmulNT = defineOp({
  name: "batchedMatmulNT",
  inputs: { a: "B M K", b: "B N K" },
  outputs: { y: "B M N" },
  flops: ({ B = 0, M = 0, N = 0, K = 0 }) => 2 * B * M * N * K,
  kernels: batchedMatmulNTKernels,
});

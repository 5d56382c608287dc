import { batchedMatmulNTKernels, batchedMatmulTNSlicesKernels } from "../../shaders/matmul";
import { defineOp, int } from "../op";

/** B products of two matrices at once, the second one transposed: y[b,m,n] = Σ a[b,m,k]·b[b,n,k]. */
export const batchedMatmulNT = defineOp({
  name: "batchedMatmulNT",
  inputs: { a: "B M K", b: "B N K" },
  outputs: { y: "B M N" },
  flops: ({ B = 0, M = 0, N = 0, K = 0 }) => 2 * B * M * N * K,
  kernels: batchedMatmulNTKernels,
});

/** B products of two matrices at once, the first one transposed, over each of Z slices of their long axis, as equal as can be. */
export const batchedMatmulTNSlices = defineOp({
  name: "batchedMatmulTNSlices",
  inputs: { a: "B L M", b: "B L N" },
  outputs: { y: "Z B M N : f32" },
  attrs: { Z: int },
  flops: ({ B = 0, M = 0, N = 0, L = 0 }) => 2 * B * M * N * L,
  kernels: batchedMatmulTNSlicesKernels,
});

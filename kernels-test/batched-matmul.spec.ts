import { batchedMatmulNT } from "../src/ops/batched-matmul";
import { spec } from "./spec";

export default spec(batchedMatmulNT, {
  tolerance: "gemm",
  reduction: ({ K }) => K,
  reference: ({ a, b }, { B = 1, M, N, K }) => {
    const y = new Float64Array(B * M * N);
    for (let i = 0; i < B; i++)
      for (let m = 0; m < M; m++)
        for (let n = 0; n < N; n++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += (a[(i * M + m) * K + k] ?? 0) * (b[(i * N + n) * K + k] ?? 0);
          y[(i * M + m) * N + n] = sum;
        }
    return { y };
  },
  cases: [
    { why: "nothing is a multiple of a tile", a: [3, 7, 13], b: [3, 5, 13] },
    { why: "fewer rows than lanes, in fours", a: [2, 3, 8], b: [2, 40, 8] },
    { why: "a tile and one more of everything", a: [2, 65, 36], b: [2, 68, 36] },
    { why: "whole tiles", a: [16, 32, 32], b: [16, 64, 32] },
  ],
  bench: [{ why: "a 3×3 convolution's 16 products", a: [16, 784, 64], b: [16, 64, 64] }],
  rejects: [{ a: [2, 3, 4], b: [3, 3, 4], error: /^batchedMatmulNT: B is 2 in a but 3 in b/ }],
});

import { batchedMatmulNT, batchedMatmulTNSlices } from "../src/ops/batched-matmul";
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
    { why: "rows and columns past a panel's", a: [2, 131, 44], b: [2, 68, 44] },
  ],
  bench: [{ why: "a 3×3 convolution's 16 products", a: [16, 784, 64], b: [16, 64, 64] }],
  rejects: [{ a: [2, 3, 4], b: [3, 3, 4], error: /^batchedMatmulNT: B is 2 in a but 3 in b/ }],
});

export const batchedMatmulTNSlicesSpec = spec(batchedMatmulTNSlices, {
  tolerance: "gemm",
  reduction: ({ L = 1, Z = 1 }) => Math.ceil(L / Z),
  reference: ({ a, b }, { B = 1, M, N, L = 1, Z = 1 }) => {
    const y = new Float64Array(Z * B * M * N);
    let begin = 0;
    for (let z = 0; z < Z; z++) {
      const end = begin + Math.floor(L / Z) + (z < L % Z ? 1 : 0);
      for (let i = 0; i < B; i++)
        for (let m = 0; m < M; m++)
          for (let n = 0; n < N; n++) {
            let sum = 0;
            for (let l = begin; l < end; l++)
              sum += (a[(i * L + l) * M + m] ?? 0) * (b[(i * L + l) * N + n] ?? 0);
            y[((z * B + i) * M + m) * N + n] = sum;
          }
      begin = end;
    }
    return { y };
  },
  cases: [
    { why: "nothing is a multiple of a tile", a: [3, 13, 7], b: [3, 13, 5], Z: 2 },
    { why: "fewer rows than lanes, in fours", a: [2, 9, 4], b: [2, 9, 40], Z: 1 },
    { why: "a tile and one more of everything", a: [2, 37, 68], b: [2, 37, 132], Z: 3 },
    { why: "whole tiles", a: [16, 32, 32], b: [16, 32, 64], Z: 2 },
    { why: "more slices than steps", a: [1, 2, 4], b: [1, 2, 4], Z: 3 },
  ],
  bench: [{ why: "the gradient of a 3×3 convolution's weights", a: [16, 784, 64], b: [16, 784, 64], Z: 1 }],
  rejects: [{ a: [2, 3, 4], b: [2, 4, 4], Z: 1, error: /^batchedMatmulTNSlices: L is 3 in a but 4 in b/ }],
});

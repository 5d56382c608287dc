import { matmul, matmulNT, matmulTN } from "../src/ops/matmul";
import type { Shape } from "../src/tensor";
import { type CaseSizes, spec, type Values } from "./spec";

/** [m, k, n] of every case: nothing, one thing or everything is a multiple of a tile. */
const products = [
  { why: "one value", of: [1, 1, 1] },
  { why: "nothing is a multiple of a tile", of: [7, 13, 5] },
  { why: "one row: a single image's classifier", of: [1, 70, 33] },
  { why: "one column", of: [37, 19, 1] },
  { why: "whole tiles", of: [64, 32, 64] },
  { why: "a tile and one more of everything", of: [65, 33, 68] },
  { why: "four divides the columns but not the sum", of: [10, 7, 12] },
  { why: "four divides the sum but not the columns", of: [9, 24, 14] },
  { why: "a long sum", of: [8, 1030, 8] },
  { why: "two rows, columns past a workgroup's", of: [2, 24, 320] },
  { why: "three rows, columns past a workgroup's", of: [3, 28, 272] },
  { why: "two columns, rows left over", of: [37, 24, 2] },
  { why: "four columns, rows left over", of: [37, 24, 4] },
  { why: "three steps, rows left over", of: [19, 3, 320] },
  { why: "rows and columns past a panel's, a short sum", of: [131, 64, 132] },
  { why: "an odd number of rows past a panel's, a longer sum", of: [131, 76, 36] },
  { why: "a sum in four parts", of: [131, 208, 36] },
  { why: "a sum in four parts, columns past a panel's", of: [70, 256, 132] },
] as const;

const casesOf = (
  list: readonly { readonly why: string; readonly of: readonly [number, number, number] }[],
  shapes: (m: number, k: number, n: number) => { readonly a: Shape; readonly b: Shape },
) => list.map(({ why, of: [m, k, n] }) => ({ why, ...shapes(m, k, n) }));

/** The product by three loops; `a` and `b` tell where the factors lie. */
const product =
  (ai: (m: number, k: number, s: CaseSizes) => number, bi: (k: number, n: number, s: CaseSizes) => number) =>
  ({ a, b }: { readonly a: Values; readonly b: Values }, sizes: CaseSizes) => {
    const { M, N, K } = sizes;
    const y = new Float64Array(M * N);
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++)
        for (let k = 0; k < K; k++)
          y[m * N + n] = (y[m * N + n] ?? 0) + (a[ai(m, k, sizes)] ?? 0) * (b[bi(k, n, sizes)] ?? 0);
    return { y };
  };

const real = [
  { why: "512³", of: [512, 512, 512] },
  { why: "ResNet-50's classifier", of: [64, 2048, 1000] },
  { why: "VGG's second linear layer, two images", of: [2, 4096, 4096] },
] as const;

const pastLimit = "past the limit under which the driver tests the variant `large`";
const reduction = ({ K }: CaseSizes) => K;

export const matmulSpec = spec(matmul, {
  tolerance: "gemm",
  reduction,
  reference: product(
    (m, k, { K }) => m * K + k,
    (k, n, { N }) => k * N + n,
  ),
  cases: [
    ...casesOf(products, (m, k, n) => ({ a: [m, k], b: [k, n] })),
    { why: pastLimit, a: [3, 72], b: [72, 128] },
  ],
  bench: casesOf(real, (m, k, n) => ({ a: [m, k], b: [k, n] })),
  rejects: [
    {
      a: [2, 3],
      b: [4, 5],
      error: /^matmul: K is 3 in a but 4 in b; a \[M K\] = \[2, 3\], b \[K N\] = \[4, 5\]/,
    },
  ],
});

export const matmulNTSpec = spec(matmulNT, {
  tolerance: "gemm",
  reduction,
  reference: product(
    (m, k, { K }) => m * K + k,
    (k, n, { K }) => n * K + k,
  ),
  cases: [
    ...casesOf(products, (m, k, n) => ({ a: [m, k], b: [n, k] })),
    { why: pastLimit, a: [3, 128], b: [72, 128] },
  ],
  bench: casesOf(real, (m, k, n) => ({ a: [m, k], b: [n, k] })),
  rejects: [{ a: [2, 3], b: [5, 4], error: /^matmulNT: K is 3 in a but 4 in b/ }],
});

export const matmulTNSpec = spec(matmulTN, {
  tolerance: "gemm",
  reduction,
  reference: product(
    (m, k, { M }) => k * M + m,
    (k, n, { N }) => k * N + n,
  ),
  cases: [
    ...casesOf(products, (m, k, n) => ({ a: [k, m], b: [k, n] })),
    { why: pastLimit, a: [3, 72], b: [3, 128] },
  ],
  bench: casesOf(real, (m, k, n) => ({ a: [k, m], b: [k, n] })),
  rejects: [{ a: [3, 2], b: [4, 5], error: /^matmulTN: K is 3 in a but 4 in b/ }],
});

import {
  winogradFilter,
  winogradGradient,
  winogradInput,
  winogradOutput,
  winogradWeights,
} from "../src/ops/winograd";
import { deep, ofVolume, volume } from "./bench-shapes";
import { type CaseSizes, spec } from "./spec";

/** The matrices of F(2×2, 3×3), by hand once more: those of the kernels must not be their own judge. */
const inputMatrix = ["1 0 -1 0", "0 1 1 0", "0 -1 1 0", "0 1 0 -1"].map(numbers);
const weightMatrix = ["1 0 0", ".5 .5 .5", ".5 -.5 .5", "0 0 1"].map(numbers);
const outputMatrix = ["1 1 1 0", "0 1 -1 -1"].map(numbers);
const gradientMatrix = ["1 0", "1 1", "1 -1", "0 -1"].map(numbers);
const filterMatrix = ["1 .5 .5 0", "0 .5 -.5 0", "0 .5 .5 1"].map(numbers);
function numbers(row: string): number[] {
  return row.split(" ").map(Number);
}

/** Σ m[i,a]·x[a,b]·m[j,b] */
const sandwich = (
  m: readonly number[][],
  x: (a: number, b: number) => number,
  i: number,
  j: number,
): number => {
  let sum = 0;
  m[i]?.forEach((f, a) => {
    m[j]?.forEach((g, b) => {
      sum += f * g * x(a, b);
    });
  });
  return sum;
};
/** For the sum of the magnitudes: every factor positive. */
const positive = (m: readonly number[][]): number[][] => m.map((row) => row.map(Math.abs));

const spreadTiles =
  (m: readonly number[][]) =>
  (x: ArrayLike<number>, { N, H, W, C, padH = 0, padW = 0 }: CaseSizes) => {
    const y: number[] = [];
    for (let k = 0; k < 16; k++)
      for (let n = 0; n < N; n++)
        for (let top = -padH; top + 2 < H + padH; top += 2)
          for (let left = -padW; left + 2 < W + padW; left += 2)
            for (let c = 0; c < C; c++) {
              const at = (a: number, b: number) => {
                const [h, w] = [top + a, left + b];
                if (h < 0 || h >= H || w < 0 || w >= W) return 0;
                return x[((n * H + h) * W + w) * C + c] ?? Number.NaN;
              };
              y.push(sandwich(m, at, Math.floor(k / 4), k % 4));
            }
    return { y };
  };

const spreadTaps =
  (m: readonly number[][]) =>
  (w: ArrayLike<number>, { K, C, A: outer }: CaseSizes) => {
    const u: number[] = [];
    // No case has as many filters as channels, so the result's shape tells.
    const turned = outer !== K;
    const [A, B] = turned ? [C, K] : [K, C];
    for (let x = 0; x < 16; x++)
      for (let a = 0; a < A; a++)
        for (let b = 0; b < B; b++) {
          const [k, c] = turned ? [b, a] : [a, b];
          const at = (r: number, s: number) =>
            w[(k * 9 + (turned ? (2 - r) * 3 + (2 - s) : r * 3 + s)) * C + c] ?? Number.NaN;
          u.push(sandwich(m, at, Math.floor(x / 4), x % 4));
        }
    return { u };
  };

const gatherTiles =
  (matrix: readonly number[][]) =>
  (m: ArrayLike<number>, { N, P, Q, K }: CaseSizes) => {
    const y: number[] = [];
    const [down, across] = [Math.ceil(P / 2), Math.ceil(Q / 2)];
    for (let n = 0; n < N; n++)
      for (let p = 0; p < P; p++)
        for (let q = 0; q < Q; q++)
          for (let k = 0; k < K; k++) {
            const tile = (n * down + Math.floor(p / 2)) * across + Math.floor(q / 2);
            const at = (a: number, b: number) =>
              m[((a * 4 + b) * N * down * across + tile) * K + k] ?? Number.NaN;
            y.push(sandwich(matrix, at, p % 2, q % 2));
          }
    return { y };
  };

const spreadGradients =
  (matrix: readonly number[][]) =>
  (dy: ArrayLike<number>, { N, P, Q, K }: CaseSizes) => {
    const e: number[] = [];
    for (let x = 0; x < 16; x++)
      for (let n = 0; n < N; n++)
        for (let top = 0; top < P; top += 2)
          for (let left = 0; left < Q; left += 2)
            for (let k = 0; k < K; k++) {
              const at = (a: number, b: number) =>
                top + a < P && left + b < Q
                  ? (dy[((n * P + top + a) * Q + left + b) * K + k] ?? Number.NaN)
                  : 0;
              e.push(sandwich(matrix, at, Math.floor(x / 4), x % 4));
            }
    return { e };
  };

const gatherTaps =
  (matrix: readonly number[][]) =>
  (m: ArrayLike<number>, { Z = 1, K, C }: CaseSizes) => {
    const w: number[] = [];
    for (let k = 0; k < K; k++)
      for (let r = 0; r < 3; r++)
        for (let s = 0; s < 3; s++)
          for (let c = 0; c < C; c++) {
            const at = (a: number, b: number) => {
              let sum = 0;
              for (let z = 0; z < Z; z++) sum += m[((z * 16 + a * 4 + b) * K + k) * C + c] ?? Number.NaN;
              return sum;
            };
            w.push(sandwich(matrix, at, r, s));
          }
    return { w };
  };

export const winogradInputSpec = spec(winogradInput, {
  tolerance: "gemm",
  reduction: () => 16,
  reference: ({ x }, sizes) => spreadTiles(inputMatrix)(x, sizes),
  magnitude: ({ x }, sizes) => spreadTiles(positive(inputMatrix))(x.map(Math.abs), sizes),
  cases: [
    { why: "same padding, channels in fours", x: [2, 6, 8, 8], pad: 1 },
    { why: "odd sizes, half a tile at two edges", x: [2, 5, 7, 3], pad: 1 },
    { why: "no padding", x: [1, 6, 5, 4] },
    { why: "a gradient's wide padding, by axis", x: [1, 3, 4, 12], pad: [2, 1] },
    { why: "one input", x: [1, 1, 1, 5], pad: 1 },
  ],
  bench: [{ why: ofVolume, x: volume, pad: 1 }],
  rejects: [{ x: [1, 2, 5, 4], error: /^winogradInput: the kernel spans 3×3 but the padded input is 2×5/ }],
});

export const winogradWeightsSpec = spec(winogradWeights, {
  tolerance: "gemm",
  reduction: () => 9,
  reference: ({ w }, sizes) => spreadTaps(weightMatrix)(w, sizes),
  magnitude: ({ w }, sizes) => spreadTaps(positive(weightMatrix))(w.map(Math.abs), sizes),
  cases: [
    { why: "forward", w: [5, 3, 3, 8] },
    { why: "turned", w: [5, 3, 3, 8], turned: true },
    { why: "more filters than channels, turned", w: [9, 3, 3, 2], turned: true },
  ],
  bench: [{ why: "256 → 256", w: [256, 3, 3, 256] }],
  rejects: [{ w: [4, 5, 3, 4], error: /^winogradWeights: the kernel is 5×3, expected 3×3/ }],
});

export const winogradOutputSpec = spec(winogradOutput, {
  tolerance: "gemm",
  reduction: () => 16,
  reference: ({ m }, sizes) => gatherTiles(outputMatrix)(m, sizes),
  magnitude: ({ m }, sizes) => gatherTiles(positive(outputMatrix))(m.map(Math.abs), sizes),
  cases: [
    { why: "whole tiles, channels in fours", m: [16, 12, 8], N: 2, P: 4, Q: 6 },
    { why: "odd sizes, half tiles at two edges", m: [16, 24, 3], N: 2, P: 5, Q: 7 },
    { why: "one output", m: [16, 1, 4], N: 1, P: 1, Q: 1 },
  ],
  bench: [{ why: "256 channels of 14×14", m: [16, 4 * 49, 256], N: deep[0], P: deep[1], Q: deep[2] }],
  rejects: [
    { m: [16, 5, 4], N: 1, P: 4, Q: 4, error: /^winogradOutput: m has 5 tiles of 16, expected 4 of 16/ },
  ],
});

export const winogradGradientSpec = spec(winogradGradient, {
  tolerance: "gemm",
  reduction: () => 4,
  reference: ({ dy }, sizes) => spreadGradients(gradientMatrix)(dy, sizes),
  magnitude: ({ dy }, sizes) => spreadGradients(positive(gradientMatrix))(dy.map(Math.abs), sizes),
  cases: [
    { why: "whole tiles, channels in fours", dy: [2, 4, 6, 8] },
    { why: "odd sizes, half tiles at two edges", dy: [2, 5, 7, 3] },
    { why: "odd sizes in fours", dy: [2, 3, 5, 4] },
    { why: "one output", dy: [1, 1, 1, 5] },
  ],
  bench: [{ why: ofVolume, dy: volume }],
  rejects: [{ dy: [2, 4, 8], error: /^winogradGradient: dy/ }],
});

export const winogradFilterSpec = spec(winogradFilter, {
  tolerance: "gemm",
  reduction: ({ Z = 1 }) => 16 * Z,
  reference: ({ m }, sizes) => gatherTaps(filterMatrix)(m, sizes),
  magnitude: ({ m }, sizes) => gatherTaps(positive(filterMatrix))(m.map(Math.abs), sizes),
  cases: [
    { why: "one slice, channels in fours", m: [1, 16, 5, 8] },
    { why: "some slices", m: [3, 16, 4, 3] },
    { why: "some slices in fours", m: [2, 16, 3, 12] },
  ],
  bench: [{ why: "256 → 256", m: [2, 16, 256, 256] }],
  rejects: [{ m: [1, 9, 4, 4], error: /^winogradFilter: a tile has 16 places, m has 9/ }],
});

import {
  winogradFilter,
  winogradGradient,
  winogradInput,
  winogradOutput,
  winogradWeights,
} from "../src/ops/winograd";
import { deep, ofVolume, volume } from "./bench-shapes";
import { type CaseSizes, spec } from "./spec";

/** The matrices of the transforms, by hand once more: those of the kernels must not be their own judge. */
const two = {
  input: ["1 0 -1 0", "0 1 1 0", "0 -1 1 0", "0 1 0 -1"].map(numbers),
  weights: ["1 0 0", ".5 .5 .5", ".5 -.5 .5", "0 0 1"].map(numbers),
  output: ["1 1 1 0", "0 1 -1 -1"].map(numbers),
};
const four = {
  input: [
    "81/64 0 -45/16 0 1 0",
    "0 -27/16 -9/4 3/4 1 0",
    "0 27/16 -9/4 -3/4 1 0",
    "0 -27/32 -9/16 3/2 1 0",
    "0 27/32 -9/16 -3/2 1 0",
    "0 81/64 0 -45/16 0 1",
  ].map(numbers),
  weights: [
    "64/81 0 0",
    "-128/243 -32/81 -8/27",
    "-128/243 32/81 -8/27",
    "32/243 16/81 8/27",
    "32/243 -16/81 8/27",
    "0 0 1",
  ].map(numbers),
  output: [
    "1 1 1 1 1 0",
    "0 3/4 -3/4 3/2 -3/2 0",
    "0 9/16 9/16 9/4 9/4 0",
    "0 27/64 -27/64 27/8 -27/8 1",
  ].map(numbers),
};
const sides = [2, 4] as const;
type Matrix = readonly (readonly number[])[];
const transposed = (m: Matrix): Matrix => (m[0] ?? []).map((_, k) => m.map((row) => row[k] ?? Number.NaN));
function numbers(row: string): number[] {
  return row.split(" ").map((fraction) => {
    const [over, under = 1] = fraction.split("/").map(Number);
    return (over ?? Number.NaN) / under;
  });
}
/** A matrix of the tile's size, its factors as they are or all positive: for the sum of the magnitudes. */
const matrixOf = (of: keyof typeof two, { side }: CaseSizes, isPositive: boolean): Matrix => {
  const m = (side === 4 ? four : two)[of];
  return isPositive ? m.map((row) => row.map(Math.abs)) : m;
};
const placesOf = ({ side = 0 }: CaseSizes): number => side + 2;

/** Σ m[i,a]·x[a,b]·m[j,b] */
const sandwich = (m: Matrix, x: (a: number, b: number) => number, i: number, j: number): number => {
  let sum = 0;
  m[i]?.forEach((f, a) => {
    m[j]?.forEach((g, b) => {
      sum += f * g * x(a, b);
    });
  });
  return sum;
};
const spreadTiles =
  (isPositive: boolean) =>
  (x: ArrayLike<number>, sizes: CaseSizes): { y: number[] } => {
    const { N, H, W, C, padH = 0, padW = 0, side = 0 } = sizes;
    const m = matrixOf("input", sizes, isPositive);
    const n = placesOf(sizes);
    const y: number[] = [];
    for (let k = 0; k < n * n; k++)
      for (let image = 0; image < N; image++)
        for (let top = -padH; top + 2 < H + padH; top += side)
          for (let left = -padW; left + 2 < W + padW; left += side)
            for (let c = 0; c < C; c++) {
              const at = (a: number, b: number) => {
                const [h, w] = [top + a, left + b];
                if (h < 0 || h >= H || w < 0 || w >= W) return 0;
                return x[((image * H + h) * W + w) * C + c] ?? Number.NaN;
              };
              y.push(sandwich(m, at, Math.floor(k / n), k % n));
            }
    return { y };
  };

const spreadTaps =
  (isPositive: boolean) =>
  (w: ArrayLike<number>, sizes: CaseSizes): { u: number[] } => {
    const { K, C, A: outer } = sizes;
    const m = matrixOf("weights", sizes, isPositive);
    const n = placesOf(sizes);
    const u: number[] = [];
    // No case has as many filters as channels, so the result's shape tells.
    const turned = outer !== K;
    const [A, B] = turned ? [C, K] : [K, C];
    for (let x = 0; x < n * n; x++)
      for (let a = 0; a < A; a++)
        for (let b = 0; b < B; b++) {
          const [k, c] = turned ? [b, a] : [a, b];
          const at = (r: number, s: number) =>
            w[(k * 9 + (turned ? (2 - r) * 3 + (2 - s) : r * 3 + s)) * C + c] ?? Number.NaN;
          u.push(sandwich(m, at, Math.floor(x / n), x % n));
        }
    return { u };
  };

const gatherTiles =
  (isPositive: boolean) =>
  (m: ArrayLike<number>, sizes: CaseSizes): { y: number[] } => {
    const { N, P, Q, K, side = 0 } = sizes;
    const matrix = matrixOf("output", sizes, isPositive);
    const n = placesOf(sizes);
    const y: number[] = [];
    const [down, across] = [Math.ceil(P / side), Math.ceil(Q / side)];
    for (let image = 0; image < N; image++)
      for (let p = 0; p < P; p++)
        for (let q = 0; q < Q; q++)
          for (let k = 0; k < K; k++) {
            const tile = (image * down + Math.floor(p / side)) * across + Math.floor(q / side);
            const at = (a: number, b: number) =>
              m[((a * n + b) * N * down * across + tile) * K + k] ?? Number.NaN;
            y.push(sandwich(matrix, at, p % side, q % side));
          }
    return { y };
  };

const spreadGradients =
  (isPositive: boolean) =>
  (dy: ArrayLike<number>, sizes: CaseSizes): { e: number[] } => {
    const { N, P, Q, K, side = 0 } = sizes;
    const matrix = transposed(matrixOf("output", sizes, isPositive));
    const n = placesOf(sizes);
    const e: number[] = [];
    for (let x = 0; x < n * n; x++)
      for (let image = 0; image < N; image++)
        for (let top = 0; top < P; top += side)
          for (let left = 0; left < Q; left += side)
            for (let k = 0; k < K; k++) {
              const at = (a: number, b: number) =>
                top + a < P && left + b < Q
                  ? (dy[((image * P + top + a) * Q + left + b) * K + k] ?? Number.NaN)
                  : 0;
              e.push(sandwich(matrix, at, Math.floor(x / n), x % n));
            }
    return { e };
  };

const gatherTaps =
  (isPositive: boolean) =>
  (m: ArrayLike<number>, sizes: CaseSizes): { w: number[] } => {
    const { Z = 1, K, C } = sizes;
    const matrix = transposed(matrixOf("weights", sizes, isPositive));
    const n = placesOf(sizes);
    const w: number[] = [];
    for (let k = 0; k < K; k++)
      for (let r = 0; r < 3; r++)
        for (let s = 0; s < 3; s++)
          for (let c = 0; c < C; c++) {
            const at = (a: number, b: number) => {
              let sum = 0;
              for (let z = 0; z < Z; z++) sum += m[((z * n * n + a * n + b) * K + k) * C + c] ?? Number.NaN;
              return sum;
            };
            w.push(sandwich(matrix, at, r, s));
          }
    return { w };
  };

export const winogradInputSpec = spec(winogradInput, {
  tolerance: "gemm",
  reduction: (sizes) => placesOf(sizes) ** 2,
  reference: ({ x }, sizes) => spreadTiles(false)(x, sizes),
  magnitude: ({ x }, sizes) => spreadTiles(true)(x.map(Math.abs), sizes),
  cases: [
    { why: "same padding, channels in fours", x: [2, 6, 8, 8], pad: 1, side: 2 },
    { why: "odd sizes, half a tile at two edges", x: [2, 5, 7, 3], pad: 1, side: 2 },
    { why: "no padding", x: [1, 6, 5, 4], side: 2 },
    { why: "a gradient's wide padding, by axis", x: [1, 3, 4, 12], pad: [2, 1], side: 2 },
    { why: "one input", x: [1, 1, 1, 5], pad: 1, side: 2 },
    { why: "same padding, channels in fours", x: [2, 4, 8, 8], pad: 1, side: 4 },
    { why: "some of a tile at two edges", x: [2, 5, 7, 3], pad: 1, side: 4 },
    { why: "no padding", x: [1, 10, 7, 4], side: 4 },
    { why: "a gradient's wide padding, by axis", x: [1, 3, 4, 12], pad: [2, 1], side: 4 },
    { why: "one input", x: [1, 1, 1, 5], pad: 1, side: 4 },
  ],
  bench: [
    { why: ofVolume, x: volume, pad: 1, side: 2 },
    { why: `${ofVolume}, tiles of four by four`, x: volume, pad: 1, side: 4 },
  ],
  rejects: [
    { x: [1, 2, 5, 4], side: 2, error: /^winogradInput: the kernel spans 3×3 but the padded input is 2×5/ },
    { x: [1, 4, 5, 4], side: 3, error: /^winogradInput: side is 3, expected 2 or 4/ },
  ],
});

export const winogradWeightsSpec = spec(winogradWeights, {
  tolerance: "gemm",
  reduction: () => 9,
  reference: ({ w }, sizes) => spreadTaps(false)(w, sizes),
  magnitude: ({ w }, sizes) => spreadTaps(true)(w.map(Math.abs), sizes),
  cases: sides.flatMap((side) => [
    { why: "forward", w: [5, 3, 3, 8], side },
    { why: "turned", w: [5, 3, 3, 8], turned: true, side },
    { why: "more filters than channels, turned", w: [9, 3, 3, 2], turned: true, side },
  ]),
  bench: sides.map((side) => ({ why: `256 → 256, tiles of ${side} by ${side}`, w: [256, 3, 3, 256], side })),
  rejects: [{ w: [4, 5, 3, 4], side: 2, error: /^winogradWeights: the kernel is 5×3, expected 3×3/ }],
});

export const winogradOutputSpec = spec(winogradOutput, {
  tolerance: "gemm",
  reduction: (sizes) => placesOf(sizes) ** 2,
  reference: ({ m }, sizes) => gatherTiles(false)(m, sizes),
  magnitude: ({ m }, sizes) => gatherTiles(true)(m.map(Math.abs), sizes),
  cases: [
    { why: "whole tiles, channels in fours", m: [16, 12, 8], N: 2, P: 4, Q: 6, side: 2 },
    { why: "odd sizes, half tiles at two edges", m: [16, 24, 3], N: 2, P: 5, Q: 7, side: 2 },
    { why: "one output", m: [16, 1, 4], N: 1, P: 1, Q: 1, side: 2 },
    { why: "whole tiles, channels in fours", m: [36, 4, 8], N: 2, P: 4, Q: 8, side: 4 },
    { why: "some of a tile at two edges", m: [36, 12, 3], N: 2, P: 5, Q: 11, side: 4 },
    { why: "one output", m: [36, 1, 4], N: 1, P: 1, Q: 1, side: 4 },
  ],
  bench: [
    { why: "256 channels of 14×14", m: [16, 4 * 49, 256], N: deep[0], P: deep[1], Q: deep[2], side: 2 },
    {
      why: "256 channels of 14×14, tiles of four by four",
      m: [36, 4 * 16, 256],
      N: deep[0],
      P: deep[1],
      Q: deep[2],
      side: 4,
    },
  ],
  rejects: [
    {
      m: [16, 5, 4],
      N: 1,
      P: 4,
      Q: 4,
      side: 2,
      error: /^winogradOutput: m has 5 tiles of 16, expected 4 of 16/,
    },
    {
      m: [16, 4, 4],
      N: 1,
      P: 4,
      Q: 4,
      side: 4,
      error: /^winogradOutput: m has 4 tiles of 16, expected 1 of 36/,
    },
  ],
});

export const winogradGradientSpec = spec(winogradGradient, {
  tolerance: "gemm",
  reduction: ({ side = 0 }) => side * side,
  reference: ({ dy }, sizes) => spreadGradients(false)(dy, sizes),
  magnitude: ({ dy }, sizes) => spreadGradients(true)(dy.map(Math.abs), sizes),
  cases: sides.flatMap((side) => [
    { why: "whole tiles, channels in fours", dy: [2, 4, 2 * side, 8], side },
    { why: "odd sizes, parts of tiles at two edges", dy: [2, 5, 7, 3], side },
    { why: "odd sizes in fours", dy: [2, 3, 5, 4], side },
    { why: "one output", dy: [1, 1, 1, 5], side },
  ]),
  bench: sides.map((side) => ({ why: `${ofVolume}, tiles of ${side} by ${side}`, dy: volume, side })),
  rejects: [{ dy: [2, 4, 8], side: 2, error: /^winogradGradient: dy/ }],
});

export const winogradFilterSpec = spec(winogradFilter, {
  tolerance: "gemm",
  reduction: (sizes) => placesOf(sizes) ** 2 * (sizes.Z ?? 1),
  reference: ({ m }, sizes) => gatherTaps(false)(m, sizes),
  magnitude: ({ m }, sizes) => gatherTaps(true)(m.map(Math.abs), sizes),
  cases: sides.flatMap((side) => [
    { why: "one slice, channels in fours", m: [1, (side + 2) ** 2, 5, 8], side },
    { why: "some slices", m: [3, (side + 2) ** 2, 4, 3], side },
    { why: "some slices in fours", m: [2, (side + 2) ** 2, 3, 12], side },
  ]),
  bench: sides.map((side) => ({
    why: `256 → 256, tiles of ${side} by ${side}`,
    m: [2, (side + 2) ** 2, 256, 256],
    side,
  })),
  rejects: [{ m: [1, 9, 4, 4], side: 2, error: /^winogradFilter: a tile has 16 places, m has 9/ }],
});

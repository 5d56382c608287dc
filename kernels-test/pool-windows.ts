import type { CaseSizes } from "./spec";

/** Calls back with every value of every window: index of x, index of y, place in the window. */
export function eachValue(sizes: CaseSizes, value: (x: number, y: number, place: number) => void): void {
  const { N, H, W, C, P, Q, windowH = 1, windowW = 1, strideH = 1, strideW = 1, padH = 0, padW = 0 } = sizes;
  for (let n = 0; n < N; n++)
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++)
        for (let r = 0; r < windowH; r++)
          for (let s = 0; s < windowW; s++) {
            const h = p * strideH + r - padH;
            const w = q * strideW + s - padW;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            for (let c = 0; c < C; c++)
              value(((n * H + h) * W + w) * C + c, ((n * P + p) * Q + q) * C + c, r * windowW + s);
          }
}

export const poolCases = [
  { why: "halves", x: [2, 6, 8, 4] },
  { why: "odd sizes: the last row and column belong to no window", x: [1, 7, 5, 3] },
  { why: "ResNet's: 3×3 stride 2, padded", x: [2, 9, 12, 8], window: 3, stride: 2, pad: 1 },
  {
    why: "AlexNet's: overlapping, ceil mode gains a window",
    x: [1, 8, 10, 4],
    window: 3,
    stride: 2,
    ceilMode: true,
  },
  {
    why: "ceil mode: a window that would start in the padding behind is dropped",
    x: [1, 5, 6, 5],
    window: 2,
    stride: [2, 3],
    pad: 1,
    ceilMode: true,
  },
  { why: "everything differs by axis", x: [2, 11, 7, 4], window: [2, 5], stride: [3, 1], pad: [1, 2] },
  {
    why: "everything differs by axis, odd channels",
    x: [1, 6, 13, 3],
    window: [4, 2],
    stride: [1, 3],
    pad: [2, 0],
  },
  { why: "stride larger than the window", x: [1, 9, 10, 4], window: 2, stride: [4, 3] },
  { why: "stride 1, as inside GoogLeNet", x: [1, 5, 6, 12], window: 3, stride: 1, pad: 1, ceilMode: true },
  { why: "one window", x: [3, 4, 3, 2], window: [4, 3], stride: 1 },
] as const;

/** The pooling behind a ResNet's stem. */
export const poolBench = [
  { why: "behind a ResNet's stem: 3×3 stride 2", x: [4, 112, 112, 64], window: 3, stride: 2, pad: 1 },
] as const;

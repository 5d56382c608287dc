import { adaptiveAvgPool, adaptiveAvgPoolGrad } from "../src/ops/adaptive-avg-pool";
import { type CaseSizes, spec } from "./spec";

/** Calls back with every value of every bin: index of x, index of y, values in the bin. */
function eachValue(
  { N, H, W, C, P, Q }: CaseSizes,
  value: (x: number, y: number, share: number) => void,
): void {
  for (let n = 0; n < N; n++)
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++) {
        const [h0, h1] = [Math.floor((p * H) / P), Math.ceil(((p + 1) * H) / P)];
        const [w0, w1] = [Math.floor((q * W) / Q), Math.ceil(((q + 1) * W) / Q)];
        for (let h = h0; h < h1; h++)
          for (let w = w0; w < w1; w++)
            for (let c = 0; c < C; c++)
              value(((n * H + h) * W + w) * C + c, ((n * P + p) * Q + q) * C + c, (h1 - h0) * (w1 - w0));
      }
}

const cases = [
  { why: "bins that overlap", x: [2, 7, 10, 4], P: 3, Q: 4 },
  { why: "equal bins", x: [1, 6, 12, 8], P: 3, Q: 4 },
  { why: "one bin, odd channels", x: [2, 5, 9, 3], P: 1, Q: 1 },
  { why: "more bins than pixels: a small image into AlexNet's 6×6", x: [1, 4, 3, 4], P: 6, Q: 7 },
  { why: "a bin for every pixel", x: [1, 3, 4, 5], P: 3, Q: 4 },
] as const;

export const adaptiveAvgPoolSpec = spec(adaptiveAvgPool, {
  tolerance: "average",
  reference: ({ x }, sizes) => {
    const y = new Float64Array(sizes.N * sizes.P * sizes.Q * sizes.C);
    eachValue(sizes, (xi, yi, share) => {
      y[yi] = (y[yi] ?? 0) + (x[xi] ?? 0) / share;
    });
    return { y };
  },
  cases,
  bench: [{ why: "a large image before AlexNet's classifier", x: [4, 13, 13, 256], P: 6, Q: 6 }],
  rejects: [
    { x: [1, 4, 4, 2], P: 0, Q: 1, error: /^adaptiveAvgPool: P of y \[N P Q C\] would be 0/ },
    { x: [4, 4, 2], P: 1, Q: 1, error: /^adaptiveAvgPool: x has rank 3, expected 4/ },
  ],
});

export const adaptiveAvgPoolGradSpec = spec(adaptiveAvgPoolGrad, {
  tolerance: "average",
  reference: ({ dy }, sizes) => {
    const dx = new Float64Array(sizes.N * sizes.H * sizes.W * sizes.C);
    eachValue(sizes, (xi, yi, share) => {
      dx[xi] = (dx[xi] ?? 0) + (dy[yi] ?? 0) / share;
    });
    return { dx };
  },
  cases: cases.map(({ why, x: [n, H, W, c], P, Q }) => ({ why, dy: [n, P, Q, c], H, W })),
  bench: [{ why: "a large image before AlexNet's classifier", dy: [4, 6, 6, 256], H: 13, W: 13 }],
});

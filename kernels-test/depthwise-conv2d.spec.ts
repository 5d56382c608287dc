import {
  depthwiseConv2d,
  depthwiseConv2dGradW,
  depthwiseConv2dGradWPartials,
  depthwiseConv2dGradX,
} from "../src/ops/depthwise-conv2d";
import { input } from "../src/tensor";
import { type CaseSizes, spec } from "./spec";

/** Calls back with the flat indices of x, w and y of every product, and its image and row of y. */
function eachProduct(
  sizes: CaseSizes,
  product: (x: number, w: number, y: number, n: number, p: number) => void,
): void {
  const { N, H, W, C, R, S, P, Q } = sizes;
  const { strideH = 1, strideW = 1, padH = 0, padW = 0, dilationH = 1, dilationW = 1 } = sizes;
  for (let n = 0; n < N; n++)
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++)
        for (let r = 0; r < R; r++)
          for (let s = 0; s < S; s++) {
            const h = p * strideH + r * dilationH - padH;
            const w = q * strideW + s * dilationW - padW;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            for (let c = 0; c < C; c++)
              product(
                ((n * H + h) * W + w) * C + c,
                (r * S + s) * C + c,
                ((n * P + p) * Q + q) * C + c,
                n,
                p,
              );
          }
}

const cases = [
  { why: "3×3 same", x: [2, 6, 9, 8], w: [3, 3, 8], pad: 1 },
  { why: "3×3 stride 2, even sizes", x: [2, 8, 10, 4], w: [3, 3, 4], stride: 2, pad: 1 },
  { why: "3×3 stride 2, odd sizes", x: [1, 9, 7, 12], w: [3, 3, 12], stride: 2, pad: 1 },
  { why: "3×3 unpadded, one more column than a strip", x: [1, 5, 7, 4], w: [3, 3, 4] },
  { why: "odd channels", x: [1, 6, 5, 3], w: [3, 3, 3], pad: 1 },
  { why: "everything differs by axis", x: [2, 9, 14, 4], w: [2, 5, 4], stride: [1, 3], pad: [0, 2] },
  { why: "stride by height only", x: [1, 11, 6, 4], w: [3, 3, 4], stride: [2, 1], pad: [0, 1] },
  { why: "dilated by axis", x: [1, 9, 12, 4], w: [3, 3, 4], dilation: [2, 3], pad: [2, 3] },
  { why: "stride larger than the kernel", x: [1, 10, 11, 4], w: [2, 1, 4], stride: [3, 2] },
  { why: "the kernel covers the whole input", x: [3, 4, 3, 8], w: [4, 3, 8] },
  { why: "5×5, as in later MobileNets", x: [1, 7, 8, 4], w: [5, 5, 4], pad: 2 },
  { why: "1×1: a scale by channel", x: [1, 2, 3, 4], w: [1, 1, 4] },
] as const;

/** Layers of MobileNet's size. */
const real = [
  { why: "3×3, 56×56×64", x: [4, 56, 56, 64], w: [3, 3, 64], pad: 1 },
  { why: "3×3 stride 2, 56×56×128", x: [4, 56, 56, 128], w: [3, 3, 128], stride: 2, pad: 1 },
] as const;

export const depthwiseConv2dSpec = spec(depthwiseConv2d, {
  tolerance: "gemm",
  reduction: ({ R, S }) => R * S,
  reference: ({ x, w }, sizes) => {
    const y = new Float64Array(sizes.N * sizes.P * sizes.Q * sizes.C);
    eachProduct(sizes, (xi, wi, yi) => {
      y[yi] = (y[yi] ?? 0) + (x[xi] ?? 0) * (w[wi] ?? 0);
    });
    return { y };
  },
  cases,
  bench: real,
  rejects: [
    { x: [1, 8, 8, 3], w: [3, 3, 4], error: /^depthwiseConv2d: C is 3 in x but 4 in w/ },
    {
      x: [1, 2, 8, 3],
      w: [3, 3, 3],
      error: /^depthwiseConv2d: the kernel spans 3×3 but the padded input is 2×8/,
    },
    {
      x: [1, 8, 8, 3],
      w: [3, 3, 3],
      dilation: [1, 0],
      error: /^depthwiseConv2d: dilation is 1,0, expected at least 1/,
    },
  ],
});

const gradientCase = ({ why, x, w, ...attrs }: (typeof cases)[number] | (typeof real)[number]) => {
  const dy = depthwiseConv2d({ x: input("x", x), w: input("w", w), ...attrs }).y.shape;
  return { why, x, w, dy, attrs, H: x[1], W: x[2], R: w[0], S: w[1] };
};
const backward = cases.map(gradientCase);
const realBackward = real.map(gradientCase);
const realGradW = realBackward.map(({ why, dy, x, R, S, attrs }) => ({ why, dy, x, R, S, ...attrs }));

export const depthwiseConv2dGradXSpec = spec(depthwiseConv2dGradX, {
  tolerance: "gemm",
  reduction: ({ R, S }) => R * S,
  reference: ({ dy, w }, sizes) => {
    const dx = new Float64Array(sizes.N * sizes.H * sizes.W * sizes.C);
    eachProduct(sizes, (xi, wi, yi) => {
      dx[xi] = (dx[xi] ?? 0) + (dy[yi] ?? 0) * (w[wi] ?? 0);
    });
    return { dx };
  },
  cases: backward.map(({ why, dy, w, H, W, attrs }) => ({ why, dy, w, H, W, ...attrs })),
  bench: realBackward.map(({ why, dy, w, H, W, attrs }) => ({ why, dy, w, H, W, ...attrs })),
  rejects: [
    {
      dy: [1, 8, 8, 3],
      w: [3, 3, 3],
      H: 8,
      W: 8,
      error: /^depthwiseConv2dGradX: dy is 8×8 but an input of 8×8 gives 6×6/,
    },
  ],
});

const manyRows = {
  why: "several bands of rows",
  dy: [3, 40, 5, 4],
  x: [3, 40, 5, 4],
  R: 3,
  S: 3,
  pad: 1,
} as const;
const manyStrips = {
  why: "more strips than threads share, more channels than a workgroup has",
  dy: [1, 3, 70, 36],
  x: [1, 3, 70, 36],
  R: 3,
  S: 3,
  pad: 1,
} as const;
const gradWCases = [
  ...backward.map(({ why, dy, x, R, S, attrs }) => ({ why, dy, x, R, S, ...attrs })),
  manyRows,
  manyStrips,
];

export const depthwiseConv2dGradWSpec = spec(depthwiseConv2dGradW, {
  tolerance: "gemm",
  reduction: ({ N, P, Q }) => N * P * Q,
  reference: ({ dy, x }, sizes) => {
    const dw = new Float64Array(sizes.R * sizes.S * sizes.C);
    eachProduct(sizes, (xi, wi, yi) => {
      dw[wi] = (dw[wi] ?? 0) + (dy[yi] ?? 0) * (x[xi] ?? 0);
    });
    return { dw };
  },
  cases: gradWCases,
  bench: realGradW,
});

export const depthwiseConv2dGradWPartialsSpec = spec(depthwiseConv2dGradWPartials, {
  tolerance: "gemm",
  reduction: ({ Q, rows = 1 }) => Q * rows,
  reference: ({ dy, x }, sizes) => {
    const { N, R, S, C, J = 1, rows = 1 } = sizes;
    const parts = new Float64Array(N * J * R * S * C);
    eachProduct(sizes, (xi, wi, yi, n, p) => {
      const at = (n * J + Math.floor(p / rows)) * R * S * C + wi;
      parts[at] = (parts[at] ?? 0) + (dy[yi] ?? 0) * (x[xi] ?? 0);
    });
    return { parts };
  },
  cases: gradWCases.map((c, k) => ({ ...c, rows: 1 + (k % 3) })),
  bench: realGradW.map((c) => ({ ...c, rows: 8 })),
});

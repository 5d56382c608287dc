import { conv2d, conv2dGradW, conv2dGradWSlices, conv2dGradX } from "../src/ops/conv2d";
import { input } from "../src/tensor";
import { type CaseSizes, spec } from "./spec";

/** Calls back with the flat indices of x, w and y of every product of the convolution's sum. */
function eachProduct(sizes: CaseSizes, product: (x: number, w: number, y: number) => void): void {
  const {
    N,
    H,
    W,
    C,
    K,
    R,
    S,
    P,
    Q,
    strideH = 1,
    strideW = 1,
    padH = 0,
    padW = 0,
    dilationH = 1,
    dilationW = 1,
    groups = 1,
  } = sizes;
  const cg = C / groups;
  for (let n = 0; n < N; n++)
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++)
        for (let k = 0; k < K; k++)
          for (let r = 0; r < R; r++)
            for (let s = 0; s < S; s++) {
              const h = p * strideH + r * dilationH - padH;
              const w = q * strideW + s * dilationW - padW;
              if (h < 0 || h >= H || w < 0 || w >= W) continue;
              const first = Math.floor(k / (K / groups)) * cg;
              for (let c = 0; c < cg; c++) {
                product(
                  ((n * H + h) * W + w) * C + first + c,
                  ((k * R + r) * S + s) * cg + c,
                  ((n * P + p) * Q + q) * K + k,
                );
              }
            }
}

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;

const forward = [
  { why: "pointwise, channels in fours", x: [2, 5, 4, 8], w: [12, 1, 1, 8] },
  { why: "pointwise, many pixels and fewer channels after it", x: [2, 33, 32, 12], w: [4, 1, 1, 12] },
  { why: "pointwise with stride", x: [1, 7, 6, 16], w: [8, 1, 1, 16], stride: 2 },
  { why: "3×3 same, channels in fours, several tiles", x: [2, 9, 11, 8], w: [20, 3, 3, 8], pad: 1 },
  { why: "3×3 stride 2, rows and columns left over", x: [2, 12, 9, 4], w: [8, 3, 3, 4], stride: 2, pad: 1 },
  { why: "nothing is a multiple of a tile", x: [1, 9, 7, 5], w: [3, 3, 2, 5], stride: [2, 1], pad: [1, 0] },
  { why: "AlexNet conv1: rows left over", x: [1, 20, 23, 3], w: [4, 11, 11, 3], stride: 4, pad: 2 },
  {
    why: "ResNet's stem: 7×7 stride 2 on three channels",
    x: [1, 17, 14, 3],
    w: [8, 7, 7, 3],
    stride: 2,
    pad: 3,
  },
  {
    why: "strides and pads that differ by axis",
    x: [2, 8, 13, 4],
    w: [8, 2, 3, 4],
    stride: [1, 3],
    pad: [0, 2],
  },
  { why: "stride larger than the kernel", x: [1, 10, 11, 4], w: [4, 2, 1, 4], stride: [3, 2] },
  { why: "dilated by axis", x: [1, 9, 12, 4], w: [4, 3, 3, 4], dilation: [2, 3], pad: [2, 3] },
  { why: "two groups", x: [2, 6, 5, 8], w: [12, 3, 3, 4], pad: 1, groups: 2 },
  {
    why: "two groups, channels in fours",
    x: [2, 6, 7, 16],
    w: [24, 3, 3, 8],
    stride: [2, 1],
    pad: 1,
    groups: 2,
  },
  { why: "groups of odd size", x: [1, 5, 6, 9], w: [6, 3, 2, 3], pad: [1, 0], groups: 3 },
  { why: "one channel each way", x: [1, 6, 7, 1], w: [1, 5, 5, 1], pad: 2 },
  { why: "1×7 of Inception", x: [1, 6, 9, 8], w: [8, 1, 7, 8], pad: [0, 3] },
  { why: "the kernel covers the whole input", x: [3, 4, 3, 8], w: [8, 4, 3, 8] },
  { why: "fewer positions than lanes", x: [1, 2, 2, 8], w: [36, 3, 3, 8], pad: 1 },
  { why: "fewer positions than lanes, odd channels", x: [1, 2, 2, 3], w: [7, 2, 2, 3], pad: [1, 0] },
  {
    why: "two groups, fewer positions than lanes",
    x: [1, 2, 2, 16],
    w: [72, 3, 3, 8],
    pad: 1,
    groups: 2,
  },
  { why: "two odd groups, few positions", x: [1, 2, 2, 6], w: [14, 2, 2, 3], pad: [1, 0], groups: 2 },
  { why: "a tile's rows and one more", x: [1, 5, 13, 4], w: [4, 1, 1, 4] },
  { why: "a long reduction", x: [1, 3, 3, 64], w: [16, 3, 3, 64], pad: 1 },
  {
    why: "3×3 of sixteen channels, parts of tiles at two edges",
    x: [2, 9, 11, 16],
    w: [20, 3, 3, 16],
    pad: 1,
  },
  {
    why: "3×3 of many channels, pads that differ by axis",
    x: [1, 12, 18, 20],
    w: [18, 3, 3, 20],
    pad: [0, 2],
  },
  { why: "many output channels", x: [1, 4, 5, 4], w: [68, 3, 3, 4], pad: 1 },
  { why: "sums in parts, images past a tile's rows", x: [3, 9, 10, 16], w: [48, 3, 3, 16], pad: 1 },
  {
    why: "sums in parts, two groups, stride and dilation",
    x: [2, 15, 17, 96],
    w: [80, 3, 3, 48],
    stride: [2, 1],
    pad: 1,
    dilation: [1, 2],
    groups: 2,
  },
] as const;

/** Layers of real networks. */
const real = [
  { why: "3×3 64→64, 56×56: ResNet's first stage", x: [4, 56, 56, 64], w: [64, 3, 3, 64], pad: 1 },
  { why: "1×1 64→256, 56×56: the end of its bottleneck", x: [4, 56, 56, 64], w: [256, 1, 1, 64] },
  { why: "3×3 stride 2 128→128, 56×56", x: [4, 56, 56, 128], w: [128, 3, 3, 128], stride: 2, pad: 1 },
  { why: "3×3 256→256, 14×14: its third stage", x: [4, 14, 14, 256], w: [256, 3, 3, 256], pad: 1 },
  { why: "7×7 stride 2 3→64, 224×224: its stem", x: [1, 224, 224, 3], w: [64, 7, 7, 3], stride: 2, pad: 3 },
] as const;

/** A case as gradients: dy has the output's shape, x or w is replaced by its sizes. */
const gradientCase = (c: (typeof forward)[number] | (typeof real)[number]) => {
  const { why, x, w, ...attrs } = c;
  const y = Object.values(conv2d.apply({ x: input("x", x), w: input("w", w), ...attrs }))[0];
  const [, H = 0, W = 0] = x;
  const [, R = 0, S = 0] = w;
  return { why, x, w, dy: y?.shape ?? [], H, W, R, S, attrs };
};
const backward = forward.map(gradientCase);
const realBackward = real.map(gradientCase);

export const conv2dSpec = spec(conv2d, {
  tolerance: "gemm",
  reduction: ({ R, S, C, groups = 1 }) => (R * S * C) / groups,
  reference: ({ x, w }, sizes) => {
    const y = new Float64Array(sizes.N * sizes.P * sizes.Q * sizes.K);
    eachProduct(sizes, (xi, wi, yi) => {
      y[yi] = at(y, yi) + at(x, xi) * at(w, wi);
    });
    return { y };
  },
  cases: forward,
  bench: real,
  rejects: [
    {
      x: [1, 8, 8, 3],
      w: [4, 3, 3, 5],
      error:
        /^conv2d: C is 3 in x but 5 in w; x \[N H W C\] = \[1, 8, 8, 3\], w \[K R S C.*\] = \[4, 3, 3, 5\]/,
    },
    { x: [8, 8, 3], w: [4, 3, 3, 3], error: /^conv2d: x has rank 3, expected 4/ },
    { x: [1, 2, 8, 3], w: [4, 3, 3, 3], error: /^conv2d: the kernel spans 3×3 but the padded input is 2×8/ },
    {
      x: [1, 8, 8, 3],
      w: [4, 3, 3, 1],
      groups: 2,
      error: /^conv2d: groups is 2, which does not divide C = 3/,
    },
    {
      x: [1, 8, 8, 4],
      w: [3, 3, 3, 2],
      groups: 2,
      error: /^conv2d: groups is 2, which does not divide K = 3/,
    },
    { x: [1, 8, 8, 3], w: [4, 3, 3, 3], stride: 0, error: /^conv2d: stride is 0,0, expected at least 1/ },
  ],
});

export const conv2dGradXSpec = spec(conv2dGradX, {
  tolerance: "gemm",
  reduction: ({ R, S, K, groups = 1 }) => (R * S * K) / groups,
  reference: ({ dy, w }, sizes) => {
    const dx = new Float64Array(sizes.N * sizes.H * sizes.W * sizes.C);
    eachProduct(sizes, (xi, wi, yi) => {
      dx[xi] = at(dx, xi) + at(dy, yi) * at(w, wi);
    });
    return { dx };
  },
  cases: backward.map(({ why, dy, w, H, W, attrs }) => ({ why, dy, w, H, W, ...attrs })),
  bench: realBackward.map(({ why, dy, w, H, W, attrs }) => ({ why, dy, w, H, W, ...attrs })),
});

/** Sums over every slice of the positions apart; the first slices have one more where they do not divide. */
export const conv2dGradWSlicesSpec = spec(conv2dGradWSlices, {
  tolerance: "gemm",
  reduction: ({ N, P, Q, Z = 1 }) => Math.ceil((N * P * Q) / Z),
  reference: ({ dy, x }, sizes) => {
    const { N, P, Q, K, Z = 1 } = sizes;
    const weights = (K * sizes.R * sizes.S * sizes.C) / (sizes.groups ?? 1);
    const parts = new Float64Array(Z * weights);
    const positions = N * P * Q;
    const shorter = Math.floor(positions / Z);
    const longer = (positions % Z) * (shorter + 1);
    eachProduct(sizes, (xi, wi, yi) => {
      const m = Math.floor(yi / K);
      const z =
        m < longer ? Math.floor(m / (shorter + 1)) : (positions % Z) + Math.floor((m - longer) / shorter);
      parts[z * weights + wi] = at(parts, z * weights + wi) + at(dy, yi) * at(x, xi);
    });
    return { parts };
  },
  cases: backward.map(({ why, dy, x, R, S, attrs }, k) => ({ why, dy, x, R, S, Z: 1 + (k % 4), ...attrs })),
  bench: realBackward
    .slice(0, 1)
    .map(({ why, dy, x, R, S, attrs }) => ({ why, dy, x, R, S, Z: 8, ...attrs })),
});

export const conv2dGradWSpec = spec(conv2dGradW, {
  tolerance: "gemm",
  reduction: ({ N, P, Q }) => N * P * Q,
  reference: ({ dy, x }, sizes) => {
    const dw = new Float64Array((sizes.K * sizes.R * sizes.S * sizes.C) / (sizes.groups ?? 1));
    eachProduct(sizes, (xi, wi, yi) => {
      dw[wi] = at(dw, wi) + at(dy, yi) * at(x, xi);
    });
    return { dw };
  },
  cases: [
    ...backward.map(({ why, dy, x, R, S, attrs }) => ({ why, dy, x, R, S, ...attrs })),
    { why: "a reduction over many positions", dy: [2, 31, 30, 8], x: [2, 31, 30, 4], R: 3, S: 3, pad: 1 },
  ],
  bench: realBackward.map(({ why, dy, x, R, S, attrs }) => ({ why, dy, x, R, S, ...attrs })),
});

import {
  batchNorm,
  batchNormApply,
  batchNormGrad,
  batchNormGradApply,
  batchNormGradFinish,
  batchNormGradSums,
  batchNormMerge,
  batchNormMoments,
} from "../src/ops/batch-norm";
import { streamOf, uniforms } from "../src/random";
import { channels, deep, ofVolume, volume } from "./bench-shapes";
import { type CaseSizes, spec, type Values } from "./spec";

/** Every third channel lies a hundred spreads away from zero: sums of squares would lose half of the digits. */
const x = {
  make: ({ C }: CaseSizes, count: number) =>
    uniforms(1, streamOf("batchNorm"), count).map((u, i) => 2 * u - 1 + 100 * ((i % C) % 3)),
};
const positive = { range: [0.5, 2] } as const;
const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;

/** As an f32 with only the upper 16 bits of its fraction. */
function coarse(v: number): number {
  const bits = new Uint32Array(Float32Array.of(v).buffer);
  bits[0] = (bits[0] ?? 0) & 0xffffff00;
  return new Float32Array(bits.buffer)[0] ?? Number.NaN;
}

/** Sums of a value over everything but the last axis. */
export function channelSums(
  count: number,
  channels: number,
  value: (i: number, c: number) => number,
): Float64Array {
  const sums = new Float64Array(channels);
  for (let i = 0; i < count; i++) sums[i % channels] = at(sums, i % channels) + value(i, i % channels);
  return sums;
}

function statistics(values: Values, C: number) {
  const mean = channelSums(values.length, C, (i) => at(values, i)).map((v) => v / (values.length / C));
  const squares = channelSums(values.length, C, (i, c) => (at(values, i) - at(mean, c)) ** 2);
  return { mean, variance: squares.map((v) => v / (values.length / C)) };
}

const shapes = [
  { why: "channels in fours, several blocks an image", x: [2, 14, 13, 8] },
  { why: "odd channels", x: [3, 5, 9, 5] },
  { why: "a large eps", x: [2, 3, 4, 4], eps: 0.1 },
  { why: "behind a linear layer", x: [70, 12] },
  { why: "a pixel an image", x: [5, 1, 1, 3] },
  { why: "many images", x: [40, 3, 3, 4] },
  { why: "about as many values a channel as one dispatch takes", x: [3, 45, 60, 4] },
] as const;

/** As large as activations in the first stage of a ResNet, in blocks of two of their rows. */
const realBlocks = { why: ofVolume, x: [4, 3136, 64], rows: 112 } as const;
/** What those blocks leave of their gradients [N J C], and of themselves. */
const realSums = [4, 28, 64] as const;
const realParts = [4, 28, 3, 64] as const;
/** The parts of block b's channel c, as they lie in [N J 3 C]. */
const partAt = (parts: ArrayLike<number>, C: number, i: number, part: 0 | 1 | 2): number =>
  at(parts, (Math.floor(i / C) * 3 + part) * C + (i % C));

export const batchNormSpec = spec(batchNorm, {
  bench: [
    { why: ofVolume, x: volume, gamma: channels, beta: channels },
    { why: "a stage further on", x: deep, gamma: [256], beta: [256] },
  ],
  tolerance: "statistics",
  inputs: { x, gamma: positive },
  reference: ({ x, gamma, beta }, { C, eps = 0 }) => {
    const { mean, variance } = statistics(x, C);
    const y = x.map(
      (v, i) =>
        ((v - at(mean, i % C)) / Math.sqrt(at(variance, i % C) + eps)) * at(gamma, i % C) + at(beta, i % C),
    );
    const count = x.length / C;
    return { y, mean, variance: variance.map((v) => (v * count) / (count - 1)) };
  },
  cases: [...shapes, { why: "few values: the unbiased correction is large", x: [3, 1, 1, 8] }].map((s) => ({
    ...s,
    gamma: [s.x.at(-1) ?? 0],
    beta: [s.x.at(-1) ?? 0],
  })),
  rejects: [
    { x: [2, 3, 4], gamma: [4], beta: [5], error: /^batchNorm: C is 4 in x but 5 in beta/ },
    {
      x: [1, 1, 1, 4],
      gamma: [4],
      beta: [4],
      error: /^batchNorm: a channel has 1 value, expected at least 2/,
    },
  ],
});

export const batchNormGradSpec = spec(batchNormGrad, {
  bench: [
    { why: ofVolume, x: volume, dy: volume, gamma: channels, mean: channels, variance: channels },
    { why: "a stage further on", x: deep, dy: deep, gamma: [256], mean: [256], variance: [256] },
  ],
  tolerance: "statistics",
  inputs: { gamma: positive, variance: positive },
  reference: ({ x, dy, gamma, mean, variance }, { C, eps = 0 }) => {
    const count = x.length / C;
    const deviation = variance.map((v) => Math.sqrt((v * (count - 1)) / count + eps));
    const normal = x.map((v, i) => (v - at(mean, i % C)) / at(deviation, i % C));
    const dgamma = channelSums(x.length, C, (i) => at(dy, i) * at(normal, i));
    const dbeta = channelSums(x.length, C, (i) => at(dy, i));
    const dx = x.map((_, i) => {
      const c = i % C;
      const rest = at(dy, i) - at(dbeta, c) / count - (at(normal, i) * at(dgamma, c)) / count;
      return (at(gamma, c) / at(deviation, c)) * rest;
    });
    return { dx, dgamma, dbeta };
  },
  cases: shapes.map((s) => {
    const channels = [s.x.at(-1) ?? 0];
    return { ...s, dy: s.x, gamma: channels, mean: channels, variance: channels };
  }),
  rejects: [
    {
      x: [2, 3, 4],
      dy: [3, 3, 4],
      gamma: [4],
      mean: [4],
      variance: [4],
      error: /^batchNormGrad: leading axes are \[2, 3\] in x but \[3, 3\] in dy/,
    },
  ],
});

/** Sums by image, block of rows and channel. */
function blockSums({ N, C, L = 1, J = 1, rows = 1 }: CaseSizes, value: (i: number, at: number) => number) {
  const sums = new Float64Array(N * J * C);
  for (let i = 0; i < N * L * C; i++) {
    const n = Math.floor(i / (L * C));
    const block = (n * J + Math.floor((Math.floor(i / C) % L) / rows)) * C + (i % C);
    sums[block] = at(sums, block) + value(i, block);
  }
  return sums;
}

const blocks = [
  { why: "channels in fours, a block cut short", x: [2, 23, 8], rows: 5 },
  { why: "odd channels", x: [3, 8, 5], rows: 4 },
  { why: "one block an image", x: [2, 6, 4], rows: 100 },
  { why: "one row a block", x: [1, 4, 4], rows: 1 },
  {
    why: "blocks of more rows than threads share, more channels than a workgroup has",
    x: [2, 90, 36],
    rows: 50,
  },
] as const;

export const batchNormMomentsSpec = spec(batchNormMoments, {
  bench: [realBlocks],
  tolerance: "statistics",
  inputs: { x },
  reference: ({ x }, sizes) => {
    const counts = blockSums(sizes, () => 1);
    const exact = blockSums(sizes, (i, block) => at(x, i) / at(counts, block));
    const squares = blockSums(sizes, (i, block) => (at(x, i) - at(exact, block)) ** 2);
    const { C } = sizes;
    const parts = new Float64Array(3 * exact.length).map((_, k) => {
      const row = Math.floor(k / C);
      const i = Math.floor(row / 3) * C + (k % C);
      const center = coarse(at(exact, i));
      return at([center, at(exact, i) - center, at(squares, i)], row % 3);
    });
    return { parts };
  },
  cases: blocks,
  rejects: [{ x: [2, 3, 4], rows: 0, error: /^batchNormMoments: rows is 0, expected at least 1/ }],
});

export const batchNormMergeSpec = spec(batchNormMerge, {
  bench: [
    {
      why: ofVolume,
      parts: realParts,
      gamma: channels,
      beta: channels,
      positions: 3136,
      rows: 112,
    },
  ],
  tolerance: "statistics",
  inputs: {
    parts: {
      make: ({ C, ...sizes }: CaseSizes, count: number) =>
        x.make({ C, ...sizes }, count).map((v, k) => {
          const part = Math.floor(k / C) % 3;
          if (part === 0) return v;
          return part === 1 ? 1e-5 * (v - Math.round(v)) : 3 * Math.abs(v - Math.round(v));
        }),
    },
    gamma: positive,
  },
  reference: ({ parts, gamma, beta }, sizes) => {
    const { C, N, J = 1, positions = 1, rows = 1, eps = 0 } = sizes;
    const weight = (i: number) => Math.min(rows, positions - (Math.floor(i / C) % J) * rows);
    const total = N * positions;
    const meanOf = (i: number) => partAt(parts, C, i, 0) + partAt(parts, C, i, 1);
    const mean = channelSums(N * J * C, C, (i) => (weight(i) * meanOf(i)) / total);
    const squares = channelSums(
      N * J * C,
      C,
      (i, c) => partAt(parts, C, i, 2) + weight(i) * (meanOf(i) - at(mean, c)) ** 2,
    );
    const center = mean.map(coarse);
    const scale = squares.map((v, c) => at(gamma, c) / Math.sqrt(v / total + eps));
    const bias = beta.map((v, c) => v + (at(center, c) - at(mean, c)) * at(scale, c));
    return { mean, variance: squares.map((v) => v / (total - 1)), center, scale, bias };
  },
  cases: [
    { why: "several images, the last block cut short", of: [3, 4, 6] as const, positions: 17, rows: 5 },
    { why: "one block", of: [1, 1, 4] as const, positions: 9, rows: 9 },
    {
      why: "more channels than a workgroup has threads",
      of: [2, 3, 71] as const,
      positions: 6,
      rows: 2,
      eps: 0.01,
    },
    { why: "many blocks", of: [4, 90, 5] as const, positions: 180, rows: 2 },
    { why: "many blocks, channels in fours", of: [4, 90, 12] as const, positions: 179, rows: 2 },
  ].map(({ of, ...rest }) => {
    const [N, J, C] = of;
    return { ...rest, parts: [N, J, 3, C], gamma: [C], beta: [C] };
  }),
  rejects: [
    {
      parts: [1, 3, 3, 4],
      gamma: [4],
      beta: [4],
      positions: 8,
      rows: 4,
      error: /^batchNormMerge: 8 positions in blocks of 4 are not 3 blocks/,
    },
    {
      parts: [1, 2, 4, 4],
      gamma: [4],
      beta: [4],
      positions: 8,
      rows: 4,
      error: /^batchNormMerge: a block has 4 parts, expected 3/,
    },
  ],
});

export const batchNormApplySpec = spec(batchNormApply, {
  bench: [{ why: ofVolume, x: volume, center: channels, scale: channels, bias: channels }],
  tolerance: "statistics",
  reference: ({ x, center, scale, bias }, { C }) => ({
    y: x.map((v, i) => (v - at(center, i % C)) * at(scale, i % C) + at(bias, i % C)),
  }),
  cases: [
    { why: "channels in fours", x: [3, 5, 8], center: [8], scale: [8], bias: [8] },
    { why: "odd channels", x: [7, 5], center: [5], scale: [5], bias: [5] },
  ],
});

export const batchNormGradSumsSpec = spec(batchNormGradSums, {
  bench: [{ ...realBlocks, dy: realBlocks.x, mean: channels }],
  tolerance: "statistics",
  reference: ({ x, dy, mean }, sizes) => ({
    sums: blockSums(sizes, (i) => at(dy, i)),
    products: blockSums(sizes, (i) => at(dy, i) * (at(x, i) - at(mean, i % sizes.C))),
  }),
  cases: blocks.map((b) => ({ ...b, dy: b.x, mean: [b.x.at(-1) ?? 0] })),
});

export const batchNormGradFinishSpec = spec(batchNormGradFinish, {
  bench: [
    { why: ofVolume, sums: realSums, products: realSums, gamma: channels, variance: channels, values: 12544 },
  ],
  tolerance: "statistics",
  inputs: { variance: positive },
  reference: ({ sums, products, gamma, variance }, { C, values = 1, biased = 1, eps = 0 }) => {
    const inverse = variance.map((v) => 1 / Math.sqrt(v * biased + eps));
    const dbeta = channelSums(sums.length, C, (i) => at(sums, i));
    const dgamma = channelSums(sums.length, C, (i, c) => at(products, i) * at(inverse, c));
    const a = gamma.map((v, c) => v * at(inverse, c));
    return {
      dgamma,
      dbeta,
      a,
      b: a.map((v, c) => (v * at(inverse, c) * at(dgamma, c)) / values),
    };
  },
  cases: [
    { why: "several images and blocks", of: [3, 4, 6], values: 60 },
    { why: "one block, another eps", of: [1, 1, 4], values: 9, eps: 0.1 },
    { why: "more channels than a workgroup has threads", of: [2, 3, 71], values: 12 },
    { why: "an unbiased variance", of: [2, 3, 4], values: 12, biased: 11 / 12 },
    { why: "many blocks", of: [4, 90, 5], values: 1000 },
    { why: "many blocks, channels in fours", of: [4, 90, 12], values: 1000 },
  ].map(({ of, ...rest }) => {
    const channels = [of.at(-1) ?? 0];
    return { ...rest, sums: of, products: of, gamma: channels, variance: channels };
  }),
});

export const batchNormGradApplySpec = spec(batchNormGradApply, {
  bench: [
    {
      why: ofVolume,
      x: volume,
      dy: volume,
      mean: channels,
      a: channels,
      b: channels,
      dbeta: channels,
      values: 9,
    },
  ],
  tolerance: "statistics",
  reference: ({ x, dy, mean, a, b, dbeta }, { C, values = 1 }) => ({
    dx: x.map((v, i) => {
      const c = i % C;
      return at(a, c) * (at(dy, i) - at(dbeta, c) / values) - at(b, c) * (v - at(mean, c));
    }),
  }),
  cases: [
    {
      why: "channels in fours",
      x: [3, 5, 8],
      dy: [3, 5, 8],
      mean: [8],
      a: [8],
      b: [8],
      dbeta: [8],
      values: 15,
    },
    { why: "odd channels", x: [7, 5], dy: [7, 5], mean: [5], a: [5], b: [5], dbeta: [5], values: 7 },
  ],
});

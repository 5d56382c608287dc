import {
  batchNormInference,
  batchNormInferenceGradAffine,
  batchNormInferenceGradX,
} from "../src/ops/batch-norm-inference";
import { channelSums } from "./batch-norm.spec";
import { channels, ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;
const positive = { range: [0.5, 2] } as const;
const shapes = [
  { why: "channels in fours", x: [2, 5, 6, 8], channels: [8] },
  { why: "odd channels, a large eps", x: [3, 4, 4, 5], channels: [5], eps: 0.1 },
  { why: "behind a linear layer", x: [70, 12], channels: [12] },
] as const;

export const batchNormInferenceSpec = spec(batchNormInference, {
  tolerance: "statistics",
  inputs: { variance: positive },
  reference: ({ x, gamma, beta, mean, variance }, { C, eps = 0 }) => ({
    y: x.map((v, i) => {
      const c = i % C;
      return ((v - at(mean, c)) / Math.sqrt(at(variance, c) + eps)) * at(gamma, c) + at(beta, c);
    }),
  }),
  cases: shapes.map(({ channels, ...rest }) => ({
    ...rest,
    gamma: channels,
    beta: channels,
    mean: channels,
    variance: channels,
  })),
  bench: [{ why: ofVolume, x: volume, gamma: channels, beta: channels, mean: channels, variance: channels }],
  gradient: ["x", "gamma", "beta"],
  rejects: [
    {
      x: [2, 4],
      gamma: [4],
      beta: [4],
      mean: [3],
      variance: [4],
      error: /^batchNormInference: C is 4 in x but 3 in mean/,
    },
  ],
});

export const batchNormInferenceGradXSpec = spec(batchNormInferenceGradX, {
  bench: [{ why: ofVolume, dy: volume, gamma: channels, variance: channels }],
  tolerance: "statistics",
  inputs: { variance: positive },
  reference: ({ dy, gamma, variance }, { C, eps = 0 }) => ({
    dx: dy.map((v, i) => (v * at(gamma, i % C)) / Math.sqrt(at(variance, i % C) + eps)),
  }),
  cases: shapes.map(({ channels, x, ...rest }) => ({ ...rest, dy: x, gamma: channels, variance: channels })),
});

export const batchNormInferenceGradAffineSpec = spec(batchNormInferenceGradAffine, {
  bench: [{ why: ofVolume, x: volume, dy: volume, gamma: channels, mean: channels, variance: channels }],
  tolerance: "statistics",
  inputs: { variance: positive },
  reference: ({ x, dy, mean, variance }, { C, eps = 0 }) => ({
    dgamma: channelSums(
      x.length,
      C,
      (i, c) => (at(dy, i) * (at(x, i) - at(mean, c))) / Math.sqrt(at(variance, c) + eps),
    ),
    dbeta: channelSums(x.length, C, (i) => at(dy, i)),
  }),
  cases: shapes.map(({ channels, x, ...rest }) => ({
    ...rest,
    x,
    dy: x,
    gamma: channels,
    mean: channels,
    variance: channels,
  })),
});

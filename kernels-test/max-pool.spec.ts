import { maxPool, maxPoolGrad, maxPoolValues } from "../src/ops/max-pool";
import { permutation, streamOf } from "../src/random";
import { input } from "../src/tensor";
import { eachValue, poolBench, poolCases } from "./pool-windows";
import { type CaseSizes, spec } from "./spec";

/** All different, so that the gradient has no kink, and negative, so that zeros from a padding would win. */
const inputs = {
  x: {
    make: (_: CaseSizes, count: number) =>
      Array.from(permutation(1, streamOf("maxPool"), count), (k) => -0.01 * (k + 1)),
  },
};

function maxima(x: ArrayLike<number>, sizes: CaseSizes) {
  const count = sizes.N * sizes.P * sizes.Q * sizes.C;
  const y = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  const index = new Float64Array(count);
  eachValue(sizes, (xi, yi, place) => {
    const v = x[xi] ?? 0;
    if (!(v > (y[yi] ?? 0))) return;
    y[yi] = v;
    index[yi] = place;
  });
  return { y, index };
}

export const maxPoolSpec = spec(maxPool, {
  tolerance: "copy",
  inputs,
  reference: ({ x }, sizes) => maxima(x, sizes),
  cases: poolCases,
  bench: poolBench,
  rejects: [
    { x: [1, 4, 4, 2], window: 5, error: /^maxPool: the window is 5×5 but the padded input is 4×4/ },
    {
      x: [1, 4, 4, 2],
      window: 2,
      pad: [0, 2],
      error: /^maxPool: pad is 0,2, more than half of the window 2,2/,
    },
    { x: [1, 4, 4, 2], stride: [1, 0], error: /^maxPool: stride is 1,0, expected at least 1/ },
    { x: [4, 4, 2], error: /^maxPool: x has rank 3, expected 4/ },
  ],
});

export const maxPoolValuesSpec = spec(maxPoolValues, {
  tolerance: "copy",
  inputs,
  reference: ({ x }, sizes) => ({ y: maxima(x, sizes).y }),
  cases: poolCases,
  bench: poolBench,
});

/** The gradient of a pooling. */
function backward({ why, x, ...attrs }: (typeof poolCases)[number] | (typeof poolBench)[number]) {
  const { shape } = maxPool({ x: input("x", x), ...attrs }).y;
  return { why, dy: shape, index: shape, H: x[1], W: x[2], ...attrs };
}

export const maxPoolGradSpec = spec(maxPoolGrad, {
  tolerance: "average",
  inputs: { index: { integer: ({ windowH = 1, windowW = 1 }) => windowH * windowW } },
  reference: ({ dy, index }, sizes) => {
    const dx = new Float64Array(sizes.N * sizes.H * sizes.W * sizes.C);
    eachValue(sizes, (xi, yi, place) => {
      if (index[yi] === place) dx[xi] = (dx[xi] ?? 0) + (dy[yi] ?? 0);
    });
    return { dx };
  },
  cases: poolCases.map(backward),
  bench: poolBench.map(backward),
  rejects: [
    {
      dy: [1, 2, 2, 3],
      index: [1, 2, 2, 3],
      H: 6,
      W: 4,
      error: /^maxPoolGrad: dy is 2×2 but an input of 6×4 has 3×2 windows/,
    },
    { dy: [1, 2, 2, 3], index: [1, 2, 3, 3], H: 4, W: 4, error: /^maxPoolGrad: Q is 2 in dy but 3 in index/ },
  ],
});

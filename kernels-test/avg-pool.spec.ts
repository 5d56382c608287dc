import { avgPool, avgPoolGrad } from "../src/ops/avg-pool";
import { input } from "../src/tensor";
import { eachValue, poolBench, poolCases } from "./pool-windows";
import { type CaseSizes, spec } from "./spec";

const cases = poolCases.flatMap((c) => [
  c,
  { ...c, why: `${c.why}; only the image counts`, countIncludePad: false },
]);

/** The number of values that each output averages, by PyTorch's definition. */
function shares(sizes: CaseSizes): Float64Array {
  const { N, H, W, C, P, Q, windowH = 1, windowW = 1, strideH = 1, strideW = 1, padH = 0, padW = 0 } = sizes;
  const share = new Float64Array(N * P * Q * C);
  if (sizes.padCounts === 0) {
    eachValue(sizes, (_, y) => {
      share[y] = (share[y] ?? 0) + 1;
    });
    return share;
  }
  return share.map((_, i) => {
    const q = Math.floor(i / C) % Q;
    const p = Math.floor(i / (C * Q)) % P;
    const rows = Math.min(p * strideH - padH + windowH, H + padH) - (p * strideH - padH);
    const columns = Math.min(q * strideW - padW + windowW, W + padW) - (q * strideW - padW);
    return rows * columns;
  });
}

export const avgPoolSpec = spec(avgPool, {
  tolerance: "average",
  reference: ({ x }, sizes) => {
    const y = new Float64Array(sizes.N * sizes.P * sizes.Q * sizes.C);
    const share = shares(sizes);
    eachValue(sizes, (xi, yi) => {
      y[yi] = (y[yi] ?? 0) + (x[xi] ?? 0) / (share[yi] ?? 0);
    });
    return { y };
  },
  cases,
  bench: poolBench,
  rejects: [
    { x: [1, 4, 4, 2], window: 5, error: /^avgPool: the window is 5×5 but the padded input is 4×4/ },
    { x: [1, 4, 4, 2], pad: 2, error: /^avgPool: pad is 2,2, more than half of the window 2,2/ },
  ],
});

/** The gradient of a pooling. */
const backward = ({ why, x, ...attrs }: (typeof cases)[number] | (typeof poolBench)[number]) => ({
  why,
  dy: avgPool({ x: input("x", x), ...attrs }).y.shape,
  H: x[1],
  W: x[2],
  ...attrs,
});

export const avgPoolGradSpec = spec(avgPoolGrad, {
  tolerance: "average",
  reference: ({ dy }, sizes) => {
    const dx = new Float64Array(sizes.N * sizes.H * sizes.W * sizes.C);
    const share = shares(sizes);
    eachValue(sizes, (xi, yi) => {
      dx[xi] = (dx[xi] ?? 0) + (dy[yi] ?? 0) / (share[yi] ?? 0);
    });
    return { dx };
  },
  cases: cases.map(backward),
  bench: poolBench.map(backward),
  rejects: [
    { dy: [1, 2, 2, 3], H: 6, W: 4, error: /^avgPoolGrad: dy is 2×2 but an input of 6×4 has 3×2 windows/ },
  ],
});

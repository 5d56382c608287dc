import { globalAvgPool, globalAvgPoolGrad } from "../src/ops/global-avg-pool";
import { spec } from "./spec";

const shapes = [
  { why: "channels in fours", x: [3, 5, 7, 8] },
  { why: "odd channels", x: [2, 3, 4, 5] },
  { why: "one pixel", x: [2, 1, 1, 4] },
  { why: "more channels than a workgroup has threads", x: [1, 2, 3, 270] },
] as const;

export const globalAvgPoolSpec = spec(globalAvgPool, {
  tolerance: "average",
  reference: ({ x }, { N, H, W, C }) => {
    const y = new Float64Array(N * C);
    x.forEach((v, i) => {
      const at = Math.floor(i / (H * W * C)) * C + (i % C);
      y[at] = (y[at] ?? 0) + v / (H * W);
    });
    return { y };
  },
  cases: shapes,
  bench: [{ why: "behind ResNet-50", x: [16, 7, 7, 2048] }],
  rejects: [{ x: [4, 4, 2], error: /^globalAvgPool: x has rank 3, expected 4/ }],
});

export const globalAvgPoolGradSpec = spec(globalAvgPoolGrad, {
  tolerance: "average",
  reference: ({ dy }, { N, H, W, C }) => ({
    dx: Float64Array.from(
      { length: N * H * W * C },
      (_, i) => (dy[Math.floor(i / (H * W * C)) * C + (i % C)] ?? 0) / (H * W),
    ),
  }),
  cases: shapes.map(({ why, x: [n, H, W, c] }) => ({ why, dy: [n, c], H, W })),
  bench: [{ why: "behind ResNet-50", dy: [16, 2048], H: 7, W: 7 }],
});

import { localResponseNorm, localResponseNormGrad } from "../src/ops/local-response-norm";
import { type CaseSizes, spec, type Values } from "./spec";

/** The channels whose squares count at channel c. */
const span = (c: number, { C, size = 1 }: CaseSizes): readonly [number, number] => [
  Math.max(0, c - Math.floor(size / 2)),
  Math.min(C, c + Math.floor((size - 1) / 2) + 1),
];

function denominators(x: Values, sizes: CaseSizes): Float64Array {
  const { C, size = 1, alpha = 0, k = 0 } = sizes;
  return x.map((_, i) => {
    const c = i % C;
    const [c0, c1] = span(c, sizes);
    let sum = 0;
    for (let at = c0; at < c1; at++) sum += (x[i - c + at] ?? 0) ** 2;
    return k + (alpha / size) * sum;
  });
}

const cases = [
  { why: "PyTorch's defaults", x: [1, 3, 4, 12] },
  { why: "AlexNet's", x: [2, 3, 2, 16], size: 5, alpha: 1e-4, beta: 0.75, k: 2 },
  { why: "strong, so that every term shows", x: [1, 2, 5, 13], size: 5, alpha: 2, beta: 0.75, k: 1 },
  {
    why: "even size: more channels before than behind",
    x: [1, 2, 3, 8],
    size: 4,
    alpha: 3,
    beta: 0.6,
    k: 1.5,
  },
  { why: "wider than the channels", x: [2, 1, 3, 3], size: 9, alpha: 2, beta: 1, k: 1 },
  { why: "one channel at a time", x: [1, 3, 2, 5], size: 1, alpha: 2, beta: 0.5, k: 1 },
] as const;

const alexnet = {
  why: "AlexNet's first",
  x: [4, 55, 55, 96],
  size: 5,
  alpha: 1e-4,
  beta: 0.75,
  k: 2,
} as const;

export const localResponseNormSpec = spec(localResponseNorm, {
  tolerance: "statistics",
  inputs: { x: { range: [-2, 2] } },
  reference: ({ x }, sizes) => {
    const d = denominators(x, sizes);
    return { y: x.map((v, i) => v * (d[i] ?? 0) ** -(sizes.beta ?? 0)) };
  },
  cases,
  bench: [alexnet],
  rejects: [{ x: [1, 2, 2, 4], size: 0, error: /^localResponseNorm: size is 0, expected at least 1/ }],
});

export const localResponseNormGradSpec = spec(localResponseNormGrad, {
  tolerance: "statistics",
  inputs: { x: { range: [-2, 2] } },
  reference: ({ x, dy }, sizes) => {
    const { C, size = 1, alpha = 0, beta = 0 } = sizes;
    const d = denominators(x, sizes);
    const dx = x.map((_, i) => (dy[i] ?? 0) * (d[i] ?? 0) ** -beta);
    x.forEach((v, i) => {
      const c = i % C;
      const [c0, c1] = span(c, sizes);
      const factor = ((-2 * alpha * beta) / size) * (dy[i] ?? 0) * v * (d[i] ?? 0) ** (-beta - 1);
      for (let at = c0; at < c1; at++) dx[i - c + at] = (dx[i - c + at] ?? 0) + factor * (x[i - c + at] ?? 0);
    });
    return { dx };
  },
  cases: cases.map(({ x, ...rest }) => ({ ...rest, x, dy: x })),
  bench: [{ ...alexnet, dy: alexnet.x }],
});

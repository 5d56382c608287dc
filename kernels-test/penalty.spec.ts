import { elasticNet, elasticNetGrad } from "../src/ops/penalty";
import { weights } from "./bench-shapes";
import { spec } from "./spec";

const inputs = { x: { away: [0] } } as const;

export default spec(elasticNet, {
  tolerance: "transcendental",
  inputs,
  reference: ({ x }, { l1 = 0, l2 = 0 }) => ({ y: x.map((v) => l1 * Math.abs(v) + (l2 / 2) * v * v) }),
  cases: [
    { why: "both terms, odd", x: [3, 5, 7], l1: 0.3, l2: 0.7 },
    { why: "in fours", x: [4, 8], l1: 0.3, l2: 0.7 },
  ],
  bench: [{ why: "a large layer", x: weights, l1: 0.3, l2: 0.7 }],
});

export const elasticNetGradSpec = spec(elasticNetGrad, {
  tolerance: "transcendental",
  inputs,
  reference: ({ x, dy }, { l1 = 0, l2 = 0 }) => ({
    dx: x.map((v, i) => (l1 * Math.sign(v) + l2 * v) * (dy[i] ?? Number.NaN)),
  }),
  cases: [
    { why: "both terms, odd", x: [3, 5, 7], dy: [3, 5, 7], l1: 0.3, l2: 0.7 },
    { why: "in fours", x: [4, 8], dy: [4, 8], l1: 0.3, l2: 0.7 },
  ],
  bench: [{ why: "a large layer", x: weights, dy: weights, l1: 0.3, l2: 0.7 }],
});

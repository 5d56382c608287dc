import { prelu, preluGradAlpha, preluGradX } from "../src/ops/prelu";
import { channels, ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;
const inputs = { x: { range: [-3, 3], away: [0] } } as const;

export default spec(prelu, {
  tolerance: "ulp1",
  inputs,
  reference: ({ x, alpha }, { C }) => ({ y: x.map((v, i) => (v > 0 ? v : at(alpha, i % C) * v)) }),
  cases: [
    { why: "odd channels", x: [3, 5, 7], alpha: [7] },
    { why: "channels in fours", x: [2, 9, 7, 8], alpha: [8] },
  ],
  bench: [{ why: ofVolume, x: volume, alpha: channels }],
});

export const preluGradXSpec = spec(preluGradX, {
  tolerance: "ulp1",
  inputs,
  reference: ({ x, alpha, dy }, { C }) => ({
    dx: dy.map((v, i) => (at(x, i) > 0 ? v : at(alpha, i % C) * v)),
  }),
  cases: [
    { why: "odd channels", x: [3, 5, 7], alpha: [7], dy: [3, 5, 7] },
    { why: "channels in fours", x: [2, 9, 8], alpha: [8], dy: [2, 9, 8] },
  ],
  bench: [{ why: ofVolume, x: volume, alpha: channels, dy: volume }],
});

export const preluGradAlphaSpec = spec(preluGradAlpha, {
  tolerance: "ulp1",
  inputs,
  reference: ({ x, dy }) => ({ y: dy.map((v, i) => Math.min(at(x, i), 0) * v) }),
  cases: [
    { why: "no multiple of four", x: [3, 5, 7], dy: [3, 5, 7] },
    { why: "in fours", x: [2, 9, 8], dy: [2, 9, 8] },
  ],
  bench: [{ why: ofVolume, x: volume, dy: volume }],
});

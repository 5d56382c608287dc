import { dropout } from "../src/ops/dropout";
import { philox4x32 } from "../src/random";
import { spec } from "./spec";

export default spec(dropout, {
  tolerance: "ulp3",
  inputs: { seed: { make: () => [123456789, 42, 7, 0] } },
  reference: ({ x, seed }, { p = 0.5, stream = 0 }) => ({
    y: x.map((v, e) => {
      const [low = 0, high = 0, iteration = 0] = seed;
      const word = philox4x32([e >> 2, 0, stream, iteration], [low, high])[e % 4] ?? 0;
      return (word >>> 8) * 2 ** -24 >= Math.fround(p) ? v / (1 - p) : 0;
    }),
  }),
  bench: [{ why: "the features before a classifier", x: [64, 4096], seed: [4], p: 0.5 }],
  cases: [
    { why: "one value at a time", x: [3, 5, 7], seed: [4], p: 0.25, stream: 5 },
    { why: "in fours, several workgroups", x: [3, 61, 8], seed: [4], p: 0.5, stream: 4000000000 },
    { why: "nothing dropped", x: [2, 8], seed: [4], p: 0 },
  ],
  rejects: [
    { x: [2], seed: [4], p: 1, error: /^dropout: p is 1, expected at least 0 and below 1/ },
    { x: [2], seed: [2], error: /^dropout: seed has 2 values, expected 4/ },
  ],
});

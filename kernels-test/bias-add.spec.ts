import { biasAdd } from "../src/ops/bias-add";
import { channels, ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

export default spec(biasAdd, {
  tolerance: "ulp1",
  reference: ({ x, b }, { C }) => ({ y: x.map((v, i) => v + (b[i % C] ?? Number.NaN)) }),
  // dy itself is the gradient of the first operand: there is nothing to run.
  gradient: ["b"],
  bench: [{ why: ofVolume, x: volume, b: channels }],
  cases: [
    { why: "odd channels", x: [3, 5, 7], b: [7] },
    { why: "channels in fours", x: [2, 9, 7, 8], b: [8] },
    { why: "elements in fours, channels not", x: [4, 6], b: [6] },
    { why: "a vector", x: [5], b: [5] },
    { why: "a gradient in two stages", x: [3, 70, 4], b: [4] },
  ],
  rejects: [{ x: [2, 3], b: [2], error: /^biasAdd: C is 3 in x but 2 in b/ }],
});

import { mean } from "../src/ops/mean";
import { ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

const average = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0) / x.length;

export default spec(mean, {
  tolerance: "average",
  reference: ({ x }) => ({ y: [average(x)] }),
  bench: [{ why: ofVolume, x: volume }],
  cases: [
    { why: "one stage", x: [3, 5, 7] },
    { why: "two stages", x: [4, 1001] },
  ],
});

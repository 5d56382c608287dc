import { subtract } from "../src/ops/subtract";
import { ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

export default spec(subtract, {
  tolerance: "ulp1",
  reference: ({ a, b }) => ({ y: a.map((v, i) => v - (b[i] ?? Number.NaN)) }),
  // dy itself is the gradient of the first operand: there is nothing to run.
  gradient: ["b"],
  bench: [{ why: ofVolume, a: volume, b: volume }],
  cases: [
    { why: "no multiple of four", a: [3, 5, 7], b: [3, 5, 7] },
    { why: "in fours, several workgroups", a: [5, 61, 4], b: [5, 61, 4] },
  ],
});

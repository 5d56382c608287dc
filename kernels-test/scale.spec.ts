import { scale } from "../src/ops/scale";
import { ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

export default spec(scale, {
  tolerance: "ulp1",
  reference: ({ x }, { by = 1 }) => ({ y: x.map((v) => v * by) }),
  bench: [{ why: ofVolume, x: volume, by: 0.5 }],
  cases: [
    { why: "no multiple of four", x: [3, 5, 7], by: -0.75 },
    { why: "in fours, several workgroups", x: [5, 61, 4], by: 3.5 },
  ],
});

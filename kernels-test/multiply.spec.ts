import { multiply } from "../src/ops/multiply";
import { ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

export default spec(multiply, {
  tolerance: "ulp1",
  reference: ({ a, b }) => ({ y: a.map((v, i) => v * (b[i] ?? Number.NaN)) }),
  bench: [{ why: ofVolume, a: volume, b: volume }],
  cases: [
    { why: "no multiple of four", a: [3, 5, 7], b: [3, 5, 7] },
    { why: "in fours, several workgroups", a: [5, 61, 4], b: [5, 61, 4] },
  ],
  rejects: [{ a: [2, 3], b: [3, 2], error: /^multiply: leading axes are \[2, 3\] in a but \[3, 2\] in b/ }],
});

import { add } from "../src/ops/add";
import { ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

export default spec(add, {
  tolerance: "ulp1",
  reference: ({ a, b }) => ({ y: a.map((v, i) => v + (b[i] ?? 0)) }),
  bench: [{ why: ofVolume, a: volume, b: volume }],
  cases: [
    { why: "a multiple of four", a: [2, 3, 8], b: [2, 3, 8] },
    { why: "not a multiple of four", a: [3, 5, 7], b: [3, 5, 7] },
    { why: "more than one workgroup, the last one partly filled", a: [1061], b: [1061] },
    { why: "a scalar", a: [], b: [] },
  ],
  rejects: [{ a: [2, 3], b: [3, 2], error: /^add: leading axes are \[2, 3\] in a but \[3, 2\] in b/ }],
});

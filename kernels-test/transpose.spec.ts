import { transpose } from "../src/ops/transpose";
import { weights } from "./bench-shapes";
import { spec } from "./spec";

export default spec(transpose, {
  tolerance: "copy",
  reference: ({ x }, { M, N }) => ({
    y: Array.from({ length: M * N }, (_, i) => x[(i % M) * N + Math.floor(i / M)] ?? 0),
  }),
  bench: [{ why: "a large layer's weights", x: weights }],
  cases: [
    { why: "rows and columns differ", x: [5, 7] },
    { why: "one row", x: [1, 70] },
    { why: "both in fours", x: [12, 20] },
    { why: "both in fours, more than a workgroup", x: [36, 68] },
  ],
});

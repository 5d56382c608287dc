import { spread, sum, sumParts, sumSlices, sumTotal } from "../src/ops/sum";
import { ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

const total = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0);

export default spec(sum, {
  bench: [{ why: ofVolume, x: volume }],
  tolerance: "gemm",
  reduction: () => 3000,
  magnitude: ({ x }, { by = 1 }) => ({ y: [total(x.map(Math.abs)) * Math.abs(by)] }),
  reference: ({ x }, { by = 1 }) => ({ y: [total(x) * by] }),
  cases: [
    { why: "one stage", x: [3, 5, 7], by: 0.5 },
    { why: "two stages", x: [3001], by: -2 },
    { why: "two stages, the outer axis kept", x: [5, 12, 37] },
  ],
});

export const sumPartsSpec = spec(sumParts, {
  bench: [{ why: ofVolume, x: [64, 12544], J: 1 }],
  tolerance: "gemm",
  reduction: ({ L = 1 }) => L,
  magnitude: ({ x }, { N, J = 1 }) => ({ y: new Float64Array(N * J).fill(total(x.map(Math.abs)) / N) }),
  // Which values go together depends on the kernel; J of 1 leaves no choice.
  reference: ({ x }, { N, L = 1 }) => ({
    y: Array.from({ length: N }, (_, n) => total(x.slice(n * L, (n + 1) * L))),
  }),
  cases: [
    { why: "odd", x: [3, 77], J: 1 },
    { why: "in fours", x: [5, 64], J: 1 },
  ],
});

export const sumTotalSpec = spec(sumTotal, {
  tolerance: "gemm",
  reduction: ({ M }) => M,
  magnitude: ({ x }, { by = 1 }) => ({ y: [total(x.map(Math.abs)) * Math.abs(by)] }),
  reference: ({ x }, { by = 1 }) => ({ y: [total(x) * by] }),
  cases: [
    { why: "fewer than a workgroup", x: [7], by: 3 },
    { why: "more than a workgroup", x: [611] },
  ],
});

export const sumSlicesSpec = spec(sumSlices, {
  bench: [{ why: "a 3×3 convolution's weight gradient in eight slices", x: [8, 64, 576] }],
  tolerance: "gemm",
  reduction: ({ Z = 1 }) => Z,
  reference: ({ x }, { Z = 1, M, C }) => ({
    y: Array.from({ length: M * C }, (_, i) =>
      total(Array.from({ length: Z }, (_, z) => x[z * M * C + i] ?? Number.NaN)),
    ),
  }),
  cases: [
    { why: "odd", x: [3, 7, 5] },
    { why: "in fours", x: [5, 9, 12] },
    { why: "one slice", x: [1, 4, 4] },
    { why: "more slices than threads share, more values than a workgroup", x: [75, 3, 20] },
    { why: "many slices of odd values", x: [40, 3, 7] },
    { why: "so many slices that each thread has several", x: [293, 3, 4] },
  ],
});

export const spreadSpec = spec(spread, {
  bench: [{ why: "as many as a large layer has parameters", x: [], M: 1048576 }],
  tolerance: "ulp1",
  reference: ({ x }, { M, by = 1 }) => ({ y: new Float64Array(M).fill((x[0] ?? Number.NaN) * by) }),
  cases: [
    { why: "odd", x: [], M: 77, by: 0.25 },
    { why: "in fours", x: [], M: 256 },
  ],
});

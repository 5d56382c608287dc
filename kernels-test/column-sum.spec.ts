import { columnParts, columnSum, columnTotal } from "../src/ops/column-sum";
import { ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

const columns = (x: ArrayLike<number>, C: number): Float64Array => {
  const y = new Float64Array(C);
  for (let i = 0; i < x.length; i++) y[i % C] = (y[i % C] ?? 0) + (x[i] ?? Number.NaN);
  return y;
};

export default spec(columnSum, {
  bench: [{ why: ofVolume, x: volume }],
  tolerance: "gemm",
  reduction: ({ C }) => 2000 / C,
  reference: ({ x }, { C }) => ({ y: columns(x, C) }),
  cases: [
    { why: "few rows", x: [3, 5, 7] },
    { why: "two stages, rows left over", x: [331, 7] },
    { why: "two stages, the outer axis kept", x: [3, 13, 11, 8] },
    { why: "a vector", x: [5] },
  ],
});

export const columnPartsSpec = spec(columnParts, {
  bench: [{ why: ofVolume, x: [4, 3136, 64], rows: 112 }],
  tolerance: "gemm",
  reduction: ({ rows = 1 }) => rows,
  reference: ({ x }, { N, L = 1, C, J = 1, rows = 1 }) => {
    const y = new Float64Array(N * J * C);
    for (let n = 0; n < N; n++)
      for (let l = 0; l < L; l++)
        for (let c = 0; c < C; c++) {
          const at = (n * J + Math.floor(l / rows)) * C + c;
          y[at] = (y[at] ?? 0) + (x[(n * L + l) * C + c] ?? Number.NaN);
        }
    return { y };
  },
  cases: [
    { why: "rows left over", x: [2, 11, 5], rows: 4 },
    { why: "channels in fours", x: [3, 9, 8], rows: 3 },
    { why: "one block", x: [2, 5, 4], rows: 9 },
  ],
  rejects: [{ x: [1, 2, 3], rows: 0, error: /^columnParts: rows is 0, expected at least 1/ }],
});

export const columnTotalSpec = spec(columnTotal, {
  bench: [{ why: "what blocks of that leave", x: [112, 64] }],
  tolerance: "gemm",
  reduction: ({ M }) => M,
  reference: ({ x }, { C }) => ({ y: columns(x, C) }),
  cases: [
    { why: "several workgroups", x: [37, 70] },
    { why: "channels in fours", x: [19, 72] },
    { why: "one row", x: [1, 5] },
  ],
});

import { concat2, concat3, concat4, slice, sliceGrad } from "../src/ops/concat";
import { type CaseSizes, spec, type Values } from "./spec";

/** Row by row the channels of every part. */
const side =
  (...parts: readonly Values[]) =>
  ({ SIZE, C }: CaseSizes) => {
    const rows = SIZE / C;
    const widths = parts.map((p) => p.length / rows);
    return {
      y: Array.from({ length: rows }, (_, row) =>
        parts.flatMap((p, k) => Array.from(p.subarray(row * (widths[k] ?? 0), (row + 1) * (widths[k] ?? 0)))),
      ).flat(),
    };
  };

export const concat2Spec = spec(concat2, {
  bench: [{ why: "GoogLeNet, 28×28", a: [8, 28, 28, 64], b: [8, 28, 28, 128] }],
  tolerance: "copy",
  reference: ({ a, b }, sizes) => side(a, b)(sizes),
  cases: [
    { why: "channels in fours", a: [2, 3, 5, 8], b: [2, 3, 5, 4] },
    { why: "odd channels", a: [1, 3, 2, 3], b: [1, 3, 2, 6] },
    { why: "vectors", a: [3], b: [1] },
  ],
  rejects: [
    { a: [2, 3, 4], b: [2, 2, 4], error: /^concat2: leading axes are \[2, 3\] in a but \[2, 2\] in b/ },
  ],
});

export const concat3Spec = spec(concat3, {
  bench: [{ why: "GoogLeNet, 28×28", a: [8, 28, 28, 64], b: [8, 28, 28, 128], c: [8, 28, 28, 32] }],
  tolerance: "copy",
  reference: ({ a, b, c }, sizes) => side(a, b, c)(sizes),
  cases: [
    { why: "channels in fours", a: [2, 3, 8], b: [2, 3, 12], c: [2, 3, 4] },
    { why: "odd channels", a: [5, 3], b: [5, 1], c: [5, 2] },
  ],
});

export const concat4Spec = spec(concat4, {
  bench: [
    {
      why: "GoogLeNet's first inception block",
      a: [8, 28, 28, 64],
      b: [8, 28, 28, 128],
      c: [8, 28, 28, 32],
      d: [8, 28, 28, 32],
    },
  ],
  tolerance: "copy",
  reference: ({ a, b, c, d }, sizes) => side(a, b, c, d)(sizes),
  cases: [
    { why: "an inception block", a: [1, 3, 4, 8], b: [1, 3, 4, 16], c: [1, 3, 4, 4], d: [1, 3, 4, 12] },
    { why: "odd channels", a: [5, 3], b: [5, 1], c: [5, 2], d: [5, 7] },
  ],
});

export const sliceSpec = spec(slice, {
  bench: [{ why: "out of GoogLeNet's first inception block", x: [8, 28, 28, 256], start: 64, count: 128 }],
  tolerance: "copy",
  reference: ({ x }, { C, start = 0, count = 0 }) => ({
    y: x.filter((_, i) => i % C >= start && i % C < start + count),
  }),
  cases: [
    { why: "channels in fours", x: [2, 3, 12], start: 4, count: 4 },
    { why: "odd channels", x: [4, 7], start: 2, count: 3 },
    { why: "the first", x: [2, 2, 8], count: 4 },
    { why: "everything", x: [3, 4], count: 4 },
  ],
  rejects: [
    { x: [2, 8], start: 5, count: 4, error: /^slice: channels 5 to 8 of only 8/ },
    { x: [2, 8], start: 5, count: 0, error: /^slice: count is 0, expected at least 1/ },
  ],
});

export const sliceGradSpec = spec(sliceGrad, {
  bench: [{ why: "out of GoogLeNet's first inception block", dy: [8, 28, 28, 128], start: 64, C: 256 }],
  tolerance: "copy",
  reference: ({ dy }, { SIZE, C, start = 0, count = 0 }) => ({
    dx: Float64Array.from({ length: SIZE }, (_, i) => {
      const c = (i % C) - start;
      return c < 0 || c >= count ? 0 : (dy[Math.floor(i / C) * count + c] ?? 0);
    }),
  }),
  cases: [
    { why: "channels in fours", dy: [2, 3, 4], start: 4, C: 12 },
    { why: "odd channels", dy: [4, 3], start: 2, C: 7 },
    { why: "the last", dy: [2, 2, 8], start: 8, C: 16 },
  ],
  rejects: [{ dy: [2, 8], start: 5, C: 12, error: /^sliceGrad: channels 5 to 12 of only 12/ }],
});

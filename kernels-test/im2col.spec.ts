import { im2col } from "../src/ops/im2col";
import { ofVolume, volume } from "./bench-shapes";
import { spec } from "./spec";

export default spec(im2col, {
  tolerance: "copy",
  reference: ({ x }, sizes) => {
    const { N, H, W, C, P, Q, R, S } = sizes;
    const { strideH = 1, strideW = 1, padH = 0, padW = 0, dilationH = 1, dilationW = 1 } = sizes;
    const y: number[] = [];
    for (let n = 0; n < N; n++)
      for (let p = 0; p < P; p++)
        for (let q = 0; q < Q; q++)
          for (let r = 0; r < R; r++)
            for (let s = 0; s < S; s++)
              for (let c = 0; c < C; c++) {
                const h = p * strideH + r * dilationH - padH;
                const w = q * strideW + s * dilationW - padW;
                const inside = h >= 0 && h < H && w >= 0 && w < W;
                y.push(inside ? (x[((n * H + h) * W + w) * C + c] ?? Number.NaN) : 0);
              }
    return { y };
  },
  bench: [{ why: `3×3 on ${ofVolume}`, x: volume, R: 3, S: 3, pad: 1 }],
  cases: [
    { why: "channels in fours", x: [2, 5, 7, 8], R: 3, S: 3, pad: 1 },
    { why: "odd, by axis", x: [2, 9, 7, 3], R: 3, S: 2, stride: [2, 1], pad: [1, 0], dilation: [1, 2] },
  ],
  rejects: [
    { x: [1, 2, 8, 3], R: 3, S: 3, error: /^im2col: the kernel spans 3×3 but the padded input is 2×8/ },
  ],
});

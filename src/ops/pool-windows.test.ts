import { expect, test } from "vitest";
import { pooledSizes } from "./pool-windows";

// Sizes as PyTorch gives them, so that no reference that is told the size can go wrong along with it.
test.each([
  { why: "exact fit, windows that overlap", size: 7, window: 3, stride: 2, pad: 0, floor: 3, ceil: 3 },
  { why: "exact fit, windows side by side", size: 8, window: 2, stride: 2, pad: 0, floor: 4, ceil: 4 },
  { why: "GoogLeNet's first pool", size: 112, window: 3, stride: 2, pad: 0, floor: 55, ceil: 56 },
  { why: "GoogLeNet's last pool", size: 14, window: 2, stride: 2, pad: 0, floor: 7, ceil: 7 },
  { why: "a rest of one", size: 5, window: 2, stride: 2, pad: 0, floor: 2, ceil: 3 },
  { why: "ResNet's pool", size: 112, window: 3, stride: 2, pad: 1, floor: 56, ceil: 57 },
  {
    why: "a last window that would begin in the padding behind",
    size: 4,
    window: 2,
    stride: 3,
    pad: 1,
    floor: 2,
    ceil: 2,
  },
  { why: "a window of one", size: 6, window: 1, stride: 4, pad: 0, floor: 2, ceil: 2 },
])("$why: $size by $window, stride $stride, pad $pad", ({ size, window, stride, pad, floor, ceil }) => {
  const attrs = { window: [window, 1], stride: [stride, 1], pad: [pad, 0] } as const;
  expect(pooledSizes({ H: size, W: 5 }, { ...attrs, ceilMode: false })).toEqual({ P: floor, Q: 5 });
  expect(pooledSizes({ H: size, W: 5 }, { ...attrs, ceilMode: true })).toEqual({ P: ceil, Q: 5 });
});

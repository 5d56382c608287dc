import { expect, test } from "vitest";
import { pooledSizes } from "./pool-windows";

// What PyTorch's MaxPool2d gives: size, window, stride, padding, and the outputs without and with ceil_mode.
test.each([
  [112, 3, 2, 0, 55, 56], // GoogLeNet's maxpool1
  [56, 3, 2, 0, 27, 28],
  [28, 3, 2, 0, 13, 14],
  [14, 2, 2, 0, 7, 7],
  [55, 3, 2, 0, 27, 27], // AlexNet's
  [110, 3, 2, 0, 54, 55], // ZFNet's
  [26, 3, 2, 0, 12, 13],
  [112, 3, 2, 1, 56, 57], // ResNet's
  [7, 3, 1, 1, 7, 7],
  [5, 2, 2, 0, 2, 3],
  [4, 2, 2, 1, 3, 3],
  [3, 2, 2, 1, 2, 2], // a third window would start past the input
  [5, 2, 2, 1, 3, 3],
  [2, 1, 3, 0, 1, 1],
  [4, 3, 5, 1, 1, 1], // the second would start in the padding behind
  [1, 2, 2, 1, 1, 1],
])("size %d, window %d, stride %d, padding %d: %d windows, %d in ceil mode", (size, ...rest) => {
  const [window, stride, pad, floor, ceil] = rest;
  const sizes = (ceilMode: boolean) =>
    pooledSizes(
      { H: size, W: 2 * size },
      { window: [window, 1], stride: [stride, 1], pad: [pad, 0], ceilMode },
    );
  expect(sizes(false)).toEqual({ P: floor, Q: 2 * size });
  expect(sizes(true)).toEqual({ P: ceil, Q: 2 * size });
});

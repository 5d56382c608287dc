import type { KernelContext, Lowering, Sizes } from "../kernel";
import type { Tensor } from "../tensor";
import { batchedMatmulTNSlices } from "./batched-matmul";
import { matmul, matmulNT } from "./matmul";
import { reshape } from "./reshape";
import { slicesFor, sumOfParts } from "./slices";
import { transpose } from "./transpose";

// A 1×1 convolution without stride is a product of matrices, the pixels of all images by the channels: nothing has to find
// out where a row lies in an image.

/** Why it is no product of matrices. No tensor of it may be cut into windows of images. */
function notPointwise(sizes: Sizes, { limits }: KernelContext): string | undefined {
  const { R, S, C = 1, K = 1, H = 1, W = 1, P, Q, N = 1, groups } = sizes;
  if (R !== 1 || S !== 1) return `the kernel is ${R}×${S}, not 1×1`;
  if (groups !== 1) return `the channels are in ${groups} groups`;
  if (sizes.strideH !== 1 || sizes.strideW !== 1) return `the stride is ${sizes.strideH}, ${sizes.strideW}`;
  if (P !== H || Q !== W) return `the padding is ${sizes.padH}, ${sizes.padW}`;
  const bytes = 4 * N * H * W * Math.max(C, K);
  if (bytes > limits.maxStorageBufferBindingSize)
    return `its pixels take ${bytes} bytes, more than a binding`;
  return undefined;
}

const pixels = ({ N = 1, H = 1, W = 1 }: Sizes): number => N * H * W;

export const pointwise: Lowering = {
  name: "pointwise",
  rejects: notPointwise,
  lower: (inputs, _, sizes) => {
    const { x, w } = inputs as Record<"x" | "w", Tensor>;
    const { N = 1, H = 1, W = 1, C = 1, K = 1 } = sizes;
    const [a, b] = [reshape(x, [pixels(sizes), C]), reshape(w, [K, C])];
    const { y } = matmulNT({ a, b });
    return { y: reshape(y, [N, H, W, K]) };
  },
};

export const pointwiseGradX: Lowering = {
  name: "pointwise",
  rejects: notPointwise,
  // On a software adapter only what takes long is worth more pipelines.
  suits: (sizes, { adapterClass }) =>
    adapterClass === "gpu" || pixels(sizes) * (sizes.C ?? 1) * (sizes.K ?? 1) >= 2 ** 26,
  lower: (inputs, _, sizes) => {
    const { dy, w } = inputs as Record<"dy" | "w", Tensor>;
    const { N = 1, H = 1, W = 1, C = 1, K = 1 } = sizes;
    const { y } = matmul({ a: reshape(dy, [pixels(sizes), K]), b: reshape(w, [K, C]) });
    return { dx: reshape(y, [N, H, W, C]) };
  },
};

/**
 * Pixels from which a software adapter takes the wider factor as the left one, which its tiles read once, although the result
 * is to be transposed then.
 */
const turnedFrom = 2048;

export const pointwiseGradW: Lowering = {
  name: "pointwise",
  rejects: notPointwise,
  lower: (inputs, _, sizes, context) => {
    const { dy, x } = inputs as Record<"dy" | "x", Tensor>;
    const { C = 1, K = 1 } = sizes;
    const L = pixels(sizes);
    const [a, b] = [reshape(dy, [1, L, K]), reshape(x, [1, L, C])];
    const Z = slicesFor(K, C, 1, L, context);
    const isTurned = context.adapterClass === "software" && K < C && L >= turnedFrom;
    if (!isTurned) return { dw: sumOfParts(batchedMatmulTNSlices({ a, b, Z }).y, [K, 1, 1, C]) };
    const turned = sumOfParts(batchedMatmulTNSlices({ a: b, b: a, Z }).y, [C, 1, 1, K]);
    return { dw: reshape(transpose({ x: reshape(turned, [C, K]) }).y, [K, 1, 1, C]) };
  },
};

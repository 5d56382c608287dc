import type { KernelContext, Lowering, Sizes } from "../kernel";
import type { Tensor } from "../tensor";
import { batchedMatmulNT, batchedMatmulTNSlices } from "./batched-matmul";
import { slicesFor } from "./slices";
import { winogradFilter, winogradGradient, winogradInput, winogradOutput, winogradWeights } from "./winograd";

/** Why F(2×2, 3×3) does not compute a convolution, or its gradients. No tensor of it may be cut into windows. */
function notWinograd(sizes: Sizes, { limits }: KernelContext): string | undefined {
  const { R, S, C = 1, K = 1, groups, padH = 0, padW = 0 } = sizes;
  const { strideH, strideW, dilationH, dilationW } = sizes;
  if (R !== 3 || S !== 3) return `the kernel is ${R}×${S}, not 3×3`;
  if (groups !== 1) return `the channels are in ${groups} groups`;
  if (strideH !== 1 || strideW !== 1) return `the stride is ${strideH}, ${strideW}`;
  if (dilationH !== 1 || dilationW !== 1) return "the kernel is dilated";
  if (padH > 2 || padW > 2) return `the padding is ${padH}, ${padW}, more than 2`;
  const bytes = 64 * Math.max(C, K) * Math.max(tilesOf(sizes), C, K);
  if (bytes > limits.maxStorageBufferBindingSize) return `the tiles take ${bytes} bytes, more than a binding`;
  return undefined;
}

/** Tiles of two by two positions, of the input or of the output, whichever are more. */
const tilesOf = ({ N = 1, H = 1, W = 1, P = 1, Q = 1 }: Sizes): number =>
  N * Math.max(Math.ceil(H / 2) * Math.ceil(W / 2), Math.ceil(P / 2) * Math.ceil(Q / 2));

/**
 * Where F(2×2, 3×3) was measured to win. On a GPU the transforms' memory traffic has to be little beside the products: many
 * channels. On a software adapter tiles have to be enough that the transform of the weights does not matter, and the whole
 * large enough to be worth four more pipelines.
 */
const suitsWinograd = (sizes: Sizes, { adapterClass }: KernelContext): boolean => {
  const { C = 1, K = 1 } = sizes;
  if (adapterClass === "gpu") return Math.min(C, K) >= 128;
  const tiles = tilesOf(sizes);
  return Math.min(C, K) >= 32 && tiles >= 32 && 72 * tiles * C * K >= 2 ** 27;
};

/** The same for the gradient of the weights: there the filters' transform is the last, over the sums of all tiles. */
const suitsWinogradGradW = (sizes: Sizes, { adapterClass }: KernelContext): boolean => {
  const { C = 1, K = 1 } = sizes;
  if (Math.min(C, K) < 64) return false;
  const tiles = tilesOf(sizes);
  return adapterClass === "gpu" || (tiles >= 48 && 72 * tiles * C * K >= 2 ** 27);
};

/** For each of the 16 places of a tile one matrix product. */
const products = (x: Tensor, u: Tensor, pad: readonly [number, number]): Tensor =>
  batchedMatmulNT({ a: winogradInput({ x, pad }).y, b: u }).y;

/** F(2×2, 3×3): 16 multiplications where the definition has 36, at the price of three transforms. */
export const winograd: Lowering = {
  name: "winograd",
  rejects: notWinograd,
  suits: suitsWinograd,
  lower: (inputs, { pad }, { N = 1, P = 1, Q = 1 }) => {
    const { x, w } = inputs as Record<"x" | "w", Tensor>;
    const m = products(x, winogradWeights({ w }).u, pad as readonly [number, number]);
    return { y: winogradOutput({ m, N, P, Q }).y };
  },
};

/** The gradient of the input is a convolution of dy with the filters turned by half a turn. */
export const winogradGradX: Lowering = {
  name: "winograd",
  rejects: notWinograd,
  suits: suitsWinograd,
  lower: (inputs, _, { N = 1, H = 1, W = 1, padH = 0, padW = 0 }) => {
    const { dy, w } = inputs as Record<"dy" | "w", Tensor>;
    const m = products(dy, winogradWeights({ w, turned: true }).u, [2 - padH, 2 - padW]);
    return { dx: winogradOutput({ m, N, P: H, Q: W }).y };
  },
};

/** Tiles below which a weight's sum is so short that the transforms' rounding, which follows a tile's largest value, shows. */
const fewestTiles = 8;

/** The adjoint of F(2×2, 3×3) in the filters: 16 products over the tiles, where the definition has 36. */
export const winogradGradW: Lowering = {
  name: "winograd",
  rejects: (sizes, context) =>
    tilesOf(sizes) < fewestTiles
      ? `${tilesOf(sizes)} tiles are too few for its accuracy`
      : notWinograd(sizes, context),
  suits: suitsWinogradGradW,
  lower: (inputs, { pad }, sizes, context) => {
    const { dy, x } = inputs as Record<"dy" | "x", Tensor>;
    const { K = 1, C = 1 } = sizes;
    const a = winogradGradient({ dy }).e;
    const b = winogradInput({ x, pad: pad as readonly [number, number] }).y;
    const Z = slicesFor(K, C, 16, tilesOf(sizes), context);
    return { dw: winogradFilter({ m: batchedMatmulTNSlices({ a, b, Z }).y }).w };
  },
};

import type { Side } from "../../shaders/lib/winograd-transforms";
import type { KernelContext, Lowering, Sizes } from "../kernel";
import type { Tensor } from "../tensor";
import { batchedMatmulNT, batchedMatmulTNSlices } from "./batched-matmul";
import { slicesFor, sumOfParts } from "./slices";
import { winogradFilter, winogradGradient, winogradInput, winogradOutput, winogradWeights } from "./winograd";

/** Tiles below which a weight's sum is so short that the rounding of the transforms shows. */
const fewestTiles = { 2: 8, 4: 16 } as const;
/** The same for the channels of a position's sum. Rounding follows a tile's largest value, in the larger transforms more. */
const fewestChannels = 16;

/** Why F(side×side, 3×3) does not compute a convolution, or its gradients. No tensor of it may be cut into windows. */
function notWinograd(side: Side, sizes: Sizes, { limits }: KernelContext): string | undefined {
  const { R, S, C = 1, K = 1, groups, padH = 0, padW = 0 } = sizes;
  const { strideH, strideW, dilationH, dilationW } = sizes;
  if (R !== 3 || S !== 3) return `the kernel is ${R}×${S}, not 3×3`;
  if (groups !== 1) return `the channels are in ${groups} groups`;
  if (strideH !== 1 || strideW !== 1) return `the stride is ${strideH}, ${strideW}`;
  if (dilationH !== 1 || dilationW !== 1) return "the kernel is dilated";
  if (padH > 2 || padW > 2) return `the padding is ${padH}, ${padW}, more than 2`;
  const bytes = 4 * (side + 2) ** 2 * Math.max(C, K) * Math.max(tilesOf(side, sizes), C, K);
  if (bytes > limits.maxStorageBufferBindingSize) return `the tiles take ${bytes} bytes, more than a binding`;
  return undefined;
}

/** Tiles of two by two positions, or four by four, of the input or of the output, whichever are more. */
const tilesOf = (side: Side, { N = 1, H = 1, W = 1, P = 1, Q = 1 }: Sizes): number =>
  N * Math.max(Math.ceil(H / side) * Math.ceil(W / side), Math.ceil(P / side) * Math.ceil(Q / side));

/** Work, in multiplications of the definition, below which a software adapter does not get back what four pipelines cost. */
const leastWork = 2 ** 26;
/** The same for F(4×4, 3×3) on any adapter: its rounding is twice as large, so only where the time counts. */
const leastWorkLarge = 2 ** 28;
/** Tiles of four by four below which the larger transform of the weights costs more than the products save. */
const fewestLarge = 32;
/** The same for the gradient of the weights on a software adapter, where they are the products' result, and large beside them. */
const fewestLargeGradW = 128;

const workOf = ({ N = 1, P = 1, Q = 1, C = 1, K = 1 }: Sizes): number => 9 * N * P * Q * C * K;
/** Whether larger tiles make fewer products, those past the edge of the image counted in, of a layer worth it. */
const suitsLarge = (sizes: Sizes, fewest: number): boolean =>
  tilesOf(4, sizes) >= fewest &&
  36 * tilesOf(4, sizes) < 16 * tilesOf(2, sizes) &&
  workOf(sizes) >= leastWorkLarge;

/**
 * Where it was measured to win. On a GPU the transforms' memory traffic has to be little beside the products: many channels.
 * On a software adapter tiles have to be enough that the transform of the weights does not matter, and the whole large
 * enough to be worth four more pipelines.
 */
const suitsWinograd = (side: Side, sizes: Sizes, { adapterClass }: KernelContext): boolean => {
  const channels = Math.min(sizes.C ?? 1, sizes.K ?? 1);
  if (side === 4 && !suitsLarge(sizes, fewestLarge)) return false;
  if (adapterClass === "gpu") return channels >= (side === 4 ? 64 : 128);
  return channels >= 32 && tilesOf(side, sizes) >= 32 && workOf(sizes) >= leastWork;
};

/** The same for the gradient of the weights: there the filters' transform is the last, over the sums of all tiles. */
const suitsWinogradGradW = (side: Side, sizes: Sizes, { adapterClass }: KernelContext): boolean => {
  const channels = Math.min(sizes.C ?? 1, sizes.K ?? 1);
  if (side === 4 && !suitsLarge(sizes, adapterClass === "gpu" ? fewestLarge : fewestLargeGradW)) return false;
  if (adapterClass === "gpu") return channels >= (side === 4 ? 64 : 128);
  return channels >= (side === 4 ? 32 : 64) && tilesOf(side, sizes) >= 48 && workOf(sizes) >= leastWork;
};

/** For each place of a tile one matrix product. */
const products = (side: Side, x: Tensor, u: Tensor, pad: readonly [number, number]): Tensor =>
  batchedMatmulNT({ a: winogradInput({ x, pad, side }).y, b: u }).y;

/** Why sums over so many terms, of channels or of tiles, are too short. */
const tooShort = (terms: number, fewest: number, of: string): string | undefined =>
  terms < fewest ? `${terms} ${of} are too few for its accuracy` : undefined;

/**
 * F(2×2, 3×3): 16 multiplications where the definition has 36, at the price of three transforms; or F(4×4, 3×3): 36 where it
 * has 144.
 */
const winograd = (side: Side): Lowering => ({
  name: `winograd${side}`,
  rejects: (sizes, context) =>
    notWinograd(side, sizes, context) ??
    (side === 4 ? tooShort(sizes.C ?? 1, fewestChannels, "channels") : undefined),
  suits: (sizes, context) => suitsWinograd(side, sizes, context),
  lower: (inputs, { pad }, { N = 1, P = 1, Q = 1 }) => {
    const { x, w } = inputs as Record<"x" | "w", Tensor>;
    const m = products(side, x, winogradWeights({ w, side }).u, pad as readonly [number, number]);
    return { y: winogradOutput({ m, N, P, Q, side }).y };
  },
});

/** The gradient of the input is a convolution of dy with the filters turned by half a turn. */
const gradX = (side: Side): Lowering => ({
  name: `winograd${side}`,
  rejects: (sizes, context) =>
    notWinograd(side, sizes, context) ??
    (side === 4 ? tooShort(sizes.K ?? 1, fewestChannels, "channels") : undefined),
  suits: (sizes, context) => suitsWinograd(side, sizes, context),
  lower: (inputs, _, { N = 1, H = 1, W = 1, padH = 0, padW = 0 }) => {
    const { dy, w } = inputs as Record<"dy" | "w", Tensor>;
    const { u } = winogradWeights({ w, turned: true, side });
    const m = products(side, dy, u, [2 - padH, 2 - padW]);
    return { dx: winogradOutput({ m, N, P: H, Q: W, side }).y };
  },
});

/** Slices that the threads of the filters' transform add up on a GPU: they are few, so more are added up before. */
const fewSlices = 4;

/** The adjoint in the filters: as many products over the tiles. */
const gradW = (side: Side): Lowering => ({
  name: `winograd${side}`,
  rejects: (sizes, context) =>
    tooShort(tilesOf(side, sizes), fewestTiles[side], "tiles") ?? notWinograd(side, sizes, context),
  suits: (sizes, context) => suitsWinogradGradW(side, sizes, context),
  lower: (inputs, { pad }, sizes, context) => {
    const { dy, x } = inputs as Record<"dy" | "x", Tensor>;
    const { K = 1, C = 1 } = sizes;
    const a = winogradGradient({ dy, side }).e;
    const b = winogradInput({ x, pad: pad as readonly [number, number], side }).y;
    const X = (side + 2) ** 2;
    const Z = slicesFor(K, C, X, tilesOf(side, sizes), context);
    const { y } = batchedMatmulTNSlices({ a, b, Z });
    const m = Z > fewSlices && context.adapterClass === "gpu" ? sumOfParts(y, [1, X, K, C]) : y;
    return { dw: winogradFilter({ m, side }).w };
  },
});

const sides = [4, 2] as const;
export const winogradLowerings: readonly Lowering[] = sides.map(winograd);
export const winogradGradXLowerings: readonly Lowering[] = sides.map(gradX);
export const winogradGradWLowerings: readonly Lowering[] = sides.map(gradW);

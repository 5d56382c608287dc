import { places, type Side } from "../../shaders/lib/winograd-transforms";
import type { KernelContext, Lowering, Sizes } from "../kernel";
import type { Tensor } from "../tensor";
import { batchedMatmulNT, batchedMatmulTNSlices } from "./batched-matmul";
import { slicesFor, sumOfParts } from "./slices";
import { winogradFilter, winogradGradient, winogradInput, winogradOutput, winogradWeights } from "./winograd";

/** Tiles below which a weight's sum is so short that the rounding of the transforms shows. */
const fewestTiles = { 2: 8, 4: 16 } as const;
/** The same for the channels of a position's sum. Rounding follows a tile's largest value, in the larger transforms more. */
const fewestChannels = { 2: 1, 4: 16 } as const;

/** Why F(side×side, 3×3) does not compute a convolution, or its gradients. No tensor of it may be cut into windows. */
function notWinograd(side: Side, sizes: Sizes, { limits }: KernelContext): string | undefined {
  const { R, S, C = 1, K = 1, groups, padH = 0, padW = 0 } = sizes;
  const { strideH, strideW, dilationH, dilationW } = sizes;
  if (R !== 3 || S !== 3) return `the kernel is ${R}×${S}, not 3×3`;
  if (groups !== 1) return `the channels are in ${groups} groups`;
  if (strideH !== 1 || strideW !== 1) return `the stride is ${strideH}, ${strideW}`;
  if (dilationH !== 1 || dilationW !== 1) return "the kernel is dilated";
  if (padH > 2 || padW > 2) return `the padding is ${padH}, ${padW}, more than 2`;
  const bytes = 4 * places(side) ** 2 * Math.max(C, K) * Math.max(tilesOf(side, sizes), C, K);
  if (bytes > limits.maxStorageBufferBindingSize) return `the tiles take ${bytes} bytes, more than a binding`;
  return undefined;
}

/** Tiles of two by two positions, or four by four, of the input or of the output, whichever are more. */
const tilesOf = (side: Side, { N = 1, H = 1, W = 1, P = 1, Q = 1 }: Sizes): number =>
  N * Math.max(Math.ceil(H / side) * Math.ceil(W / side), Math.ceil(P / side) * Math.ceil(Q / side));

/** The smallest layers that it suits: channels of either side, tiles, and multiplications of the definition. */
interface Least {
  readonly channels: number;
  readonly tiles: number;
  readonly work: number;
}

// Where it was measured to win. On a GPU the transforms' memory traffic has to be little beside the products: many channels.
// On a software adapter tiles have to be enough that the transform of the weights does not matter, and the whole large enough
// to be worth four more pipelines. F(4×4, 3×3) rounds twice as much, so on any adapter it is only for layers whose time counts.
const onGpu: Readonly<Record<Side, Least>> = {
  2: { channels: 128, tiles: 1, work: 1 },
  4: { channels: 64, tiles: 32, work: 2 ** 28 },
};
const onSoftware: Readonly<Record<Side, Least>> = {
  2: { channels: 32, tiles: 48, work: 2 ** 26 },
  4: { channels: 32, tiles: 32, work: 2 ** 28 },
};
/** In the gradient of the weights their transform is the last, over the sums of all tiles, and large beside the products. */
const onSoftwareGradW: Readonly<Record<Side, Least>> = {
  2: { channels: 64, tiles: 96, work: 2 ** 26 },
  4: { channels: 32, tiles: 128, work: 2 ** 28 },
};

const suits =
  (side: Side, software: Readonly<Record<Side, Least>>) =>
  (sizes: Sizes, { adapterClass }: KernelContext): boolean => {
    const { N = 1, P = 1, Q = 1, C = 1, K = 1 } = sizes;
    const least = (adapterClass === "gpu" ? onGpu : software)[side];
    // With those past the edge of the image counted in, larger tiles can make more products.
    const isFewest = side === 2 || 36 * tilesOf(4, sizes) < 16 * tilesOf(2, sizes);
    return (
      isFewest &&
      Math.min(C, K) >= least.channels &&
      tilesOf(side, sizes) >= least.tiles &&
      9 * N * P * Q * C * K >= least.work
    );
  };

/** For each place of a tile one matrix product. */
const products = (side: Side, x: Tensor, u: Tensor, pad: readonly [number, number]): Tensor =>
  batchedMatmulNT({ a: winogradInput({ x, pad, side }).y, b: u }).y;

/** Why sums over so many terms, of channels or of tiles, are too short. */
const tooShort = (terms: number, fewest: number, of: string): string | undefined =>
  terms < fewest ? `${terms} ${of} are too few for its accuracy` : undefined;

/** A convolution whose sums run over the channels of that axis. */
const over = (side: Side, axis: "C" | "K", lower: Lowering["lower"]): Lowering => ({
  name: `winograd${side}`,
  rejects: (sizes, context) =>
    notWinograd(side, sizes, context) ?? tooShort(sizes[axis] ?? 1, fewestChannels[side], "channels"),
  suits: suits(side, onSoftware),
  lower,
});

/**
 * F(2×2, 3×3): 16 multiplications where the definition has 36, at the price of three transforms; or F(4×4, 3×3): 36 where it
 * has 144.
 */
const winograd = (side: Side): Lowering =>
  over(side, "C", (inputs, { pad }, { N = 1, P = 1, Q = 1 }) => {
    const { x, w } = inputs as Record<"x" | "w", Tensor>;
    const m = products(side, x, winogradWeights({ w, side }).u, pad as readonly [number, number]);
    return { y: winogradOutput({ m, N, P, Q, side }).y };
  });

/** The gradient of the input is a convolution of dy with the filters turned by half a turn. */
const gradX = (side: Side): Lowering =>
  over(side, "K", (inputs, _, { N = 1, H = 1, W = 1, padH = 0, padW = 0 }) => {
    const { dy, w } = inputs as Record<"dy" | "w", Tensor>;
    const { u } = winogradWeights({ w, turned: true, side });
    const m = products(side, dy, u, [2 - padH, 2 - padW]);
    return { dx: winogradOutput({ m, N, P: H, Q: W, side }).y };
  });

/** Slices that the threads of the filters' transform add up on a GPU: they are few, so more are added up before. */
const fewSlices = 4;

/** The adjoint in the filters: as many products over the tiles. */
const gradW = (side: Side): Lowering => ({
  name: `winograd${side}`,
  rejects: (sizes, context) =>
    tooShort(tilesOf(side, sizes), fewestTiles[side], "tiles") ?? notWinograd(side, sizes, context),
  suits: suits(side, onSoftwareGradW),
  lower: (inputs, { pad }, sizes, context) => {
    const { dy, x } = inputs as Record<"dy" | "x", Tensor>;
    const { K = 1, C = 1 } = sizes;
    const a = winogradGradient({ dy, side }).e;
    const b = winogradInput({ x, pad: pad as readonly [number, number], side }).y;
    const X = places(side) ** 2;
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

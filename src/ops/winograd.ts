import { places, sideOf } from "../../shaders/lib/winograd-transforms";
import {
  winogradFilterKernels,
  winogradGradientKernels,
  winogradInputKernels,
  winogradOutputKernels,
  winogradWeightsKernels,
} from "../../shaders/winograd";
import { defineOp, flag, int, pair } from "../op";

// The transforms around the products of F(2×2, 3×3) and F(4×4, 3×3), and their adjoints for the gradient of the weights:
// Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2015. `side` is the number of outputs along a side of a
// tile, 2 or 4. Tiles are counted image by image, row by row; X are the places of a tile, (side + 2)².

const tiles = (outputs: number, side: number): number => Math.ceil(outputs / side);
const placesOf = (side: number): number => places(sideOf(side)) ** 2;
const notASide = (side: number): string | undefined =>
  side === 2 || side === 4 ? undefined : `side is ${side}, expected 2 or 4`;

/** Bᵀ d B of every tile of inputs, which overlap by two: what a 3×3 convolution of stride 1 sees. */
export const winogradInput = defineOp({
  name: "winogradInput",
  inputs: { x: "N H W C" },
  outputs: { y: "X L C" },
  attrs: { pad: pair(0), side: int },
  dims: ({ N, H, W }, { pad, side }) => ({
    L: N * tiles(H + 2 * pad[0] - 2, side) * tiles(W + 2 * pad[1] - 2, side),
    X: placesOf(side),
  }),
  check: ({ H, W }, { pad, side }) =>
    H + 2 * pad[0] > 2 && W + 2 * pad[1] > 2
      ? notASide(side)
      : `the kernel spans 3×3 but the padded input is ${H + 2 * pad[0]}×${W + 2 * pad[1]}`,
  flops: ({ L = 0, C = 0, side = 0 }) => (side === 4 ? 264 : 32) * L * C,
  kernels: winogradInputKernels,
});

/**
 * G g Gᵀ of every 3×3 filter: u is [X, K, C], or, `turned` for the gradient of the input, [X, C, K] of the filters turned
 * by half a turn.
 */
export const winogradWeights = defineOp({
  name: "winogradWeights",
  inputs: { w: "K R S C" },
  outputs: { u: "X A B" },
  attrs: { turned: flag(false), side: int },
  dims: ({ K, C }, { turned, side }) => ({ X: placesOf(side), A: turned ? C : K, B: turned ? K : C }),
  check: ({ R, S }, { side }) =>
    R === 3 && S === 3 ? notASide(side) : `the kernel is ${R}×${S}, expected 3×3`,
  flops: ({ K = 0, C = 0, side = 0 }) => (side === 4 ? 117 : 35) * K * C,
  kernels: winogradWeightsKernels,
});

/** Aᵀ m A of every tile of products: `side` by `side` outputs each, those past the edge left out. */
export const winogradOutput = defineOp({
  name: "winogradOutput",
  inputs: { m: "X L K" },
  outputs: { y: "N P Q K" },
  attrs: { N: int, P: int, Q: int, side: int },
  check: ({ L, X, N, P, Q }, { side }) => {
    const [l, x] = [N * tiles(P, side) * tiles(Q, side), placesOf(side)];
    return X === x && L === l ? notASide(side) : `m has ${L} tiles of ${X}, expected ${l} of ${x}`;
  },
  flops: ({ L = 0, K = 0, side = 0 }) => (side === 4 ? 160 : 24) * L * K,
  kernels: winogradOutputKernels,
});

/** A dy Aᵀ of every tile of output gradients, those past the edge zero. */
export const winogradGradient = defineOp({
  name: "winogradGradient",
  inputs: { dy: "N P Q K" },
  outputs: { e: "X L K" },
  attrs: { side: int },
  dims: ({ N, P, Q }, { side }) => ({ L: N * tiles(P, side) * tiles(Q, side), X: placesOf(side) }),
  check: (_, { side }) => notASide(side),
  flops: ({ L = 0, K = 0, side = 0 }) => (side === 4 ? 140 : 12) * L * K,
  kernels: winogradGradientKernels,
});

/** Gᵀ m G of every filter's products, which are added up over Z slices first: nine taps each. */
export const winogradFilter = defineOp({
  name: "winogradFilter",
  inputs: { m: "Z X K C : f32" },
  outputs: { w: "K R S C" },
  attrs: { side: int },
  dims: () => ({ R: 3, S: 3 }),
  check: ({ X }, { side }) =>
    X === placesOf(side) ? notASide(side) : `a tile has ${placesOf(side)} places, m has ${X}`,
  flops: ({ Z = 0, K = 0, C = 0, side = 0 }) => (side === 4 ? 36 * Z + 135 : 16 * Z + 49) * K * C,
  kernels: winogradFilterKernels,
});

import {
  winogradFilterKernels,
  winogradGradientKernels,
  winogradInputKernels,
  winogradOutputKernels,
  winogradWeightsKernels,
} from "../../shaders/winograd";
import { defineOp, flag, int, pair } from "../op";

// The transforms around the products of F(2×2, 3×3), and their adjoints for the gradient of the weights: Lavin & Gray,
// Fast Algorithms for Convolutional Neural Networks, 2015. Tiles are counted image by image, row by row; X are the 16
// places of a tile.

const tiles = (outputs: number): number => Math.ceil(outputs / 2);

/** Bᵀ d B of every tile of four by four inputs, two apart: what a 3×3 convolution of stride 1 sees. */
export const winogradInput = defineOp({
  name: "winogradInput",
  inputs: { x: "N H W C" },
  outputs: { y: "X L C" },
  attrs: { pad: pair(0) },
  dims: ({ N, H, W }, { pad }) => ({
    L: N * tiles(H + 2 * pad[0] - 2) * tiles(W + 2 * pad[1] - 2),
    X: 16,
  }),
  check: ({ H, W }, { pad }) =>
    H + 2 * pad[0] > 2 && W + 2 * pad[1] > 2
      ? undefined
      : `the kernel spans 3×3 but the padded input is ${H + 2 * pad[0]}×${W + 2 * pad[1]}`,
  flops: ({ L = 0, C = 0 }) => 32 * L * C,
  kernels: winogradInputKernels,
});

/**
 * G g Gᵀ of every 3×3 filter: u is [16, K, C], or, `turned` for the gradient of the input, [16, C, K] of the filters
 * turned by half a turn.
 */
export const winogradWeights = defineOp({
  name: "winogradWeights",
  inputs: { w: "K R S C" },
  outputs: { u: "X A B" },
  attrs: { turned: flag(false) },
  dims: ({ K, C }, { turned }) => ({ X: 16, A: turned ? C : K, B: turned ? K : C }),
  check: ({ R, S }) => (R === 3 && S === 3 ? undefined : `the kernel is ${R}×${S}, expected 3×3`),
  flops: ({ K = 0, C = 0 }) => 56 * K * C,
  kernels: winogradWeightsKernels,
});

/** Aᵀ m A of every tile of products: two by two outputs each, those past the edge left out. */
export const winogradOutput = defineOp({
  name: "winogradOutput",
  inputs: { m: "X L K" },
  outputs: { y: "N P Q K" },
  attrs: { N: int, P: int, Q: int },
  check: ({ L, X, N, P, Q }) =>
    X === 16 && L === N * tiles(P) * tiles(Q)
      ? undefined
      : `m has ${L} tiles of ${X}, expected ${N * tiles(P) * tiles(Q)} of 16`,
  flops: ({ L = 0, K = 0 }) => 24 * L * K,
  kernels: winogradOutputKernels,
});

/** A dy Aᵀ of every tile of two by two output gradients, those past the edge zero. */
export const winogradGradient = defineOp({
  name: "winogradGradient",
  inputs: { dy: "N P Q K" },
  outputs: { e: "X L K" },
  dims: ({ N, P, Q }) => ({ L: N * tiles(P) * tiles(Q), X: 16 }),
  flops: ({ L = 0, K = 0 }) => 12 * L * K,
  kernels: winogradGradientKernels,
});

/** Gᵀ m G of every filter's 16 products, which are added up over Z slices first: nine taps each. */
export const winogradFilter = defineOp({
  name: "winogradFilter",
  inputs: { m: "Z X K C : f32" },
  outputs: { w: "K R S C" },
  dims: () => ({ R: 3, S: 3 }),
  check: ({ X }) => (X === 16 ? undefined : `a tile has 16 places, m has ${X}`),
  flops: ({ Z = 0, K = 0, C = 0 }) => (16 * Z + 48) * K * C,
  kernels: winogradFilterKernels,
});

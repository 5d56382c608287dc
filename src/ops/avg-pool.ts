import { avgPoolGradKernels, avgPoolKernels } from "../../shaders/avg-pool";
import { type DefinedOp, defineOp, flag, int, pair } from "../op";
import { checkPool, checkPoolGrad, pooledSizes } from "./pool-windows";

const attrs = {
  window: pair(2),
  stride: pair(2),
  pad: pair(0),
  ceilMode: flag(false),
  countIncludePad: flag(true),
} as const;
const gradAttrs = { H: int, W: int, ...attrs } as const;

/** The flag as a number, so that kernels take it as a parameter. */
const padCounts = (own: { readonly countIncludePad: boolean }) => ({
  padCounts: own.countIncludePad ? 1 : 0,
});

/**
 * Mean over windows, as PyTorch defines it: with `countIncludePad` the zeros of the padding count among the values
 * (those past the padding, in ceil mode, never do).
 */
export const avgPool: DefinedOp<{ x: "N H W C" }, { y: "N P Q C" }, typeof attrs> = defineOp({
  name: "avgPool",
  inputs: { x: "N H W C" },
  outputs: { y: "N P Q C" },
  attrs,
  dims: (sizes, own) => ({ ...pooledSizes(sizes, own), ...padCounts(own) }),
  check: checkPool,
  grad: ({ dy }, own, { H, W }) => ({ x: avgPoolGrad({ dy, H, W, ...own }).dx }),
  flops: ({ SIZE = 0, windowH = 0, windowW = 0 }) => SIZE * windowH * windowW,
  kernels: avgPoolKernels,
});

/** Gradient of `avgPool`: every input gathers its share of dy from the windows that cover it. */
export const avgPoolGrad: DefinedOp<{ dy: "N P Q C" }, { dx: "N H W C" }, typeof gradAttrs> = defineOp({
  name: "avgPoolGrad",
  inputs: { dy: "N P Q C" },
  outputs: { dx: "N H W C" },
  attrs: gradAttrs,
  dims: (_, own) => padCounts(own),
  check: checkPoolGrad,
  // The pooling is linear, so it is its gradient's gradient.
  grad: ({ ddx }, { H: _H, W: _W, ...own }) => ({ dy: avgPool({ x: ddx, ...own }).y }),
  kernels: avgPoolGradKernels,
});

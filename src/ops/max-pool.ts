import { maxPoolGradKernels, maxPoolKernels, maxPoolValuesKernels } from "../../shaders/max-pool";
import { defineOp, flag, int, pair } from "../op";
import { checkPool, checkPoolGrad, pooledSizes } from "./pool-windows";

const attrs = { window: pair(2), stride: pair(2), pad: pair(0), ceilMode: flag(false) } as const;

/**
 * Maximum over windows, with the padding (−∞) and the ceil mode of PyTorch. `index` is the place of the maximum inside
 * its window, r·S + s, the first one where several are equal: the gradient goes there.
 */
export const maxPool = defineOp({
  name: "maxPool",
  inputs: { x: "N H W C" },
  outputs: { y: "N P Q C", index: "N P Q C : u32" },
  attrs,
  dims: pooledSizes,
  check: checkPool,
  grad: ({ index, dy }, own, { H, W }) => ({ x: maxPoolGrad({ dy, index, H, W, ...own }).dx }),
  without: { index: () => maxPoolValues },
  kernels: maxPoolKernels,
});

/** `maxPool` without the places, where no gradient asks for them. */
export const maxPoolValues = defineOp({
  name: "maxPoolValues",
  inputs: { x: "N H W C" },
  outputs: { y: "N P Q C" },
  attrs,
  dims: pooledSizes,
  check: checkPool,
  kernels: maxPoolValuesKernels,
});

/** Gradient of `maxPool`: every input gathers dy from the windows whose recorded maximum it is. */
export const maxPoolGrad = defineOp({
  name: "maxPoolGrad",
  inputs: { dy: "N P Q C", index: "N P Q C : u32" },
  outputs: { dx: "N H W C" },
  attrs: { H: int, W: int, ...attrs },
  check: checkPoolGrad,
  kernels: maxPoolGradKernels,
});

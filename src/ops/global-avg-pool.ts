import { globalAvgPoolGradKernels, globalAvgPoolKernels } from "../../shaders/global-avg-pool";
import { type DefinedOp, defineOp, int } from "../op";

const gradAttrs = { H: int, W: int } as const;

/** Mean over height and width. */
export const globalAvgPool: DefinedOp<{ x: "N H W C" }, { y: "N C" }, Record<never, never>> = defineOp({
  name: "globalAvgPool",
  inputs: { x: "N H W C" },
  outputs: { y: "N C" },
  grad: ({ dy }, _, { H, W }) => ({ x: globalAvgPoolGrad({ dy, H, W }).dx }),
  flops: ({ N = 0, H = 0, W = 0, C = 0 }) => N * H * W * C,
  kernels: globalAvgPoolKernels,
});

/** Gradient of `globalAvgPool`: dx[n,h,w,c] = dy[n,c] / (H·W). */
export const globalAvgPoolGrad: DefinedOp<{ dy: "N C" }, { dx: "N H W C" }, typeof gradAttrs> = defineOp({
  name: "globalAvgPoolGrad",
  inputs: { dy: "N C" },
  outputs: { dx: "N H W C" },
  attrs: gradAttrs,
  grad: ({ ddx }) => ({ dy: globalAvgPool({ x: ddx }).y }),
  kernels: globalAvgPoolGradKernels,
});

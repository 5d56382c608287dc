import { adaptiveAvgPoolGradKernels, adaptiveAvgPoolKernels } from "../../shaders/adaptive-avg-pool";
import { type DefinedOp, defineOp, int } from "../op";

const attrs = { P: int, Q: int } as const;
const gradAttrs = { H: int, W: int } as const;

/** Mean over P×Q bins; bin p covers rows ⌊p·H/P⌋ to ⌈(p+1)·H/P⌉, as PyTorch has it. */
export const adaptiveAvgPool: DefinedOp<{ x: "N H W C" }, { y: "N P Q C" }, typeof attrs> = defineOp({
  name: "adaptiveAvgPool",
  inputs: { x: "N H W C" },
  outputs: { y: "N P Q C" },
  attrs,
  grad: ({ dy }, _, { H, W }) => ({ x: adaptiveAvgPoolGrad({ dy, H, W }).dx }),
  kernels: adaptiveAvgPoolKernels,
});

/** Gradient of `adaptiveAvgPool`: every input gathers from the bins that cover it. */
export const adaptiveAvgPoolGrad: DefinedOp<{ dy: "N P Q C" }, { dx: "N H W C" }, typeof gradAttrs> =
  defineOp({
    name: "adaptiveAvgPoolGrad",
    inputs: { dy: "N P Q C" },
    outputs: { dx: "N H W C" },
    attrs: gradAttrs,
    grad: ({ ddx }, _, { P, Q }) => ({ dy: adaptiveAvgPool({ x: ddx, P, Q }).y }),
    kernels: adaptiveAvgPoolGradKernels,
  });

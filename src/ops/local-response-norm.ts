import { localResponseNormGradKernels, localResponseNormKernels } from "../../shaders/local-response-norm";
import { defineOp, float } from "../op";

const attrs = { size: 5, alpha: float(1e-4), beta: float(0.75), k: float(1) } as const;
const check = (_: unknown, { size }: { readonly size: number }) =>
  size < 1 ? `size is ${size}, expected at least 1` : undefined;

/**
 * Local response normalisation across channels (Krizhevsky et al. 2012) as PyTorch defines it: y = x·d^−β with
 * d[c] = k + α/size · Σ x[c']² over the `size` channels from c − ⌊size/2⌋ on; channels outside count as zeros.
 */
export const localResponseNorm = defineOp({
  name: "localResponseNorm",
  inputs: { x: "N H W C" },
  outputs: { y: "N H W C" },
  attrs,
  check,
  grad: ({ x, dy }, own) => ({ x: localResponseNormGrad({ x, dy, ...own }).dx }),
  flops: ({ SIZE = 0, size = 1 }) => SIZE * (2 * size + 4),
  kernels: localResponseNormKernels,
});

/** Gradient of `localResponseNorm`: dx[c] = dy[c]·d[c]^−β − 2αβ/size · x[c] · Σ dy[c']·x[c']·d[c']^(−β−1) over the c' whose sum holds c. */
export const localResponseNormGrad = defineOp({
  name: "localResponseNormGrad",
  inputs: { x: "N H W C", dy: "N H W C" },
  outputs: { dx: "N H W C" },
  attrs,
  check,
  flops: ({ SIZE = 0, size = 1 }) => SIZE * (2 * size * size + 6 * size),
  kernels: localResponseNormGradKernels,
});

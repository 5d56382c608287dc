import { crossEntropyGradKernels, crossEntropyKernels } from "../../shaders/cross-entropy";
import { defineOp, float } from "../op";

const attrs = { smoothing: float(0) };
const check = (_: unknown, { smoothing }: { readonly smoothing: number }): string | undefined =>
  smoothing >= 0 && smoothing <= 1 ? undefined : `smoothing is ${smoothing}, expected 0 to 1`;
const flops = ({ N = 0, C = 0 }) => 5 * N * C;

/**
 * Cross-entropy of softmax(logits) and the label, for every row. With label smoothing (Szegedy et al. 2015) the target
 * is 1 − smoothing on the label plus smoothing/C on every class. A label of C or more marks a row that does not count:
 * its loss and gradient are 0.
 */
export const crossEntropy = defineOp({
  name: "crossEntropy",
  inputs: { logits: "N C", label: "N : u32" },
  outputs: { loss: "N" },
  attrs,
  check,
  grad: ({ logits, label, dloss }, { smoothing }) => ({
    logits: crossEntropyGrad({ logits, label, dloss, smoothing }).dlogits,
  }),
  flops,
  kernels: crossEntropyKernels,
});

/** dlogits = (softmax(logits) − target)·dloss */
export const crossEntropyGrad = defineOp({
  name: "crossEntropyGrad",
  inputs: { logits: "N C", label: "N : u32", dloss: "N" },
  outputs: { dlogits: "N C" },
  attrs,
  check,
  flops,
  kernels: crossEntropyGradKernels,
});

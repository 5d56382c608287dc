import { crossEntropy as crossEntropyOp } from "../ops/cross-entropy";
import { meanSquaredError as meanSquaredErrorOp } from "../ops/mean-squared-error";
import type { DType, Shape, Tensor } from "../tensor";

/** What training makes small: one value a sample of a batch, of which the mean counts. */
export interface Loss {
  readonly name: string;
  /** The further input of the graph that says what is expected. */
  target(logits: Tensor): { readonly name: string; readonly shape: Shape; readonly dtype: DType };
  /** Loss of every sample, [N], from the logits [N, K] and the target. */
  perSample(logits: Tensor, target: Tensor): Tensor;
}

/**
 * Cross-entropy of softmax(logits) against the input `label`, class numbers as u32 [N]. With label smoothing ε
 * (Szegedy et al. 2016) the expected distribution has 1 − ε + ε/K at the label and ε/K elsewhere, as in PyTorch.
 *
 * @example compile(net, { device, batch: 64, loss: crossEntropy({ smoothing: 0.1 }), optimizer: sgd({ lr: 0.1 }) })
 */
export function crossEntropy({ smoothing = 0 }: { readonly smoothing?: number } = {}): Loss {
  if (!(smoothing >= 0 && smoothing < 1))
    throw new RangeError(`crossEntropy: smoothing is ${smoothing}, expected at least 0 and below 1`);
  return {
    name: "cross-entropy",
    target: ({ shape: [N = 1] }) => ({ name: "label", shape: [N], dtype: "u32" }),
    perSample: (logits, label) => crossEntropyOp({ logits, label, smoothing }).loss,
  };
}

/** Mean of (output − target)² over the outputs of a sample; the input `target` is f32 [N, K]. */
export function meanSquaredError(): Loss {
  return {
    name: "mean squared error",
    target: ({ shape }) => ({ name: "target", shape, dtype: "f32" }),
    perSample: (x, wanted) => meanSquaredErrorOp({ x, wanted }).loss,
  };
}

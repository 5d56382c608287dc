import { crossEntropy, crossEntropyGrad } from "../src/ops/cross-entropy";
import { images, logits } from "./bench-shapes";
import { spec, type Values } from "./spec";

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;
// One label in C + 1 lies past the classes.
const inputs = {
  logits: { range: [-20, 20] },
  label: { integer: ({ C }: { readonly C: number }) => C + 1 },
} as const;

/** −log softmax of a row. */
function surprise(row: Values): Values {
  const top = Math.max(...row);
  const total = top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0));
  return row.map((v) => total - v);
}
const target = (c: number, label: number, C: number, smoothing: number): number =>
  (c === label ? 1 - smoothing : 0) + smoothing / C;

export default spec(crossEntropy, {
  bench: [{ why: "ImageNet's classes", logits, label: images }],
  tolerance: "statistics",
  inputs,
  reference: ({ logits, label }, { N, C, smoothing = 0 }) => ({
    loss: Array.from({ length: N }, (_, n) =>
      at(label, n) >= C
        ? 0
        : surprise(logits.slice(n * C, (n + 1) * C)).reduce(
            (sum, s, c) => sum + s * target(c, at(label, n), C, smoothing),
            0,
          ),
    ),
  }),
  cases: [
    { why: "ten classes", logits: [33, 10], label: [33] },
    { why: "smoothed", logits: [9, 7], label: [9], smoothing: 0.1 },
    { why: "rows longer than a workgroup", logits: [5, 301], label: [5], smoothing: 0.2 },
    { why: "every other label past the classes", logits: [8, 1], label: [8] },
  ],
  rejects: [
    { logits: [4, 10], label: [3], error: /^crossEntropy: N is 4 in logits but 3 in label/ },
    { logits: [4, 10], label: [4], smoothing: 2, error: /^crossEntropy: smoothing is 2, expected 0 to 1/ },
  ],
});

export const crossEntropyGradSpec = spec(crossEntropyGrad, {
  bench: [{ why: "ImageNet's classes", logits, label: images, dloss: images }],
  tolerance: "statistics",
  inputs,
  reference: ({ logits, label, dloss }, { N, C, smoothing = 0 }) => {
    const dlogits = new Float64Array(N * C);
    for (let n = 0; n < N; n++) {
      if (at(label, n) >= C) continue;
      const row = surprise(logits.slice(n * C, (n + 1) * C));
      dlogits.set(
        row.map((s, c) => (Math.exp(-s) - target(c, at(label, n), C, smoothing)) * at(dloss, n)),
        n * C,
      );
    }
    return { dlogits };
  },
  cases: [
    { why: "ten classes", logits: [33, 10], label: [33], dloss: [33] },
    { why: "rows longer than a workgroup", logits: [5, 301], label: [5], dloss: [5], smoothing: 0.2 },
    { why: "every other label past the classes", logits: [8, 1], label: [8], dloss: [8] },
  ],
});

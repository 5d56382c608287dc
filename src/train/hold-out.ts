import type { Split } from "../data/dataset";
import { permutation, streamOf } from "../random";

/** Some images of a split, in the order given. */
export function subset(split: Split, indices: Uint32Array): Split {
  return {
    shape: split.shape,
    count: indices.length,
    labels: indices.map((index) => split.labels[index] ?? 0),
    read: (index) => split.read(indices[index] ?? 0),
    get skipped() {
      return split.skipped;
    },
  };
}

/** Divides a split by the seed: `share` of its images, rounded, are held out; both parts keep the split's order. */
export function holdOut(
  split: Split,
  share: number,
  seed: number,
): { readonly kept: Split; readonly heldOut: Split } {
  const order = permutation(seed, streamOf("validation split"), split.count);
  const cut = Math.round(split.count * share);
  return { kept: subset(split, order.slice(cut).sort()), heldOut: subset(split, order.slice(0, cut).sort()) };
}

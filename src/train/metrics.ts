import { InputError } from "../io/errors";

export interface MetricsSummary {
  /** Images counted. */
  readonly images: number;
  /** Share of images whose highest logit is their class; of equal logits the first counts. */
  readonly top1: number;
  /** Share of images whose class is among the five highest logits; undefined below six classes. */
  readonly top5: number | undefined;
  /** Mean cross-entropy in nats, without label smoothing. */
  readonly loss: number;
}

/**
 * Accuracy, loss and confusion over batches of logits, counted on the host in f64: the same logits give the same
 * figures to the last digit, whatever the batch size.
 *
 * @example
 * const metrics = new Metrics(10);
 * metrics.add(logits, label, count);
 * metrics.summary().top1 // 0.98
 */
export class Metrics {
  #images = 0;
  #right = 0;
  #amongFive = 0;
  #loss = 0;
  readonly #confusion: Uint32Array;

  constructor(readonly classes: number) {
    this.#confusion = new Uint32Array(classes * classes);
  }

  /**
   * Counts the first `count` images of a batch; what fills the batch up is left out.
   *
   * @param logits [batch, classes]
   * @throws InputError for a label past the classes
   */
  add(logits: Float32Array, label: Uint32Array, count: number): void {
    for (let image = 0; image < count; image++) {
      const row = logits.subarray(image * this.classes, (image + 1) * this.classes);
      const truth = label[image] ?? 0;
      if (truth >= this.classes)
        throw new InputError(`label ${truth} is past the network's ${this.classes} classes`);
      const rank = rankOf(row, truth);
      if (rank === 0) this.#right++;
      if (rank < 5) this.#amongFive++;
      this.#loss += crossEntropyOf(row, truth);
      const cell = truth * this.classes + (highest(row, 1)[0] ?? 0);
      this.#confusion[cell] = (this.#confusion[cell] ?? 0) + 1;
    }
    this.#images += count;
  }

  summary(): MetricsSummary {
    const share = (count: number) => (this.#images === 0 ? 0 : count / this.#images);
    return {
      images: this.#images,
      top1: share(this.#right),
      top5: this.classes > 5 ? share(this.#amongFive) : undefined,
      loss: share(this.#loss),
    };
  }

  /** Images by true class (rows) and predicted class (columns). */
  confusion(): number[][] {
    return Array.from({ length: this.classes }, (_, truth) =>
      Array.from(this.#confusion.subarray(truth * this.classes, (truth + 1) * this.classes)),
    );
  }
}

/** Classes that come before this one. A NaN is ahead of everything, so a broken network is never right. */
function rankOf(logits: Float32Array, truth: number): number {
  const own = logits[truth] ?? Number.NaN;
  let rank = 0;
  logits.forEach((value, c) => {
    const behind = value < own || (value === own && c > truth);
    if (c !== truth && !behind) rank++;
  });
  return rank;
}

/** -log softmax(logits)[truth], by the highest logit so that nothing overflows. */
function crossEntropyOf(logits: Float32Array, truth: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of logits) most = Math.max(most, value);
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - most);
  return most + Math.log(sum) - (logits[truth] ?? Number.NaN);
}

/** The indices of the `count` highest values, highest first, of equal ones the first. */
export function highest(values: Float32Array, count: number): number[] {
  if (count === 1) {
    let best = 0;
    values.forEach((value, i) => {
      if (value > (values[best] ?? 0) || Number.isNaN(values[best])) best = i;
    });
    return [best];
  }
  return Array.from(values.keys())
    .sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b)
    .slice(0, count);
}

import { batches } from "../data/batches";
import type { Split } from "../data/dataset";
import type { ImagePreparation } from "./checkpoint-info";
import { Metrics } from "./metrics";

/** What evaluation needs of a compiled network: logits of a batch of a fixed size. */
export interface LogitsNetwork {
  run(inputs: { readonly image: Float32Array }): Promise<{ readonly logits: Float32Array }>;
}

export interface EvaluateOptions {
  /** The batch size that the network was compiled for. */
  readonly batch: number;
  readonly classes: number;
  readonly images: ImagePreparation;
  /** Images counted so far; return false to stop. */
  readonly onProgress?: ((images: number) => boolean) | undefined;
}

/**
 * Runs a network over all images of a split. The last batch is filled up with zeros that are not counted; while the
 * GPU works on one batch, the logits of the one before are read and counted.
 *
 * @returns undefined when it was stopped
 * @throws InputError for an image that cannot be read
 */
export async function evaluate(
  network: LogitsNetwork,
  split: Split,
  { batch, classes, images, onProgress = () => true }: EvaluateOptions,
): Promise<Metrics | undefined> {
  const metrics = new Metrics(classes);
  const { size, fit, mean, std } = images;
  let seen = 0;
  let pending: (() => Promise<boolean>) | undefined;
  for await (const { image, label, count } of batches(split, { batch, size, fit, mean, std })) {
    const running = network.run({ image });
    running.catch(() => undefined); // met below; without this a failure before it would end the process
    const earlier = pending;
    pending = async () => {
      const { logits } = await running;
      metrics.add(logits, label, count);
      seen += count;
      return onProgress(seen);
    };
    if (earlier !== undefined && !(await earlier())) {
      await running.catch(() => undefined);
      return undefined;
    }
  }
  if (pending !== undefined && !(await pending())) return undefined;
  return metrics;
}

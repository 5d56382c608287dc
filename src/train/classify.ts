import { batches } from "../data/batches";
import type { Split } from "../data/dataset";
import { decodeImage } from "../data/decode-image";
import type { InferenceNetwork } from "../nn/compile";
import type { CheckpointInfo } from "./checkpoint-info";
import { highest } from "./metrics";

export interface Classification {
  readonly file: string;
  /** The most probable classes, most probable first. */
  readonly predictions: readonly { readonly label: string; readonly probability: number }[];
}

/**
 * Classifies image files one after the other, prepared as the training images were. The network's batch size is 1.
 *
 * @throws InputError for a file that is no image
 */
export async function* classifyImages(
  network: InferenceNetwork,
  { images, classes }: CheckpointInfo,
  files: readonly string[],
  count: number,
): AsyncGenerator<Classification, void, undefined> {
  const split: Split = {
    shape: images.source,
    count: files.length,
    labels: new Uint32Array(files.length),
    read: (index) => decodeImage(files[index] ?? "", images.source),
    skipped: 0,
  };
  const { size, fit, mean, std } = images;
  for await (const { image, indices } of batches(split, { batch: 1, size, fit, mean, std })) {
    const { probabilities } = await network.run({ image });
    yield {
      file: files[indices[0] ?? 0] ?? "",
      predictions: highest(probabilities, count).map((k) => ({
        label: classes[k] ?? String(k),
        probability: probabilities[k] ?? 0,
      })),
    };
  }
}

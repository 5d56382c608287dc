import type { Split } from "../data/dataset";
import { InputError } from "../io/errors";
import type { ImagePreparation } from "./checkpoint-info";

/** The means and deviations that ImageNet's networks share (torchvision), per channel in units of pixel / 255. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

export interface PreparationOptions {
  readonly fit?: "pad" | "resize" | undefined;
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
}

/**
 * How the images of a split become the input of a network. What is not given is chosen: a little too small is padded
 * (LeCun et al. put MNIST's 28×28 in 32×32), much too small is enlarged; images in memory are normalised by their
 * own mean and deviation, image files by ImageNet's.
 *
 * @param input [H, W, C] of the network
 * @throws InputError when the channels differ
 */
export function prepareImages(
  split: Split,
  [height, width, channels]: readonly [number, number, number],
  options: PreparationOptions = {},
): ImagePreparation {
  const [H, W, C] = split.shape;
  if (C !== channels)
    throw new InputError(
      `the images have ${C} ${C === 1 ? "channel" : "channels"}, the network takes ${channels}; choose another model or its option for channels`,
    );
  const isNear = height >= H && width >= W && 4 * (height - H) <= H && 4 * (width - W) <= W;
  const found = measure(split);
  return {
    source: [H, W, C],
    size: [height, width],
    fit: options.fit ?? (isNear ? "pad" : "resize"),
    mean: options.mean ?? found.mean,
    std: options.std ?? found.std,
  };
}

/** Mean and deviation of each channel to four digits, over all images in memory; ImageNet's for files. */
function measure(split: Split): { readonly mean: readonly number[]; readonly std: readonly number[] } {
  const C = split.shape[2];
  const first = split.count > 0 ? split.read(0) : undefined;
  if (!(first instanceof Uint8Array)) {
    // Its failure is the reader's to report, when a batch needs this image.
    first?.catch(() => undefined);
    return C === 3 ? IMAGENET : { mean: [0.449], std: [0.226] };
  }
  // Sums of integers below 2^53: exact, so the same images give the same figures in any order.
  const sums = new Float64Array(C);
  const squares = new Float64Array(C);
  for (let image = 0; image < split.count; image++) {
    const bytes = split.read(image);
    if (!(bytes instanceof Uint8Array)) continue;
    for (let i = 0; i < bytes.length; i++) {
      const value = bytes[i] ?? 0;
      const c = i % C;
      sums[c] = (sums[c] ?? 0) + value;
      squares[c] = (squares[c] ?? 0) + value * value;
    }
  }
  const count = split.count * split.shape[0] * split.shape[1];
  const mean = Array.from(sums, (sum) => sum / count / 255);
  const std = Array.from(squares, (sum, c) => Math.sqrt(sum / count / 255 ** 2 - (mean[c] ?? 0) ** 2));
  const rounded = (value: number) => Math.round(value * 1e4) / 1e4;
  return { mean: mean.map(rounded), std: std.map((value) => Math.max(1e-4, rounded(value))) };
}

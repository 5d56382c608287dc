import { type Dataset, memorySplit, type Split } from "./dataset";
import { DIGITS_BASE64 } from "./digits-data";

const COUNT = 1797;
const SIDE = 8;
const PIXELS = SIDE * SIDE;
const INK = 16;
const CLASSES = 10;
const HELD_OUT_EVERY = 5;

/**
 * The handwritten digits that come with the package: 1,797 images of 8×8×1, classes "0" to "9" (source and licence
 * stand in digits-data.ts). Pixels are rescaled from 0 … 16 to 0 … 255; give `batches` a size to enlarge them.
 *
 * The held-out test images are every fifth of each class in the file's order (the 5th, 10th, …): 355 of them, 1,442
 * remain for training. The file's 13 writers occur in both, so the accuracy is that over known hands.
 *
 * @example const { train, test } = await loadDigits(); train.count // 1442
 */
export async function loadDigits(): Promise<Dataset> {
  const bytes = await unpack(DIGITS_BASE64);
  const labels = bytes.subarray(COUNT * PIXELS);
  const seen = new Uint32Array(CLASSES);
  const train: number[] = [];
  const test: number[] = [];
  labels.forEach((label, index) => {
    const nth = (seen[label] ?? 0) + 1;
    seen[label] = nth;
    (nth % HELD_OUT_EVERY === 0 ? test : train).push(index);
  });
  const shape = [SIDE, SIDE, 1] as const;
  const take = (indices: readonly number[]): Split => {
    const images = new Uint8Array(indices.length * PIXELS);
    indices.forEach((index, i) => {
      const pixels = bytes.subarray(index * PIXELS, (index + 1) * PIXELS);
      images.set(
        pixels.map((ink) => Math.round((ink * 255) / INK)),
        i * PIXELS,
      );
    });
    return memorySplit(
      images,
      Uint8Array.from(indices, (index) => labels[index] ?? 0),
      shape,
    );
  };
  return {
    name: "digits",
    classes: Array.from({ length: CLASSES }, (_, digit) => String(digit)),
    shape,
    train: take(train),
    test: take(test),
  };
}

/** base64 and gzip by what both Node and browsers have. */
async function unpack(base64: string): Promise<Uint8Array> {
  const packed = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

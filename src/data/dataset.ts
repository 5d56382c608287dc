import { InputError } from "../io/errors";

export type ImageShape = readonly [H: number, W: number, C: number];

/** Images with labels, in memory or read from files as they are needed. */
export interface Split {
  readonly shape: ImageShape;
  readonly count: number;
  /** The class of each image: an index into the data set's `classes`. */
  readonly labels: Uint8Array | Uint32Array;
  /**
   * The bytes of one image, H·W·C values of 0 … 255; do not write to them. Undefined for an image that is left
   * out because it cannot be decoded; throws or rejects with InputError where such images are not left out.
   */
  read(index: number): Uint8Array | Promise<Uint8Array | undefined>;
  /** How many images have been left out so far because they could not be decoded. */
  readonly skipped: number;
}

export interface Dataset {
  readonly name: string;
  readonly classes: readonly string[];
  readonly shape: ImageShape;
  readonly train: Split;
  readonly test: Split;
}

/**
 * A split over arrays: `images` holds count × H × W × C bytes.
 *
 * @throws InputError when the number of bytes or of labels does not fit
 */
export function memorySplit(
  images: Uint8Array,
  labels: Uint8Array | Uint32Array,
  shape: ImageShape,
): Split & { readonly images: Uint8Array } {
  const size = shape[0] * shape[1] * shape[2];
  if (images.length !== labels.length * size)
    throw new InputError(
      `${labels.length} labels need ${labels.length * size} bytes of ${shape.join("×")} images, got ${images.length}`,
    );
  return {
    shape,
    count: labels.length,
    images,
    labels,
    read: (index) => images.subarray(index * size, (index + 1) * size),
    skipped: 0,
  };
}

/** Throws InputError naming the first label that is not an index into `classes` of `count`. */
export function checkLabels(labels: Uint8Array | Uint32Array, classes: number, file: string): void {
  const index = labels.findIndex((label: number) => label >= classes);
  if (index >= 0)
    throw new InputError(
      `${file}: label ${labels[index]} at index ${index} is past the ${classes} classes (0 to ${classes - 1})`,
    );
}

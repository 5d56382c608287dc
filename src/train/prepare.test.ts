import { expect, test } from "vitest";
import { memorySplit, type Split } from "../data/dataset";
import { holdOut } from "./hold-out";
import { prepareImages } from "./prepare";

const images = (count: number, [H, W, C]: readonly [number, number, number]) =>
  memorySplit(
    Uint8Array.from({ length: count * H * W * C }, (_, i) => (i % 2) * 255),
    Uint8Array.from({ length: count }, (_, i) => i),
    [H, W, C],
  );

test("MNIST's size is padded to LeNet's, a much smaller one is enlarged", () => {
  expect(prepareImages(images(2, [28, 28, 1]), [32, 32, 1]).fit).toBe("pad");
  expect(prepareImages(images(2, [8, 8, 1]), [32, 32, 1]).fit).toBe("resize");
  expect(prepareImages(images(2, [40, 28, 1]), [32, 32, 1]).fit).toBe("resize");
  expect(prepareImages(images(2, [28, 28, 1]), [32, 32, 1], { fit: "resize" }).fit).toBe("resize");
});

test("images in memory are normalised by their own figures, channel by channel", () => {
  expect(prepareImages(images(2, [4, 4, 1]), [4, 4, 1])).toMatchObject({ mean: [0.5], std: [0.5] });
  const rgb = memorySplit(Uint8Array.from([0, 51, 255, 0, 153, 255]), Uint8Array.of(0), [1, 2, 3]);
  expect(prepareImages(rgb, [1, 2, 3])).toMatchObject({ mean: [0, 0.4, 1], std: [1e-4, 0.2, 1e-4] });
});

test("image files are normalised by ImageNet's, or as asked", () => {
  const files: Split = { ...images(1, [4, 4, 3]), read: async () => undefined };
  expect(prepareImages(files, [4, 4, 3]).mean).toEqual([0.485, 0.456, 0.406]);
  expect(prepareImages(files, [4, 4, 3], { mean: [0], std: [1] })).toMatchObject({ mean: [0], std: [1] });
});

test("another number of channels than the network's is refused", () => {
  expect(() => prepareImages(images(1, [4, 4, 1]), [4, 4, 3])).toThrow(
    "the images have 1 channel, the network takes 3",
  );
});

test("holding out divides the images by the seed, each into one part", () => {
  const split = images(100, [2, 2, 1]);
  const { kept, heldOut } = holdOut(split, 0.2, 7);
  expect([kept.count, heldOut.count]).toEqual([80, 20]);
  expect([...kept.labels, ...heldOut.labels].sort((a, b) => a - b)).toEqual(Array.from(Array(100).keys()));
  expect(kept.read(3)).toEqual(split.read(kept.labels[3] ?? -1));
  expect(holdOut(split, 0.2, 7).heldOut.labels).toEqual(heldOut.labels);
  expect(holdOut(split, 0.2, 8).heldOut.labels).not.toEqual(heldOut.labels);
});

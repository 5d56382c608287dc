import { describe, expect, it } from "vitest";
import { InputError } from "../io/errors";
import { type Batch, type BatchOptions, batches } from "./batches";
import { type ImageShape, memorySplit, type Split } from "./dataset";
import { padWithZeros, resizeBilinear } from "./resample";

/** Image i is filled with i, its label is i % 3. */
function numbered(count: number, shape: ImageShape = [2, 2, 1]): Split {
  const size = shape[0] * shape[1] * shape[2];
  return memorySplit(
    Uint8Array.from({ length: count * size }, (_, i) => Math.floor(i / size)),
    Uint8Array.from({ length: count }, (_, i) => i % 3),
    shape,
  );
}

async function all(split: Split, options: BatchOptions): Promise<Batch[]> {
  const out: Batch[] = [];
  for await (const batch of batches(split, options)) out.push(batch);
  return out;
}
const order = (found: Batch[]): number[] => found.flatMap((batch) => [...batch.indices]);

describe("batches", () => {
  it("covers the split in its order; the last one is filled up with zeros", async () => {
    const found = await all(numbered(7), { batch: 3, mean: [0], std: [1 / 255] });
    expect(found.map(({ count, next, label }) => ({ count, next, label: [...label] }))).toEqual([
      { count: 3, next: 3, label: [0, 1, 2] },
      { count: 3, next: 6, label: [0, 1, 2] },
      { count: 1, next: 7, label: [0, 0, 0] },
    ]);
    expect(found.map(({ image }) => [...image].map(Math.round))).toEqual([
      [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2],
      [3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5],
      [6, 6, 6, 6, 0, 0, 0, 0, 0, 0, 0, 0],
    ]);
    expect((await all(numbered(7), { batch: 3, dropLast: true })).length).toBe(2);
    expect((await all(numbered(6), { batch: 3, dropLast: true })).length).toBe(2);
  });

  it("shuffles by seed and epoch: repeatable, complete, different from each other", async () => {
    const split = numbered(100);
    const first = order(await all(split, { batch: 8, seed: 1, epoch: 0 }));
    expect(order(await all(split, { batch: 8, seed: 1, epoch: 0 }))).toEqual(first);
    expect(order(await all(split, { batch: 5, seed: 1, epoch: 0 }))).toEqual(first);
    expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(order(await all(split, { batch: 8, seed: 1, epoch: 1 }))).not.toEqual(first);
    expect(order(await all(split, { batch: 8, seed: 2, epoch: 0 }))).not.toEqual(first);
    // Figures, so that a run of an earlier version can be continued.
    expect(first.slice(0, 8)).toMatchInlineSnapshot(`
      [
        34,
        19,
        11,
        64,
        76,
        99,
        10,
        90,
      ]
    `);
  });

  it("keeps images and labels together when it shuffles", async () => {
    for (const { indices, label, image } of await all(numbered(50), { batch: 10, seed: 3, std: [1 / 255] }))
      indices.forEach((index, i) => {
        expect(label[i]).toBe(index % 3);
        expect(image[4 * i]).toBeCloseTo(index, 4);
      });
  });

  it("continues where an earlier batch ended", async () => {
    const options = { batch: 4, seed: 5, epoch: 2 };
    const whole = await all(numbered(30), options);
    const rest = await all(numbered(30), { ...options, start: whole[2]?.next });
    expect(rest).toEqual(whole.slice(3));
  });

  it("normalises channel by channel", async () => {
    const split = memorySplit(Uint8Array.of(255, 0, 51, 0, 255, 102), Uint8Array.of(0), [1, 2, 3]);
    const [batch] = await all(split, { batch: 1, mean: [0.5, 0, 0.2], std: [0.5, 1, 0.1] });
    expect([...(batch?.image ?? [])].map((value) => Math.round(value * 1e5) / 1e5)).toEqual([
      1, 0, 0, -1, 1, 2,
    ]);
    const [plain] = await all(split, { batch: 1 });
    expect(plain?.image).toEqual(Float32Array.of(1, 0, 51 / 255, 0, 1, 102 / 255));
  });

  it("pads as LeCun did, background before normalisation", async () => {
    const split = memorySplit(Uint8Array.of(255, 255, 255, 255), Uint8Array.of(0), [2, 2, 1]);
    const [batch] = await all(split, { batch: 1, size: [4, 4], fit: "pad", mean: [0.5], std: [0.5] });
    expect([...(batch?.image ?? [])]).toEqual([-1, -1, -1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, -1, -1, -1]);
  });

  it("leaves out images that cannot be read, in a reproducible way", async () => {
    const split: Split = {
      ...numbered(10),
      read: async (index) => (index % 4 === 1 ? undefined : new Uint8Array(4).fill(index)),
    };
    const found = await all(split, { batch: 3 });
    expect(found.map((batch) => [...batch.indices])).toEqual([[0, 2, 3], [4, 6, 7], [8]]);
    expect(found.map((batch) => batch.next)).toEqual([4, 8, 10]);
    expect(await all(split, { batch: 3, start: 4 })).toEqual(found.slice(1));
    const none: Split = { ...numbered(10), read: async () => undefined };
    expect(await all(none, { batch: 3 })).toEqual([]);
  });

  it("tells the first failure in the order of the images, and only when its batch is due", async () => {
    const split: Split = {
      ...numbered(6),
      read: async (index) => {
        if (index >= 3) throw new InputError(`cannot decode ${index}`);
        return new Uint8Array(4);
      },
    };
    let seen = 0;
    const run = async (): Promise<void> => {
      for await (const batch of batches(split, { batch: 3 })) seen += batch.count;
    };
    await expect(run()).rejects.toThrow("cannot decode 3");
    expect(seen).toBe(3);
    for await (const batch of batches(split, { batch: 3 })) if (batch.count > 0) break; // no unhandled rejection
  });

  it("opens few files at a time", async () => {
    let open = 0;
    let most = 0;
    const split: Split = {
      ...numbered(200),
      read: async () => {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setImmediate(resolve));
        open--;
        return new Uint8Array(4);
      },
    };
    await all(split, { batch: 100 });
    expect(most).toBeLessThanOrEqual(16);
  });

  it.each<[BatchOptions, string]>([
    [{ batch: 0 }, "batch size is 0; give a whole number of at least 1"],
    [{ batch: 2.5 }, "batch size is 2.5; give a whole number of at least 1"],
    [{ batch: 1, epoch: -1 }, "epoch is -1; give a whole number of at least 0"],
    [{ batch: 1, start: 4 }, "start is 4; give a position in the 3 images"],
    [{ batch: 1, size: [0, 4] }, "image size is 0×4; give whole numbers of at least 1"],
    [
      { batch: 1, size: [1, 4], fit: "pad" },
      'cannot pad 2×2 images to 1×4, which is smaller; use fit "resize"',
    ],
    [{ batch: 1, mean: [0, 0] }, "mean is [0, 0]; give one finite value, or one for each of 1 channels"],
    [{ batch: 1, std: [Number.NaN] }, "std is [NaN]; give one finite value, or one for each of 1 channels"],
    [{ batch: 1, std: [0] }, "std is [0]; every value must be above 0"],
  ])("refuses %o", async (options, message) => {
    await expect(all(numbered(3), options)).rejects.toThrow(new InputError(message));
  });
});

describe("resample", () => {
  it.each([
    [
      4,
      4,
      [0, 62.5, 137.5, 200, 12.5, 90.625, 143.125, 152.5, 37.5, 146.875, 154.375, 57.5, 50, 175, 160, 10],
    ],
    [3, 5, [0, 40, 100, 160, 200, 25, 85, 175, 133, 105, 50, 130, 250, 106, 10]],
    [1, 2, [62.5, 122.5]],
    [2, 3, [0, 100, 200, 50, 250, 10]],
  ])("resizes [2, 3] to [%i, %i] as PyTorch's interpolate does", (H, W, expected) => {
    const out = new Float32Array(H * W);
    resizeBilinear(Uint8Array.of(0, 100, 200, 50, 250, 10), [2, 3, 1], out, [H, W]);
    expected.forEach((value, i) => {
      expect(out[i]).toBeCloseTo(value, 3);
    });
  });

  it("resizes each channel by itself, at its place of the batch", () => {
    const out = new Float32Array(2 + 3 * 2);
    resizeBilinear(Uint8Array.of(0, 7, 100, 7), [1, 2, 2], out, [1, 3], 2);
    expect([...out]).toEqual([0, 0, 0, 7, 50, 7, 100, 7]);
  });

  it("pads an odd remainder below and to the right", () => {
    const out = new Float32Array(9).fill(5);
    padWithZeros(Uint8Array.of(1, 2, 3, 4), [2, 2, 1], out, [3, 3]);
    expect([...out]).toEqual([1, 2, 0, 3, 4, 0, 0, 0, 0]);
  });
});

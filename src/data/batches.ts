import { InputError } from "../io/errors";
import { permutation, streamOf } from "../random";
import type { Split } from "./dataset";
import { padWithZeros, resizeBilinear } from "./resample";

export interface BatchOptions {
  /** Images a batch. */
  readonly batch: number;
  /** Shuffle by this seed; in the split's own order without one. */
  readonly seed?: number | undefined;
  /** Each epoch has its own order under one seed. Default 0. */
  readonly epoch?: number | undefined;
  /** [H, W] of the network's input. Default: the split's own. */
  readonly size?: readonly [number, number] | undefined;
  /**
   * How a smaller image becomes `size`: "resize" interpolates (bilinear), "pad" puts it in the middle of zeros, as
   * LeCun et al. do with MNIST's 28×28 in 32×32. Default "resize".
   */
  readonly fit?: "pad" | "resize" | undefined;
  /** Per channel, in units of pixel / 255; one value serves all channels. Default mean 0, std 1. */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  /** Leave out a last batch that is not full. Default false. */
  readonly dropLast?: boolean | undefined;
  /** Continue from the `next` of an earlier batch of the same seed, epoch and split. Default 0. */
  readonly start?: number | undefined;
}

export interface Batch {
  /** [batch, H, W, C]; zeros past `count` images. A fresh array each time. */
  readonly image: Float32Array<ArrayBuffer>;
  /** [batch]; 0 past `count`. */
  readonly label: Uint32Array<ArrayBuffer>;
  /** Images in this batch: `batch`, or fewer in the last one. */
  readonly count: number;
  /** Which images of the split these are, `count` indices. */
  readonly indices: Uint32Array<ArrayBuffer>;
  /** Where in the epoch's order the next batch begins. */
  readonly next: number;
}

/**
 * The batches of one epoch: (pixel / 255 - mean) / std, in an order that depends on seed and epoch alone. While one
 * batch is in use the next one is already being read.
 *
 * @throws InputError for options that make no sense, and whatever the split's images are refused with
 * @example for await (const { image, label } of batches(data.train, { batch: 64, seed: 1, epoch })) await step.run({ image, label });
 */
export async function* batches(split: Split, options: BatchOptions): AsyncGenerator<Batch, void, undefined> {
  const plan = checkOptions(split, options);
  let cursor = options.start ?? 0;
  let pending = readBatch(split, plan, cursor);
  try {
    for (;;) {
      const batch = await pending;
      if (batch.count === 0 || (options.dropLast === true && batch.count < plan.batch)) return;
      cursor = batch.next;
      pending = readBatch(split, plan, cursor);
      // Its failure is met at the next turn; without this, a caller who stops early would be told of it by a crash.
      pending.catch(() => undefined);
      yield batch;
    }
  } finally {
    await pending.catch(() => undefined); // a decoder at work would outlive the loop
  }
}

/** Files open at a time: more than decoders work on at once, far fewer than a process may open. */
const LANES = 16;

interface Plan {
  readonly batch: number;
  readonly order: Uint32Array | undefined;
  readonly size: readonly [number, number];
  readonly place: typeof resizeBilinear | typeof padWithZeros | undefined;
  readonly scale: readonly number[];
  readonly shift: readonly number[];
}

function checkOptions(split: Split, options: BatchOptions): Plan {
  const { batch, seed, epoch = 0, fit = "resize", start = 0 } = options;
  const [H, W, C] = split.shape;
  const size = options.size ?? [H, W];
  if (!Number.isInteger(batch) || batch < 1)
    throw new InputError(`batch size is ${batch}; give a whole number of at least 1`);
  if (!Number.isInteger(epoch) || epoch < 0)
    throw new InputError(`epoch is ${epoch}; give a whole number of at least 0`);
  if (!Number.isInteger(start) || start < 0 || start > split.count)
    throw new InputError(`start is ${start}; give a position in the ${split.count} images`);
  if (size.some((value) => !Number.isInteger(value) || value < 1))
    throw new InputError(`image size is ${size.join("×")}; give whole numbers of at least 1`);
  const same = size[0] === H && size[1] === W;
  if (!same && fit === "pad" && (size[0] < H || size[1] < W))
    throw new InputError(
      `cannot pad ${H}×${W} images to ${size.join("×")}, which is smaller; use fit "resize"`,
    );
  const mean = perChannel("mean", options.mean ?? [0], C);
  const std = perChannel("std", options.std ?? [1], C);
  if (!std.every((value) => value > 0))
    throw new InputError(`std is [${std.join(", ")}]; every value must be above 0`);
  return {
    batch,
    order: seed === undefined ? undefined : permutation(seed, streamOf(`epoch ${epoch}`), split.count),
    size,
    place: same ? undefined : fit === "pad" ? padWithZeros : resizeBilinear,
    scale: std.map((s) => 1 / (255 * s)),
    shift: mean.map((m, c) => -m / (std[c] ?? 1)),
  };
}

function perChannel(name: string, values: readonly number[], C: number): readonly number[] {
  const all = values.length === 1 ? Array<number>(C).fill(values[0] ?? 0) : values;
  if (all.length !== C || !all.every(Number.isFinite))
    throw new InputError(
      `${name} is [${values.join(", ")}]; give one finite value, or one for each of ${C} channels`,
    );
  return all;
}

async function readBatch(split: Split, plan: Plan, start: number): Promise<Batch> {
  const { batch } = plan;
  const [H, W] = plan.size;
  const C = split.shape[2];
  const image = new Float32Array(batch * H * W * C);
  const label = new Uint32Array(batch);
  const indices = new Uint32Array(batch);
  let count = 0;
  let next = start;
  // Normally one turn; more where images are left out and others take their places.
  while (count < batch && next < split.count) {
    const wanted = Array.from(
      { length: Math.min(batch - count, split.count - next) },
      (_, i) => next + i,
    ).map((position) => plan.order?.[position] ?? position);
    next += wanted.length;
    const images = await readAll(split, wanted);
    images.forEach((bytes, i) => {
      if (bytes === undefined) return;
      const index = wanted[i] ?? 0;
      place(bytes, split, plan, image, count);
      label[count] = split.labels[index] ?? 0;
      indices[count++] = index;
    });
  }
  return { image, label, count, indices: indices.slice(0, count), next };
}

/** In parallel, so that decoding fills the cores; everything has come to its end before the first failure is told. */
async function readAll(split: Split, indices: readonly number[]): Promise<(Uint8Array | undefined)[]> {
  const images: (Uint8Array | undefined)[] = [];
  const failures: { position: number; error: unknown }[] = [];
  let taken = 0;
  const lane = async (): Promise<void> => {
    for (let position = taken++; position < indices.length; position = taken++) {
      try {
        images[position] = await split.read(indices[position] ?? 0);
      } catch (error) {
        failures.push({ position, error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, indices.length) }, lane));
  const [first] = failures.sort((a, b) => a.position - b.position);
  if (first !== undefined) throw first.error;
  return images;
}

/** One image into its place of the batch: fitted to size, then scaled channel by channel. */
function place(bytes: Uint8Array, split: Split, plan: Plan, out: Float32Array, slot: number): void {
  const C = split.shape[2];
  const { scale, shift } = plan;
  const values = plan.size[0] * plan.size[1] * C;
  const at = slot * values;
  if (plan.place === undefined) out.set(bytes, at);
  else plan.place(bytes, split.shape, out, plan.size, at);
  for (let c = 0; c < C; c++) {
    const a = scale[c] ?? 0;
    const b = shift[c] ?? 0;
    for (let i = at + c; i < at + values; i += C) out[i] = (out[i] ?? 0) * a + b;
  }
}

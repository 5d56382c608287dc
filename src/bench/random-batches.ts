import type { Device } from "../device";
import { normals, streamOf, uniforms } from "../random";

/** Draws are cut out of this many numbers, so that a batch costs a copy and not a draw a value. */
const poolSize = 2 ** 18;
const piece = 2 ** 16;

/**
 * Batches of random images and labels on the device, different for every step: no zeros, which compress and multiply
 * faster, and no repetition, which caches would reward. Images are standard normal, as normalised photographs about are.
 */
export class RandomBatches {
  readonly #pool: Float32Array<ArrayBuffer>;
  readonly #image: Float32Array<ArrayBuffer>;
  readonly #slots: { readonly image: GPUBuffer; readonly label: GPUBuffer }[] = [];
  #drawn = 0;

  /**
   * @param shape of the images [N, H, W, C]
   * @param classes labels are below this
   */
  constructor(
    private readonly device: Device,
    private readonly shape: readonly number[],
    private readonly classes: number,
    private readonly seed: number,
  ) {
    this.#pool = normals(seed, streamOf("bench/image"), poolSize);
    this.#image = new Float32Array(shape.reduce((a, b) => a * b, 1));
  }

  /** Bytes that the batches take on the device. */
  get bytes(): number {
    return this.#slots.reduce((sum, { image, label }) => sum + image.size + label.size, 0);
  }

  /** Puts so many new batches on the device and waits until they are there. @throws OutOfMemoryError */
  async prepare(count: number): Promise<void> {
    const { queue } = this.device.gpu;
    const N = this.shape[0] ?? 1;
    while (this.#slots.length < count) {
      const usage = 0x4 | 0x8; // COPY_SRC | COPY_DST
      const made = await this.device.createBuffers([
        { label: "bench images", size: this.#image.byteLength, usage },
        { label: "bench labels", size: 4 * N, usage },
      ]);
      const [image, label] = made as [GPUBuffer, GPUBuffer];
      this.#slots.push({ image, label });
    }
    for (const { image, label } of this.#slots.slice(0, count)) {
      const stream = this.#drawn++;
      this.#draw(stream);
      const labels = uniforms(this.seed, streamOf(`bench/label/${stream}`), N);
      queue.writeBuffer(image, 0, this.#image);
      queue.writeBuffer(
        label,
        0,
        Uint32Array.from(labels, (u) => Math.floor(u * this.classes)),
      );
    }
    await this.device.finish();
  }

  #draw(stream: number): void {
    const { length } = this.#image;
    const places = uniforms(this.seed, streamOf(`bench/image/${stream}`), Math.ceil(length / piece));
    for (let at = 0, k = 0; at < length; at += piece, k++) {
      const from = Math.floor((places[k] ?? 0) * (poolSize - piece));
      this.#image.set(this.#pool.subarray(from, from + Math.min(piece, length - at)), at);
    }
  }

  /** A batch that was prepared. */
  batch(slot: number): { readonly image: GPUBuffer; readonly label: GPUBuffer } {
    const found = this.#slots[slot];
    if (found === undefined) throw new RangeError(`batch ${slot} was not prepared`);
    return found;
  }

  close(): void {
    this.device.free(this.#slots.flatMap(({ image, label }) => [image, label]));
    this.#slots.length = 0;
  }
}

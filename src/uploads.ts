import type { Place } from "./state";
import type { Submissions } from "./submissions";
import { bytesOf, type InputNode } from "./tensor";

/** What one step's large inputs go through while the step before is still being copied. */
export const uploadBuffers = 2;
/** Below, Dawn has memory ready for `writeBuffer`; for more it asks the driver every time, 17 ms for 19 MB on an H100. */
const large = 4 * 2 ** 20;

const isLarge = (bytes: number): boolean => bytes > large;

/** Bytes of the inputs that are worth memory of their own on their way to the device. */
export const uploadBytes = (inputs: readonly InputNode[]): number =>
  inputs.map(({ outputs }) => bytesOf(outputs.y)).reduce((sum, b) => sum + (isLarge(b) ? b : 0), 0);

const writing = 0x2; // GPUMapMode.WRITE

/** Buffers that the host writes large inputs into: mapped again as soon as the device has taken what was in them. */
export class Uploads {
  readonly #ready: GPUBuffer[] = [];
  #filled: GPUBuffer | undefined;
  #open: { readonly buffer: GPUBuffer; readonly memory: Uint8Array; at: number } | undefined;

  private constructor(private readonly queue: GPUQueue) {}

  /** @param buffers of `uploadBytes`, for mapping and copying */
  static async open(queue: GPUQueue, buffers: readonly GPUBuffer[]): Promise<Uploads> {
    const uploads = new Uploads(queue);
    await Promise.all(buffers.map((buffer) => uploads.#map(buffer)));
    return uploads;
  }

  /** Puts an input on its way, with what is encoded next or before it. */
  write(data: Float32Array | Uint32Array, { buffer: to, offset }: Place, submissions: Submissions): void {
    const { buffer, byteOffset, byteLength } = data;
    const open = isLarge(byteLength) ? this.#opened() : undefined;
    if (open === undefined) {
      this.queue.writeBuffer(to, offset, buffer, byteOffset, byteLength);
      return;
    }
    open.memory.set(new Uint8Array(buffer, byteOffset, byteLength), open.at);
    submissions.encoder().copyBufferToBuffer(open.buffer, open.at, to, offset, byteLength);
    open.at += byteLength;
  }

  #opened() {
    if (this.#open === undefined && this.#filled === undefined) {
      const buffer = this.#ready.pop();
      if (buffer !== undefined)
        this.#open = { buffer, memory: new Uint8Array(buffer.getMappedRange()), at: 0 };
    }
    return this.#open;
  }

  /** Whether something waits in its buffers for its submit. */
  get isFilled(): boolean {
    return this.#filled !== undefined;
  }

  /** All inputs of a run are written: what was opened for them may be submitted. What a failed run left stays filled till then. */
  close(): void {
    if (this.#open === undefined) return;
    this.#open.buffer.unmap();
    this.#filled = this.#open.buffer;
    this.#open = undefined;
  }

  /** What was written has been submitted. */
  submitted(): void {
    if (this.#filled !== undefined) void this.#map(this.#filled);
    this.#filled = undefined;
  }

  /** A buffer that the graph's end or a lost device takes away is ready no more. */
  async #map(buffer: GPUBuffer): Promise<void> {
    try {
      await buffer.mapAsync(writing);
      this.#ready.push(buffer);
    } catch {
      // The run that is waited for tells why.
    }
  }
}

import type { Device } from "./device";
import { allocated } from "./plan";
import type { Place } from "./state";
import { bytesOf, type Tensor } from "./tensor";

export type OutputData = Float32Array | Uint32Array;

/** An output that is to be read, and the buffers that it lies in. */
export interface Wanted {
  readonly name: string;
  readonly tensor: Tensor;
  readonly places: readonly Place[];
}

/** What an output takes up on its way to the host. */
export const readBackBytes = (t: Tensor): number => Math.ceil(bytesOf(t) / 256) * 256;

/** The buffers that a graph's outputs are read back through, each free again when its run has been read. */
export class ReadBack {
  readonly #free: GPUBuffer[];

  /** @param buffers for mapping, each as large as all outputs together */
  constructor(
    private readonly device: Device,
    buffers: readonly GPUBuffer[],
  ) {
    this.#free = [...buffers];
  }

  /** Encodes the copies; what it returns waits for them once they are submitted. */
  copy(encoder: GPUCommandEncoder, wanted: readonly Wanted[]): () => Promise<Record<string, OutputData>> {
    const bytes = wanted.reduce((sum, { tensor }) => sum + readBackBytes(tensor), 0);
    // More runs in flight than there are buffers: the extra one is made for this run and freed after it.
    const free = this.#free.pop();
    const { gpu } = this.device;
    const staging =
      free ?? gpu.createBuffer({ label: "read-back", size: allocated(bytes), usage: 0x1 | 0x8 });
    let at = 0;
    for (const { tensor, places } of wanted) {
      let to = at;
      at += readBackBytes(tensor);
      for (const { buffer, offset, bytes: size } of places) {
        const copied = Math.min(Math.ceil(size / 4) * 4, at - to);
        encoder.copyBufferToBuffer(buffer, offset, staging, to, copied);
        to += copied;
      }
    }
    return async () => {
      try {
        await this.device.settle(staging.mapAsync(1, 0, bytes));
        this.device.check();
        const results = valuesOf(staging.getMappedRange(0, bytes), wanted);
        staging.unmap();
        return results;
      } finally {
        if (free === undefined) staging.destroy();
        else this.#free.push(free);
      }
    };
  }
}

function valuesOf(mapped: ArrayBuffer, wanted: readonly Wanted[]): Record<string, OutputData> {
  const results: Record<string, OutputData> = {};
  let from = 0;
  for (const { name, tensor } of wanted) {
    const copy = mapped.slice(from, from + bytesOf(tensor));
    if (tensor.dtype === "u32") results[name] = new Uint32Array(copy);
    else results[name] = tensor.dtype === "f16" ? fromHalf(copy) : new Float32Array(copy);
    from += readBackBytes(tensor);
  }
  return results;
}

/** Half floats widened: Node 20 has no Float16Array. */
function fromHalf(bytes: ArrayBuffer): Float32Array {
  const halves = new Uint16Array(bytes);
  return Float32Array.from(halves, (h) => {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
  });
}

import { drawers, initialValues, kinds } from "../shaders/initial-values";
import type { Device } from "./device";
import { normalQuantiles, normalUnit } from "./normal-quantiles";
import { keyOf, normals, streamOf, truncatedNormals, uniforms } from "./random";
import type { Place } from "./state";
import type { Distribution } from "./tensor";

/** What integers and their like are multiplied by: one rounding, on the host as on a GPU. */
const factorOf = ({ kind, scale }: Distribution): number =>
  Math.fround(kind === "uniform" ? 2 * scale : scale);

/** The values on the host. They are rounded once, so that a GPU draws the same bits. */
export function drawnValues(
  distribution: Distribution,
  seed: number,
  stream: number,
  count: number,
): Float32Array<ArrayBuffer> {
  const { kind, limit } = distribution;
  const factor = factorOf(distribution);
  if (kind === "uniform") {
    const values = uniforms(seed, stream, count);
    for (let i = 0; i < count; i++) values[i] = ((values[i] ?? 0) - 0.5) * factor;
    return values;
  }
  const values =
    limit === undefined ? normals(seed, stream, count) : truncatedNormals(seed, stream, count, limit);
  for (let i = 0; i < count; i++) values[i] = (values[i] ?? 0) * factor;
  return values;
}

/** A new variable and what it is to hold. */
export interface Draw {
  readonly name: string;
  readonly places: readonly Place[];
  readonly distribution: Distribution;
}

const blockBytes = 256;

/** Draws the values of new variables where they lie: a GPU takes a millisecond for what takes the host a second. */
export async function drawOnDevice(device: Device, seed: number, draws: readonly Draw[]): Promise<void> {
  const { pipeline, layout } = await device.pipeline({
    label: "initial values",
    source: initialValues,
    access: ["read", "read_write"],
    hasParams: true,
  });
  const { maxStorageBufferBindingSize, maxComputeWorkgroupsPerDimension } = device.limits;
  const most = Math.min(maxStorageBufferBindingSize, maxComputeWorkgroupsPerDimension * drawers * 16 - 16);
  const parts = draws.flatMap(({ name, places, distribution }) => {
    const windows = places.flatMap((place) => windowsOf(place, Math.floor(most / 256) * 256));
    let first = 0;
    return windows.map((place) => {
      const part = {
        place,
        block: blockOf(distribution, seed, streamOf(name), first, place.bytes / 4),
        first,
      };
      first += place.bytes / 4;
      return part;
    });
  });
  const needsNormal = draws.some(({ distribution }) => distribution.kind === "normal");
  const entries = needsNormal ? normalQuantiles() : new Uint32Array(1);
  const buffers = await device.createBuffers([
    { label: "quantiles", size: entries.byteLength, usage: 0x80 | 0x8 },
    { label: "draws", size: blockBytes * parts.length, usage: 0x40 | 0x8 },
  ]);
  const [quantiles, blocks] = buffers as [GPUBuffer, GPUBuffer];
  const { gpu, submissions } = device;
  gpu.queue.writeBuffer(quantiles, 0, entries);
  for (const [k, { block }] of parts.entries()) gpu.queue.writeBuffer(blocks, k * blockBytes, block);
  try {
    await device.guarded("drawing initial values", () => {
      for (const [k, { place, first }] of parts.entries()) {
        const { buffer, offset, bytes } = place;
        const bindGroup = gpu.createBindGroup({
          layout,
          entries: [
            { binding: 0, resource: { buffer: quantiles } },
            { binding: 1, resource: { buffer, offset, size: bytes } },
            { binding: 2, resource: { buffer: blocks, offset: k * blockBytes, size: 32 } },
          ],
        });
        const philoxBlocks = Math.ceil((first + bytes / 4) / 4) - Math.floor(first / 4);
        const groups = [Math.ceil(philoxBlocks / drawers), 1, 1] as const;
        submissions.dispatch({ pipeline, bindGroup, groups, copies: [] });
      }
      submissions.submit();
    });
  } finally {
    device.free(buffers);
  }
}

/** A place in parts that can be bound. */
function windowsOf({ buffer, offset, bytes }: Place, most: number): Place[] {
  return Array.from({ length: Math.ceil(bytes / most) }, (_, k) => ({
    buffer,
    offset: offset + k * most,
    bytes: Math.min(most, bytes - k * most),
  }));
}

function blockOf(
  distribution: Distribution,
  seed: number,
  stream: number,
  first: number,
  count: number,
): ArrayBuffer {
  const { kind, limit = Number.POSITIVE_INFINITY } = distribution;
  const block = new DataView(new ArrayBuffer(32));
  const words = [...keyOf(seed), stream, kinds[kind], first, count];
  for (const [k, word] of words.entries()) block.setUint32(4 * k, word, true);
  block.setInt32(24, Math.min(Math.floor(limit / normalUnit), 2 ** 31 - 1), true);
  block.setFloat32(28, factorOf(distribution) * (kind === "uniform" ? 2 ** -24 : normalUnit), true);
  return block.buffer;
}

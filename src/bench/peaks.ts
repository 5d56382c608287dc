import { copy, copyBytes, flopsPerTurn, invocations, multiplyAdd, nothing } from "../../shaders/peaks";
import type { Device } from "../device";
import { OutOfMemoryError } from "../errors";
import type { Peaks } from "../profile";
import { uniforms } from "../random";
import { quantile } from "./statistics";

/** What a run of some work took. */
interface Timed {
  readonly units: number;
  readonly seconds: number;
}

const storage = 0x80 | 0x4 | 0x8; // STORAGE | COPY_SRC | COPY_DST
/** A run this long is timed to a per cent by the clock that wakes the host. */
const longEnough = 0.02;
const aim = 0.03;

/**
 * Measures an adapter in about a second: multiply-adds in registers, copying through memory that no cache holds, and a
 * dispatch that does nothing. Work grows until the clock can tell, so that it serves a software adapter of 10 GFLOP/s
 * and a GPU of 50 TFLOP/s alike; the best of some runs counts, because nothing makes an adapter faster than it is.
 *
 * @example
 * const { gflops, gbPerSecond, launchUs } = await measurePeaks(device);
 * @throws DeviceLostError, OutOfMemoryError when there is no room for 16 MiB
 */
export async function measurePeaks(device: Device): Promise<Peaks> {
  return {
    gflops: (await arithmetic(device)) / 1e9,
    gbPerSecond: (await bandwidth(device)) / 1e9,
    launchUs: (await launch(device)) * 1e6,
  };
}

/**
 * Units of work a second, at best: grows the amount until a run is long enough to be timed, then repeats it until it
 * has not become better for some runs or the time is up.
 *
 * @param run does work of about the amount asked for and says how much it was and what it took
 * @param seconds after which it stops repeating
 */
export async function bestRate(
  run: (amount: number) => Promise<Timed>,
  {
    most = Number.MAX_SAFE_INTEGER,
    seconds = 0.5,
  }: { readonly most?: number; readonly seconds?: number } = {},
): Promise<number> {
  await run(1); // compiles, wakes the device
  let amount = 1;
  let timed = await run(amount);
  while (timed.seconds < longEnough && amount < most) {
    // A short time tells little: sixteenfold at most.
    const factor = Math.min(16, Math.max(2, aim / Math.max(timed.seconds, 1e-9)));
    amount = Math.min(most, Math.ceil(amount * factor));
    timed = await run(amount);
  }
  let best = timed.units / timed.seconds;
  let spent = timed.seconds;
  for (let worse = 0; worse < 6 && spent < seconds; ) {
    timed = await run(amount);
    spent += timed.seconds;
    const rate = timed.units / timed.seconds;
    worse = rate > 1.01 * best ? 0 : worse + 1;
    best = Math.max(best, rate);
  }
  return best;
}

/** Additions and multiplications a second. */
async function arithmetic(device: Device): Promise<number> {
  const { gpu } = device;
  const { pipeline, layout } = await device.pipeline({
    label: "peak/multiply-add",
    source: multiplyAdd,
    access: ["read_write"],
    hasParams: true,
  });
  const buffers = await device.createBuffers([
    { label: "peak", size: 16, usage: storage },
    { label: "peak", size: 16, usage: 0x40 | 0x8 },
  ]);
  const [never, params] = buffers as [GPUBuffer, GPUBuffer];
  const bindGroup = gpu.createBindGroup({ layout, entries: entriesOf([never, params]) });
  const [first, most, turns] = [256, 16384, 64]; // workgroups: enough for the smallest and for the largest adapter
  try {
    return await bestRate(async (amount) => {
      const groups = Math.min(most, first * amount);
      const rounds = turns * Math.ceil((first * amount) / groups);
      const block = new DataView(new ArrayBuffer(12));
      block.setUint32(0, rounds, true);
      block.setFloat32(4, 0.999, true);
      block.setFloat32(8, 0.001, true);
      gpu.queue.writeBuffer(params, 0, block.buffer);
      const seconds = await timeOf(device, (pass) => {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(groups);
      });
      return { units: groups * invocations * rounds * flopsPerTurn, seconds };
    });
  } finally {
    device.free(buffers);
  }
}

/** Bytes a second, read and written. */
async function bandwidth(device: Device): Promise<number> {
  const { gpu } = device;
  const { pipeline, layout } = await device.pipeline({
    label: "peak/copy",
    source: copy,
    access: ["read", "read_write"],
    hasParams: false,
  });
  const buffers = await twoBuffers(device);
  const [x, y] = buffers as [GPUBuffer, GPUBuffer];
  const bindGroup = gpu.createBindGroup({ layout, entries: entriesOf([x, y]) });
  const groups = x.size / copyBytes;
  try {
    return await bestRate(
      async (amount) => {
        const seconds = await timeOf(device, (pass) => {
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, bindGroup);
          for (let k = 0; k < amount; k++) pass.dispatchWorkgroups(groups);
        });
        return { units: 2 * x.size * amount, seconds };
      },
      { most: 4096 },
    );
  } finally {
    device.free(buffers);
  }
}

/** Two buffers larger than any cache, the first with random data, which a GPU cannot store in fewer bytes. */
async function twoBuffers(device: Device): Promise<GPUBuffer[]> {
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const wanted = (device.adapterClass === "software" ? 64 : 256) * 2 ** 20;
  const most = Math.min(wanted, Number(maxBufferSize), Number(maxStorageBufferBindingSize));
  for (let size = 2 ** Math.floor(Math.log2(most)); ; size /= 2) {
    try {
      const request = { label: "peak/copy", size, usage: storage };
      const buffers = await device.createBuffers([request, request]);
      const noise = uniforms(1, 0, 2 ** 18);
      for (let at = 0; at < size; at += noise.byteLength)
        device.gpu.queue.writeBuffer(
          buffers[0] as GPUBuffer,
          at,
          noise,
          0,
          Math.min(noise.length, (size - at) / 4),
        );
      return buffers;
    } catch (error) {
      if (!(error instanceof OutOfMemoryError) || size <= 16 * 2 ** 20) throw error;
    }
  }
}

/** Seconds of a dispatch that does nothing: by the device's own clock where it has one, as profiles are. */
async function launch(device: Device): Promise<number> {
  const { gpu, features } = device;
  const { pipeline, layout } = await device.pipeline({
    label: "peak/nothing",
    source: nothing,
    access: ["read_write"],
    hasParams: false,
  });
  const count = 256;
  const timestamps = features.has("timestamp-query");
  const buffers = await device.createBuffers([
    { label: "peak", size: 16, usage: storage },
    { label: "peak", size: 16 * count, usage: 0x200 | 0x4 },
    { label: "peak", size: 16 * count, usage: 0x1 | 0x8 },
  ]);
  const [y, resolved, staging] = buffers as [GPUBuffer, GPUBuffer, GPUBuffer];
  const bindGroup = gpu.createBindGroup({ layout, entries: entriesOf([y]) });
  const dispatch = (pass: GPUComputePassEncoder) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(1);
  };
  try {
    if (!timestamps) {
      const rate = await bestRate(
        async (amount) => ({
          units: amount,
          seconds: await timeOf(device, (pass) => {
            for (let k = 0; k < amount; k++) dispatch(pass);
          }),
        }),
        { seconds: 0.2 },
      );
      return 1 / rate;
    }
    const querySet = gpu.createQuerySet({ type: "timestamp", count: 2 * count });
    const encoder = gpu.createCommandEncoder();
    for (let k = 0; k < count; k++) {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * k, endOfPassWriteIndex: 2 * k + 1 },
      });
      dispatch(pass);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16 * count);
    gpu.queue.submit([encoder.finish()]);
    await device.settle(staging.mapAsync(1));
    const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
    staging.unmap();
    querySet.destroy();
    const times = Array.from({ length: count }, (_, k) =>
      Number((stamps[2 * k + 1] ?? 0n) - (stamps[2 * k] ?? 0n)),
    );
    // The median, because the first ones compile; a clock too coarse for one dispatch says 0.
    return (
      Math.max(
        quantile(
          times.sort((a, b) => a - b),
          0.5,
        ),
        1,
      ) * 1e-9
    );
  } finally {
    device.free(buffers);
  }
}

/** Seconds from the submission of a pass until the device has finished it. */
async function timeOf(device: Device, encode: (pass: GPUComputePassEncoder) => void): Promise<number> {
  const encoder = device.gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  const commands = encoder.finish();
  await device.finish();
  const start = performance.now();
  device.gpu.queue.submit([commands]);
  await device.finish();
  return (performance.now() - start) / 1e3;
}

const entriesOf = (buffers: readonly GPUBuffer[]): GPUBindGroupEntry[] =>
  buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));

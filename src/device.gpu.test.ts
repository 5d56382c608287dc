import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { elementwiseKernels } from "../shaders/elementwise";
import { listAdapters } from "./adapters";
import { type Device, openDevice } from "./device";
import { DeviceLostError, KernelError, NoAdapterError, OutOfMemoryError } from "./errors";
import { compileGraph } from "./executor";
import { kernel } from "./kernel";
import { lenet5 } from "./models/lenet5";
import { compile } from "./nn/compile";
import { crossEntropy } from "./nn/losses";
import { sgd } from "./nn/optimizers";
import { defineOp } from "./op";
import { relu } from "./ops/activations";
import { input } from "./tensor";

const adapter = process.env.STRIATE_DEVICE;
let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter });
});
afterAll(() => device?.close());

const storage = 0x80 | 0x4 | 0x8; // STORAGE | COPY_SRC | COPY_DST

describe("choosing an adapter", () => {
  test("by index, and by a part of its name in any case", async () => {
    const adapters = await listAdapters();
    expect(adapters.length).toBeGreaterThan(0);
    for (const [index, { name, limits }] of adapters.entries()) {
      const byIndex = await openDevice({ adapter: index });
      expect(byIndex.adapter.name).toBe(name);
      expect(byIndex.limits.maxBufferSize).toBe(limits.maxBufferSize);
      byIndex.close();
      const byName = await openDevice({ adapter: name.slice(0, 6).toUpperCase() });
      expect(byName.adapter.name.slice(0, 6)).toBe(name.slice(0, 6));
      byName.close();
    }
  });

  test("an unknown one fails and lists those that there are", async () => {
    const [first] = await listAdapters();
    for (const wanted of ["no such adapter", 99]) {
      const opening = openDevice({ adapter: wanted });
      await expect(opening).rejects.toThrow(NoAdapterError);
      await expect(opening).rejects.toThrow(
        `no adapter matches "${wanted}"; by name or number there is ${first?.name} (0)`,
      );
    }
  });

  test("its limits are asked for in full, or those that WebGPU guarantees", async () => {
    const modest = await openDevice({ adapter, limits: "default" });
    expect(modest.limits.maxBufferSize).toBe(256 * 2 ** 20);
    expect(device.limits.maxBufferSize).toBe(device.adapter.limits.maxBufferSize);
    modest.close();
  });
});

describe("a device of the caller's", () => {
  const x = input("x", [8]);
  const graphOf = (shared: Device) => compileGraph({ outputs: { y: relu({ x }).y } }, { device: shared });

  test("takes and gives buffers, and outlives the engine", async () => {
    const { gpu } = device;
    const shared = await openDevice({ gpuDevice: gpu });
    const graph = await graphOf(shared);
    const given = gpu.createBuffer({ size: 32, usage: storage });
    gpu.queue.writeBuffer(given, 0, Float32Array.of(-1, 2, -3, 4, -5, 6, -7, 8));
    expect(await graph.run({ x: given }, [])).toEqual({});
    const { buffer, offset, bytes } = graph.output("y");
    const staging = gpu.createBuffer({ size: bytes, usage: 0x1 | 0x8 });
    const encoder = gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    gpu.queue.submit([encoder.finish()]);
    await staging.mapAsync(1);
    expect([...new Float32Array(staging.getMappedRange())]).toEqual([0, 2, 0, 4, 0, 6, 0, 8]);
    staging.unmap();
    expect(shared.liveBytes).toBeGreaterThan(0);
    shared.close();
    expect(shared.liveBytes).toBe(0);
    expect(() => shared.check()).toThrow("the device is closed");
    await expect(graph.run({ x: given })).rejects.toThrow("the graph is closed");

    const again = await openDevice({ gpuDevice: gpu });
    const second = await graphOf(again);
    expect((await second.run({ x: given })).y).toEqual(Float32Array.of(0, 2, 0, 4, 0, 6, 0, 8));
    again.close();
    given.destroy();
    staging.destroy();
  });

  test("a buffer that is too small is refused by name", async () => {
    const shared = await openDevice({ gpuDevice: device.gpu });
    const graph = await graphOf(shared);
    const small = device.gpu.createBuffer({ size: 16, usage: storage });
    await expect(graph.run({ x: small })).rejects.toThrow(
      "input x [8] f32 needs 32 bytes, its buffer has 16",
    );
    small.destroy();
    shared.close();
  });
});

describe("a shader that does not compile", () => {
  const broken = (body: string) =>
    defineOp({
      name: "broken",
      inputs: { x: "..." },
      outputs: { y: "..." },
      kernels: [
        kernel<"SIZE">({ name: "direct", workgroup: [64, 1, 1], groups: () => [1, 1, 1], body: () => body }),
      ],
    });
  const compiling = (body: string) => {
    const { y } = broken(body)({ x: input("x", [4]) });
    return compileGraph({ outputs: { y } }, { device });
  };

  test("is a KernelError with the kernel's name, the compiler's message and the line", async () => {
    const live = device.liveBytes;
    const failing = compiling(
      "fn run(global: vec3u, group: vec3u, local: vec3u) {\n  store_y(global.x, 0u, nowhere);\n}",
    );
    await expect(failing).rejects.toThrow(KernelError);
    await expect(failing).rejects.toThrow(
      /^kernel broken\/direct does not compile: .*nowhere.* at "store_y\(global\.x, 0u, nowhere\);"$/,
    );
    expect(device.liveBytes).toBe(live);
  });

  test("leaves the device usable", async () => {
    await expect(compiling("this is no WGSL")).rejects.toThrow(/^kernel broken\/direct does not compile: /);
    const graph = await compiling(
      "fn run(global: vec3u, group: vec3u, local: vec3u) { if (global.x < SIZE) { store_y(global.x, 0u, x[global.x]); } }",
    );
    expect((await graph.run({ x: Float32Array.of(1, 2, 3, 4) })).y).toEqual(Float32Array.of(1, 2, 3, 4));
    graph.close();
  });
});

describe("memory that runs out", () => {
  test("past the limit of a buffer: all facts are told, and what was made is freed", async () => {
    const [held] = await device.createBuffers([{ label: "held", size: 1000, usage: storage }]);
    const live = device.liveBytes;
    const failing = device.createBuffers([
      { label: "activations", size: 4096, usage: storage },
      { label: "too much", size: 2 * device.limits.maxBufferSize, usage: storage },
    ]);
    const error = await failing.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error).toMatchObject({
      requestedBytes: 4096 + Math.ceil((2 * device.limits.maxBufferSize) / 16) * 16,
      liveBytes: live,
      peakBytes: device.peakBytes,
    });
    expect((error as Error).message).toMatch(
      /^out of GPU memory: \S+ [GT]iB requested for activations, .+ live, .+ at the peak; use a smaller batch \(/,
    );
    expect(device.liveBytes).toBe(live);
    if (held !== undefined) device.free([held]);
  });

  test("while a network is compiled: nothing of it stays, the batch that fits is told, and it does fit", async () => {
    const gpu = (await openDevice({ adapter })).gpu;
    const budget = 6 * 2 ** 20;
    const memory = limitMemory(gpu, budget);
    const small = await openDevice({ gpuDevice: gpu });
    const step = (batch: number) =>
      compile(lenet5(), { device: small, batch, loss: crossEntropy(), optimizer: sgd({ lr: 0.1 }) });
    const error = await step(512).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    const told = /; batch 512 does not fit, batch (\d+) would$/.exec((error as Error).message);
    const fits = Number(told?.[1]);
    expect(fits).toBeGreaterThan(8);
    expect(small.liveBytes).toBe(0);
    expect(memory.live()).toBe(0);

    const net = await step(fits);
    const image = new Float32Array(fits * 1024).fill(0.5);
    expect((await net.run({ image, label: new Uint32Array(fits) })).loss).toBeCloseTo(2.3, 0);
    expect(memory.live()).toBe(small.liveBytes);
    expect(memory.live()).toBeLessThanOrEqual(budget);
    // The next batch is past the budget: the advice was the largest that fits.
    net.close();
    await expect(step(fits + 1)).rejects.toThrow(`batch ${fits + 1} does not fit, batch ${fits} would`);
    small.close();
    gpu.destroy();
  });

  test("a tensor past a limit is refused before anything is allocated, with the batch that fits", async () => {
    const { liveBytes, pipelineCount } = device;
    const modest = { maxBufferSize: 2 ** 20, maxStorageBufferBindingSize: 2 ** 20 };
    const failing = compileGraph(
      { outputs: { y: relu({ x: input("x", [512, 1024]) }).y } },
      { device, limits: modest },
    );
    await expect(failing).rejects.toThrow(
      "input x [512, 1024] needs 2.0 MiB and a buffer of the adapter holds 1.0 MiB; use a smaller batch or input",
    );
    const batch = Math.ceil(device.limits.maxBufferSize / 4096) + 1;
    await expect(compile(lenet5(), { device, batch })).rejects.toThrow(
      /^input image \[\d+, 32, 32, 1\] needs .+ and a buffer of the adapter holds .+; batch \d+ does not fit, batch \d+ would$/,
    );
    expect([device.liveBytes, device.pipelineCount]).toEqual([liveBytes, pipelineCount]);
  });
});

/** Makes a device behave as one that has only so much memory, as no software adapter does by itself. */
function limitMemory(gpu: GPUDevice, budget: number) {
  const scopes: { filter: GPUErrorFilter; exhausted: boolean }[] = [];
  const createBuffer = gpu.createBuffer.bind(gpu);
  const createTexture = gpu.createTexture.bind(gpu);
  const push = gpu.pushErrorScope.bind(gpu);
  const pop = gpu.popErrorScope.bind(gpu);
  let live = 0;
  /** Makes what is asked for, or something small in its place, and counts it until it is destroyed. */
  const counted = <R extends GPUBuffer | GPUTexture>(bytes: number, make: (fits: boolean) => R): R => {
    const fits = live + bytes <= budget;
    const scope = scopes.findLast(({ filter }) => filter === "out-of-memory");
    if (!fits && scope === undefined) throw new Error("memory ran out where nobody looked");
    if (!fits && scope !== undefined) scope.exhausted = true;
    const made = make(fits);
    const held = fits ? bytes : 0;
    live += held;
    let destroyed = false;
    const destroy = made.destroy.bind(made);
    made.destroy = () => {
      if (!destroyed) live -= held;
      destroyed = true;
      return destroy();
    };
    return made;
  };
  gpu.createBuffer = (descriptor) =>
    counted(descriptor.size, (fits) => createBuffer(fits ? descriptor : { ...descriptor, size: 16 }));
  gpu.createTexture = (descriptor) => {
    const [width = 0, height = 0] = descriptor.size as number[];
    return counted(16 * width * height, (fits) =>
      createTexture(fits ? descriptor : { ...descriptor, size: [1, 1] }),
    );
  };
  gpu.pushErrorScope = (filter) => {
    scopes.push({ filter, exhausted: false });
    return push(filter);
  };
  gpu.popErrorScope = async () => {
    const scope = scopes.pop();
    const error = await pop();
    return scope?.exhausted === true ? { message: `only ${budget} bytes` } : error;
  };
  return { live: () => live };
}

describe("a lost device", () => {
  test("rejects what is pending and all that follows with DeviceLostError, and nothing is read", async () => {
    const lost = await openDevice({ adapter });
    const net = await compile(lenet5(), {
      device: lost,
      batch: 8,
      loss: crossEntropy(),
      optimizer: sgd({ lr: 0.1 }),
    });
    const inputs = { image: new Float32Array(8 * 1024), label: new Uint32Array(8) };
    expect((await net.run(inputs)).loss).toBeGreaterThan(0);
    const pending = [net.run(inputs), net.run(inputs), lost.finish(), net.state.read("c1.weight")];
    lost.gpu.destroy();
    for (const result of await Promise.allSettled(pending)) {
      expect(result.status).toBe("rejected");
      expect((result as PromiseRejectedResult).reason).toBeInstanceOf(DeviceLostError);
    }
    await expect(net.run(inputs)).rejects.toThrow(/^the device was lost \(.+\): .*; open a new one$/);
    await expect(net.state.read("c1.weight")).rejects.toThrow(DeviceLostError);
    expect(() => net.state.write("c1.bias", new Float32Array(6))).toThrow(DeviceLostError);
    await expect(lost.createBuffers([{ label: "x", size: 16, usage: storage }])).rejects.toThrow(
      DeviceLostError,
    );
    await expect(compile(lenet5(), { device: lost, batch: 1 })).rejects.toThrow(DeviceLostError);
    net.close();
    lost.close();
    lost.close();
  });
});

test("a refused command is a KernelError that names what was attempted", async () => {
  const refused = device.guarded("a copy past the end", () => {
    const buffer = device.gpu.createBuffer({ size: 16, usage: storage });
    const encoder = device.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, buffer, 1024, 16);
    device.gpu.queue.submit([encoder.finish()]);
  });
  await expect(refused).rejects.toThrow(/^a copy past the end was refused: /);
  await expect(refused).rejects.toThrow(KernelError);
});

test("elementwise kernels are shared by source text: one pipeline serves two graphs", async () => {
  const before = device.pipelineCount;
  const triple = defineOp({
    name: "triple",
    inputs: { x: "..." },
    outputs: { y: "..." },
    elementwise: { out: { y: "T(3) * x" } },
    kernels: elementwiseKernels,
  });
  for (const size of [4, 12]) {
    const graph = await compileGraph({ outputs: { y: triple({ x: input("x", [size]) }).y } }, { device });
    expect((await graph.run({ x: new Float32Array(size).fill(2) })).y).toEqual(
      new Float32Array(size).fill(6),
    );
    graph.close();
  }
  expect(device.pipelineCount).toBe(before + 1);
});

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Device, openDevice } from "./device";
import { compileGraph } from "./executor";
import { add } from "./ops/add";
import { sgdUpdate } from "./ops/optimizers";
import { constant, input, type Tensor, variable } from "./tensor";

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(() => device?.close());

const size = 4;
const counter = variable("counter", [size], () => new Float32Array(size));
const rate = constant(Float32Array.of(-1), []);
const one = constant(new Float32Array(size).fill(1), [size]);
const x = input("x", [size]);

/** Adds a tensor to the counter. */
const counting = (g: Tensor, on = device) =>
  compileGraph({ outputs: {}, updates: [sgdUpdate({ p: counter, g, lr: rate }).p] }, { device: on });
const ones = () => counting(one);

/** The submits of an action, awaited or not. */
async function submits(on: Device, action: () => unknown): Promise<number> {
  const submit = vi.spyOn(on.gpu.queue, "submit");
  try {
    const result = action();
    const count = submit.mock.calls.length;
    await result;
    return count;
  } finally {
    submit.mockRestore();
  }
}

test("short runs that are not awaited one by one share a submit, which the first to be awaited has made", async () => {
  using graph = await ones();
  const submit = vi.spyOn(device.gpu.queue, "submit");
  try {
    const runs = [1, 2, 3].map(() => graph.run({}, []));
    expect(submit).not.toHaveBeenCalled();
    await runs[0];
    expect(submit).toHaveBeenCalledOnce();
    await Promise.all(runs);
    await graph.run({}, []);
    expect(submit).toHaveBeenCalledTimes(2);
  } finally {
    submit.mockRestore();
  }
  expect(await graph.state.read("counter")).toEqual(new Float32Array(size).fill(4));
});

test("what is long enough is submitted at once", async () => {
  using graph = await ones();
  const dispatches = 300;
  const runs: Promise<unknown>[] = [];
  const count = await submits(device, () => {
    for (let k = 0; k < dispatches; k++) runs.push(graph.run({}, []));
  });
  expect(count).toBeGreaterThan(2);
  expect(count).toBeLessThan(dispatches / 16);
  await device.finish();
  await Promise.all(runs);
  expect((await graph.state.read("counter"))[0]).toBe(dispatches);
});

test("everyone who looks sees all runs before: reading, writing, finishing, another graph on the same state", async () => {
  using graph = await ones();
  const { state } = graph;
  void graph.run({}, []);
  expect((await state.read("counter"))[0]).toBe(1);
  void graph.run({}, []);
  state.write("counter", Float32Array.of(10, 20, 30, 40));
  void graph.run({}, []);
  expect(await submits(device, () => device.finish())).toBe(1);
  const sum = add({ a: counter, b: counter }).y;
  using twice = await compileGraph({ outputs: { sum } }, { device, state });
  void graph.run({}, []);
  const { sum: read } = await twice.run();
  expect(read).toEqual(Float32Array.of(24, 44, 64, 84));
});

test("each run has the inputs that it was given, whatever is given to the next", async () => {
  using graph = await counting(x);
  const data = new Float32Array(size);
  for (let k = 1; k <= 40; k++) void graph.run({ x: data.fill(k) }, []);
  expect((await graph.state.read("counter"))[0]).toBe((40 * 41) / 2);
  // A buffer of the caller's may be written again as soon as the call returns.
  const { gpu } = device;
  const buffer = gpu.createBuffer({ size: 4 * size, usage: 0x4 | 0x8 });
  graph.state.write("counter", new Float32Array(size));
  for (let k = 1; k <= 3; k++) {
    gpu.queue.writeBuffer(buffer, 0, data.fill(k));
    void graph.run({ x: buffer }, []);
  }
  gpu.queue.writeBuffer(buffer, 0, data.fill(0));
  expect((await graph.state.read("counter"))[0]).toBe(6);
  buffer.destroy();
});

test("a run that is refused leaves those before it and their inputs alone", async () => {
  const y = input("y", [size]);
  using graph = await counting(add({ a: x, b: y }).y);
  const data = new Float32Array(size).fill(1);
  void graph.run({ x: data, y: data }, []);
  await expect(graph.run({ x: data.map(() => 5) }, [])).rejects.toThrow("input y is missing");
  await expect(graph.run({ x: data, y: data }, ["z"])).rejects.toThrow("there is no output z");
  expect((await graph.state.read("counter"))[0]).toBe(2);
  // Nothing of a buffer that does not allow copying is known before the device has refused it.
  using other = await counting(x);
  const uncopied = device.gpu.createBuffer({ size: 4 * size, usage: 0x8 });
  void graph.run({ x: data, y: data }, []);
  await other.run({ x: uncopied }, []);
  expect(() => device.check()).toThrow("a command was refused");
  expect((await graph.state.read("counter"))[0]).toBe(4);
  uncopied.destroy();
});

test("commands of the caller's own follow a run whose output they know", async () => {
  using graph = await compileGraph({ outputs: { y: add({ a: counter, b: one }).y } }, { device });
  const { gpu } = device;
  const copied = async () => {
    const { buffer, offset, bytes } = graph.output("y");
    const staging = gpu.createBuffer({ size: bytes, usage: 0x1 | 0x8 });
    const encoder = gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    return { staging, commands: encoder.finish() };
  };
  void graph.run({}, []);
  for (const value of [1, 8]) {
    const { staging, commands } = await copied();
    if (value === 8) {
      graph.state.write("counter", new Float32Array(size).fill(7));
      void graph.run({}, []);
    }
    gpu.queue.submit([commands]);
    await device.settle(staging.mapAsync(1));
    expect(new Float32Array(staging.getMappedRange())[0]).toBe(value);
    staging.destroy();
  }
});

test("on a device of the caller's every run is submitted before the call returns", async () => {
  const shared = await openDevice({ gpuDevice: device.gpu });
  const graph = await counting(one, shared);
  expect(await submits(shared, () => void graph.run({}, []))).toBe(1);
  expect((await graph.state.read("counter"))[0]).toBe(1);
  graph.close();
  shared.close();
});

test("a graph that closes, and its memory, wait for its runs", async () => {
  const graph = await ones();
  const { state } = graph;
  using other = await compileGraph({ outputs: { y: add({ a: counter, b: counter }).y } }, { device, state });
  const run = graph.run({}, []);
  other.close();
  expect(() => device.check()).not.toThrow();
  await run;
  expect((await state.read("counter"))[0]).toBe(1);
  const last = graph.run({}, []);
  graph.close();
  await last;
  await device.finish();
});

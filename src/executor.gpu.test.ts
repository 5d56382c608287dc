import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Device, openDevice } from "./device";
import { compileGraph } from "./executor";
import { relu } from "./nn/activations";
import { sequential } from "./nn/combinators";
import { compile } from "./nn/compile";
import { batchNorm, conv, dropout, flatten, linear, maxPool } from "./nn/layers";
import { crossEntropy } from "./nn/losses";
import { defineModel } from "./nn/model";
import { adam } from "./nn/optimizers";
import { relu as reluOp } from "./ops/activations";
import { add } from "./ops/add";
import { sum } from "./ops/sum";
import { uniforms } from "./random";
import { input } from "./tensor";

/** A bit of everything that a step can hold: statistics, random draws, indices, slots. */
const tiny = defineModel({
  name: "tiny",
  input: [8, 8, 1],
  classes: 4,
  forward: ({ classes }) =>
    sequential({
      conv: conv(8, 3, { pad: 1, bias: false }),
      bn: batchNorm(),
      relu: relu(),
      pool: maxPool(2),
      flatten: flatten(),
      dropout: dropout(0.25),
      fc: linear(classes),
    }),
});

/** Few dispatches, for thousands of steps. */
const short = defineModel({
  name: "short",
  input: [8, 8, 1],
  classes: 4,
  forward: ({ classes }) => sequential(flatten(), linear(8), relu(), dropout(0.25), linear(classes)),
});

const batch = 8;
const image = uniforms(1, 2, batch * 64);
const label = Uint32Array.from({ length: batch }, (_, k) => k % 4);
const train = (device: Device, seed = 1) =>
  compile(tiny(), { device, batch, loss: crossEntropy(), optimizer: adam({ lr: 1e-2 }), seed });

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(() => device?.close());

describe("a step", () => {
  test("allocates nothing, makes no pipeline and no bind group, and takes one submit", async () => {
    const step = await train(device);
    await step.run({ image, label });
    const { gpu } = device;
    const makers = (
      [
        "createBuffer",
        "createBindGroup",
        "createShaderModule",
        "createComputePipelineAsync",
        "createQuerySet",
      ] as const
    ).map((name) => vi.spyOn(gpu, name));
    const submit = vi.spyOn(gpu.queue, "submit");
    try {
      const steps = 20;
      for (let k = 0; k < steps; k++) await step.run({ image, label });
      // Two in flight have a read-back buffer each.
      await Promise.all([step.run({ image, label }), step.run({ image, label })]);
      for (const maker of makers) expect(maker, maker.getMockName()).not.toHaveBeenCalled();
      expect(submit).toHaveBeenCalledTimes(steps + 2);
    } finally {
      for (const spy of [...makers, submit]) spy.mockRestore();
    }
    step.close();
  });

  test("is submitted before the loss of the one before it has been read", async () => {
    const step = await train(device);
    const submit = vi.spyOn(device.gpu.queue, "submit");
    try {
      const order: string[] = [];
      const first = step.run({ image, label }).then(({ loss }) => {
        order.push("first loss");
        return loss;
      });
      const second = step.run({ image, label }).then(({ loss }) => {
        order.push("second loss");
        return loss;
      });
      expect(submit).toHaveBeenCalledTimes(2);
      expect(step.state.iteration).toBe(2);
      order.push("both submitted");
      const losses = await Promise.all([first, second]);
      expect(order).toEqual(["both submitted", "first loss", "second loss"]);
      expect(losses[0]).not.toBe(losses[1]);
      step.close();
      // Waiting for each loss gives the same ones.
      const patient = await train(device);
      const one = await patient.run({ image, label });
      expect([one.loss, (await patient.run({ image, label })).loss]).toEqual(losses);
      patient.close();
    } finally {
      submit.mockRestore();
    }
  });

  test("leaves the number of live buffers, their bytes and the host's memory flat over 1,000 of them", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const step = await compile(short(), {
      device,
      batch,
      loss: crossEntropy(),
      optimizer: adam({ lr: 1e-2 }),
    });
    let live = 0;
    const create = vi.spyOn(device.gpu, "createBuffer").mockImplementation(
      // Counts what is made and what is destroyed, whoever does it.
      ((original) => (descriptor: GPUBufferDescriptor) => {
        const buffer = original(descriptor);
        live++;
        const destroy = buffer.destroy.bind(buffer);
        buffer.destroy = () => {
          live--;
          return destroy();
        };
        return buffer;
      })(device.gpu.createBuffer.bind(device.gpu)),
    );
    try {
      const steps = async (count: number) => {
        for (let k = 0; k < count; k++) await step.run({ image, label });
        collect();
        const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
        return { host: heapUsed + external + arrayBuffers, rss, live, bytes: device.liveBytes };
      };
      // Allocators of the driver and of the host fill their pools in the first few hundred.
      const before = await steps(600);
      const after = await steps(1000);
      expect(after.live).toBe(before.live);
      expect(after.bytes).toBe(before.bytes);
      expect(after.bytes).toBe(step.plan.bytes.total);
      expect(after.host - before.host).toBeLessThan(2 ** 20);
      // A leak is there again in the next thousand; a pool that grew late, or pages that came back, are not.
      const most = 32 * 2 ** 20;
      if (after.rss - before.rss >= most) expect((await steps(1000)).rss - after.rss).toBeLessThan(most);
    } finally {
      create.mockRestore();
    }
    step.close();
    expect(device.liveBytes).toBe(0);
  });
});

describe("several in one process", () => {
  test("two plans of one device that share a state see each other's updates", async () => {
    const step = await train(device);
    const infer = await compile(tiny(), { device, batch: 1, state: step.state });
    const one = image.slice(0, 64);
    const before = await infer.run({ image: one });
    await step.run({ image, label });
    const after = await infer.run({ image: one });
    expect(after.logits).not.toEqual(before.logits);
    // The state belongs to the step: closing the other leaves it alone.
    infer.close();
    expect((await step.run({ image, label })).loss).toBeGreaterThan(0);
    step.close();
  });

  test("two devices give the same bits, and one closed leaves the other alone", async () => {
    const other = await openDevice({ adapter: process.env.STRIATE_DEVICE });
    const [a, b] = await Promise.all([train(device), train(other)]);
    for (let k = 0; k < 3; k++) {
      const [x, y] = await Promise.all([a.run({ image, label }), b.run({ image, label })]);
      expect(x.loss).toBe(y.loss);
    }
    other.close();
    await expect(b.run({ image, label })).rejects.toThrow("the graph is closed");
    expect((await a.run({ image, label })).loss).toBeGreaterThan(0);
    a.close();
  });

  test("the same seed gives the same bits, another seed others", async () => {
    const bits = async (seed: number) => {
      const step = await train(device, seed);
      const losses: number[] = [];
      for (let k = 0; k < 4; k++) losses.push((await step.run({ image, label })).loss);
      const values = await Promise.all(
        step.state.variables().map(async ({ name }) => [name, [...(await step.state.read(name))]]),
      );
      step.close();
      return { losses, values };
    };
    const first = await bits(7);
    expect(await bits(7)).toEqual(first);
    expect((await bits(8)).losses).not.toEqual(first.losses);
  });
});

describe("a graph", () => {
  const x = input("x", [2, 3]);
  const y = input("y", [2, 3]);
  const outputs = { z: add({ a: reluOp({ x }).y, b: y }).y, total: sum({ x }).y };

  test("refuses inputs that are missing, of another size or type, and outputs that it does not have", async () => {
    const graph = await compileGraph({ outputs }, { device });
    const six = new Float32Array(6);
    await expect(graph.run({ x: six })).rejects.toThrow("input y is missing; the graph reads x, y");
    await expect(graph.run({ x: six, y: new Float32Array(5) })).rejects.toThrow(
      "input y [2, 3] f32 has 6 values, given 5",
    );
    await expect(graph.run({ x: new Uint32Array(6), y: six })).rejects.toThrow(
      "input x is f32, given u32 values",
    );
    await expect(graph.run({ x: six, y: six }, ["w"])).rejects.toThrow(
      "there is no output w; the graph has z, total",
    );
    expect(() => graph.output("w")).toThrow("there is no output w; the graph has z, total");
    graph.close();
    graph.close();
    await expect(graph.run({ x: six, y: six })).rejects.toThrow("the graph is closed");
  });

  test("reads back only what is asked for, and the rest stays on the GPU", async () => {
    using graph = await compileGraph({ outputs }, { device });
    const values = Float32Array.of(-1, 2, -3, 4, -5, 6);
    const results = await graph.run({ x: values, y: values }, ["total"]);
    expect(results).toEqual({ total: Float32Array.of(3) });
    expect(graph.output("z")).toMatchObject({ bytes: 24 });
  });

  test("more runs in flight than there are read-back buffers are all answered, in their order", async () => {
    using graph = await compileGraph({ outputs }, { device });
    const results = await Promise.all(
      Array.from({ length: 7 }, (_, k) =>
        graph.run({ x: new Float32Array(6).fill(k), y: new Float32Array(6) }, ["total"]),
      ),
    );
    expect(results.map(({ total }) => total?.[0])).toEqual([0, 6, 12, 18, 24, 30, 36]);
  });
});

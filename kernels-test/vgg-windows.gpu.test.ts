import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../src/device";
import { vgg11 } from "../src/models/vgg";
import { compile } from "../src/nn/compile";
import { crossEntropy } from "../src/nn/losses";
import { sgd } from "../src/nn/optimizers";
import type { PlanLimits } from "../src/plan";
import { uniforms } from "../src/random";

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE, limits: "default" });
});
afterAll(() => device?.close());

const MiB = 2 ** 20;
const batch = 2;

/** Two training steps, and what they leave. */
async function train(limits: Partial<PlanLimits>) {
  const net = vgg11({ classes: 5, imageSize: 32, hidden: 320, dropout: 0 });
  using step = await compile(net, {
    device,
    batch,
    loss: crossEntropy(),
    optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
    seed: 2,
    limits,
  });
  const image = uniforms(1, 1, batch * 32 * 32 * 3).map((v) => 2 * v - 1);
  const losses: number[] = [];
  for (let k = 0; k < 2; k++) losses.push((await step.run({ image, label: Uint32Array.of(1, 4) })).loss);
  const values = new Map<string, Float32Array>();
  for (const { name } of step.state.variables()) values.set(name, await step.state.read(name));
  const windows = step.plan.steps
    .filter(({ node }) => node.layer === "classifier.0")
    .map(({ dispatches }) => dispatches.length);
  return {
    losses,
    values,
    windows,
    places: step.state.places("classifier.0.weight").length,
    stated: step.plan.bytes.total,
    live: device.liveBytes,
  };
}

// VGG-16's fc6 (411 MB) under WebGPU's default limits of 128 and 256 MiB in small: the weight and its gradient are
// 1.5 times as large as a buffer may be and 3 times as large as a binding.
test("a linear layer larger than a binding and a buffer trains by windows to the same result", async () => {
  const whole = await train({});
  const cut = await train({ maxStorageBufferBindingSize: 10 * MiB, maxBufferSize: 20 * MiB });
  expect(device.limits.maxBufferSize).toBe(256 * MiB);
  expect(device.limits.maxStorageBufferBindingSize).toBe(128 * MiB);
  expect([whole.places, cut.places]).toEqual([1, 2]);
  expect(Math.max(...whole.windows)).toBe(1);
  expect(cut.windows.filter((n) => n >= 4).length, "forward, both gradients and the update").toBe(4);
  for (const { live, stated } of [whole, cut]) expect(live).toBe(stated);
  for (const [k, loss] of whole.losses.entries()) expect(cut.losses[k]).toBeCloseTo(loss, 5);
  for (const [name, expected] of whole.values) {
    const got = cut.values.get(name);
    let [worst, largest] = [0, 0];
    for (const [i, value] of expected.entries()) {
      worst = Math.max(worst, Math.abs(value - (got?.[i] ?? Number.NaN)));
      largest = Math.max(largest, Math.abs(value));
    }
    expect(worst, name).toBeLessThanOrEqual(1e-5 * largest);
  }
});

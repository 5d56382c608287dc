import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../device";
import { lenet5 } from "../models/lenet5";
import { uniforms } from "../random";
import { compile } from "./compile";
import { crossEntropy } from "./losses";
import { adam } from "./optimizers";

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(() => device?.close());

const batch = 8;
const image = uniforms(1, 2, batch * 32 * 32).map((v) => 2 * v - 1);
const label = Uint32Array.from({ length: batch }, (_, k) => (3 * k) % 10);

async function train(steps: number) {
  const step = await compile(lenet5(), {
    device,
    batch,
    loss: crossEntropy(),
    optimizer: adam({ lr: 2e-3 }),
    seed: 1,
  });
  const losses: number[] = [];
  let correct = 0;
  for (let k = 0; k < steps; k++) {
    const result = await step.run({ image, label }, { read: ["correct"] });
    losses.push(result.loss);
    correct = result.correct ?? 0;
  }
  return { step, losses, correct };
}

test("LeNet-5 learns eight random images by heart, and shares what it learned", async () => {
  const { step, losses, correct } = await train(60);
  expect(losses[0]).toBeGreaterThan(2);
  expect(losses.at(-1)).toBeLessThan(0.05);
  expect(correct).toBe(batch);
  expect(step.state.iteration).toBe(60);

  const evaluate = await compile(lenet5(), { device, batch, loss: crossEntropy(), state: step.state });
  const judged = await evaluate.run({ image, label });
  expect(judged.loss).toBeLessThanOrEqual(losses.at(-1) ?? 0);
  expect(judged.losses).toHaveLength(batch);

  const infer = await compile(lenet5(), { device, batch: 1, state: step.state });
  const { probabilities, logits } = await infer.run({ image: image.slice(3 * 1024, 4 * 1024) });
  expect(probabilities.indexOf(Math.max(...probabilities))).toBe(label[3]);
  expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  expect(logits).toHaveLength(10);
  for (const network of [infer, evaluate, step]) network.close();
});

test("the same seed gives the same bits", async () => {
  const [a, b] = [await train(5), await train(5)];
  expect(a.losses).toEqual(b.losses);
  expect(await a.step.state.read("c3.weight")).toEqual(await b.step.state.read("c3.weight"));
  a.step.close();
  b.step.close();
});

test("a learning rate or an input that makes no sense is refused", async () => {
  const { step } = await train(0);
  await expect(step.run({ image, label }, { lr: Number.NaN })).rejects.toThrow("the learning rate is NaN");
  await expect(step.run({ image })).rejects.toThrow("the input label is missing");
  expect(step.state.iteration).toBe(0);
  step.close();
});

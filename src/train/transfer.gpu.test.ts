import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../device";
import { modelNamed } from "../models";
import { compile } from "../nn/compile";
import { crossEntropy } from "../nn/losses";
import { adam, type Optimizer, type ParameterGroup, sgd } from "../nn/optimizers";
import { uniforms } from "../random";
import type { State } from "../state";
import { loadWeights, readCheckpoint, saveCheckpoint } from "./checkpoint";
import type { TrainSettings } from "./checkpoint-info";
import { openTraining } from "./open-training";
import { defaultSettings } from "./settings";

let device: Device;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-"));
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(async () => {
  device?.close();
  await rm(folder, { recursive: true });
});

const batch = 4;
const mobilenet = (classes: number) =>
  modelNamed("mobilenet-v1", { classes, imageSize: 32, width: 0.25, dropout: 0 });
const image = uniforms(3, 1, batch * 32 * 32 * 3).map((v) => 2 * v - 1);
const label = Uint32Array.from({ length: batch }, (_, k) => k);
const loss = crossEntropy();

async function valuesOf(state: State): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name } of state.variables()) values.set(name, await state.read(name));
  return values;
}

const changed = (before: Map<string, Float32Array>, after: Map<string, Float32Array>): string[] =>
  [...before.keys()].filter((name) => String(before.get(name)) !== String(after.get(name)));

/** Takes steps and returns what they left, besides the values before them. */
async function train(
  options: { freeze?: RegExp; freezeStatistics?: boolean; optimizer?: Optimizer },
  steps: number,
) {
  const { optimizer = sgd({ lr: 0.05, momentum: 0.9 }), ...rest } = options;
  using step = await compile(mobilenet(4), { device, batch, loss, optimizer, seed: 5, ...rest });
  const before = await valuesOf(step.state);
  const losses: number[] = [];
  for (let k = 0; k < steps; k++) losses.push((await step.run({ image, label })).loss);
  return { before, after: await valuesOf(step.state), losses };
}

test("a state dict is loaded in part: everything but the replaced head", async () => {
  const file = join(folder, "ten-classes.safetensors");
  using source = await compile(mobilenet(10), { device, batch: 1, seed: 1 });
  await saveCheckpoint(file, source.state, {
    model: "mobilenet-v1",
    options: { ...source.model.options } as Record<string, number>,
    classes: Array.from({ length: 10 }, (_, k) => `${k}`),
    images: { source: [32, 32, 3], size: [32, 32], fit: "resize", mean: [0.5], std: [0.5] },
    data: "none",
    settings: defaultSettings,
    progress: { epoch: 0, position: 0, iteration: 0, lossSum: 0, lossCount: 0, best: null },
  });
  using target = await compile(mobilenet(4), { device, batch: 1, seed: 2 });
  const before = await valuesOf(target.state);
  const checkpoint = await readCheckpoint(file);
  expect(() => loadWeights(checkpoint, target.state)).toThrow(
    /classifier\.weight \[10, 256\], the model wants \[4, 256\]/,
  );
  expect(changed(before, await valuesOf(target.state)), "strict loading writes all or nothing").toEqual([]);

  const report = loadWeights(checkpoint, target.state, { strict: false });
  const after = await valuesOf(target.state);
  expect(report.misshapen.map(({ name }) => name)).toEqual(["classifier.weight", "classifier.bias"]);
  expect([report.missing, report.unexpected]).toEqual([[], []]);
  expect(report.loaded).toHaveLength(target.state.variables().length - 2);
  const loaded = await valuesOf(source.state);
  for (const [name, values] of after)
    expect(values, name).toEqual(name.startsWith("classifier") ? before.get(name) : loaded.get(name));
});

test("frozen parameters keep their bits and have no slots; without more, their batch norms go on counting", async () => {
  const { before, after } = await train({ freeze: /^(?!classifier)/ }, 2);
  const slots = [...after.keys()].filter((name) => name.startsWith("optimizer."));
  expect(slots).toEqual(["optimizer.classifier.weight.momentum", "optimizer.classifier.bias.momentum"]);
  const moved = changed(before, after).filter((name) => !name.startsWith("optimizer."));
  expect(moved.filter((name) => !name.includes("running"))).toEqual(["classifier.weight", "classifier.bias"]);
  expect(moved.filter((name) => name.endsWith("running_mean"))).toHaveLength(27);
});

test("frozen batch norms in inference mode use the running statistics and leave them alone", async () => {
  const { before, after, losses } = await train({ freeze: /^(?!classifier)/, freezeStatistics: true }, 2);
  expect(changed(before, after).filter((name) => !name.startsWith("optimizer."))).toEqual([
    "classifier.weight",
    "classifier.bias",
  ]);
  // So the loss of the first step is that of an evaluation, which batch statistics do not give.
  using judge = await compile(mobilenet(4), { device, batch, loss, seed: 5 });
  const evaluated = (await judge.run({ image, label })).loss;
  expect(losses[0]).toBeCloseTo(evaluated, 5);
  const { losses: others } = await train({ freeze: /^(?!classifier)/ }, 1);
  expect(Math.abs((others[0] ?? 0) - evaluated)).toBeGreaterThan(1e-3);
});

test("frozen in part: batch norms that train keep their batch statistics", async () => {
  const { before, after } = await train(
    { freeze: /^(conv_stem|bn1|blocks\.[0-3])/, freezeStatistics: true },
    1,
  );
  const moved = changed(before, after).filter((name) => name.includes("running"));
  expect(moved).toHaveLength(2 * 4);
  expect(moved.every((name) => name.startsWith("blocks.4."))).toBe(true);
});

test.each(["sgd", "adam"] as const)(
  "groups of parameters have learning rates of their own under %s",
  async (name) => {
    const make = (groups: readonly ParameterGroup[]) =>
      name === "sgd" ? sgd({ lr: 1e-2, groups }) : adam({ lr: 1e-3, groups });
    const plain = await train({ optimizer: make([]) }, 1);
    const scaled = await train(
      {
        optimizer: make([
          { match: /^classifier\.bias/, lrScale: 0 },
          { match: /^classifier/, lrScale: 10 },
          { match: /^blocks\.0/, lrScale: 0.5 },
        ]),
      },
      1,
    );
    const moves = ({ before, after }: typeof plain, of: string) =>
      (after.get(of) ?? new Float32Array()).map((v, i) => v - (before.get(of)?.[i] ?? 0));
    for (const [of, factor] of [
      ["classifier.weight", 10],
      ["classifier.bias", 0],
      ["blocks.0.0.conv_pw.weight", 0.5],
      ["blocks.1.0.conv_pw.weight", 1],
    ] as const) {
      const own = moves(plain, of);
      const largest = Math.max(...own.map(Math.abs));
      expect(largest).toBeGreaterThan(0);
      // A difference of two f32 of up to 1 is off by 1.2e-7.
      for (const [i, move] of moves(scaled, of).entries())
        expect(Math.abs(move - factor * (own[i] ?? 0)), of).toBeLessThanOrEqual(
          3e-7 * (1 + factor) + 1e-4 * largest,
        );
    }
  },
);

const settings: Partial<TrainSettings> = {
  seed: 3,
  batch: 256,
  schedule: "constant",
  trainOnly: ["c5", "f6", "output"],
  freeze: ["*.bias"],
  lrScale: [{ name: "output", factor: 3 }],
};

/** Trains LeNet-5 on the digits and returns the last checkpoint. */
async function digits(out: string, options: Partial<Parameters<typeof openTraining>[0]>, stopAt?: number) {
  const training = await openTraining({ device, folder: join(folder, out), ...options });
  try {
    for await (const event of training.trainer.run()) {
      if (event.event === "step" && event.iteration === stopAt) training.trainer.stop();
      if (event.event === "start") expect(event.trainable).toBe(120 * 400 + 84 * 120 + 10 * 84);
    }
  } finally {
    training.close();
  }
  return join(folder, out, "last.safetensors");
}

test("a run with frozen layers, weights and rates of its own resumes bit for bit", async () => {
  const data = { data: "digits", model: "lenet5" };
  const start = join(folder, "digits-1.safetensors");
  using other = await compile(modelNamed("lenet5"), { device, batch: 1, seed: 99 });
  await saveCheckpoint(start, other.state, {
    model: "lenet5",
    options: {},
    classes: ["0"],
    images: { source: [8, 8, 1], size: [32, 32], fit: "resize", mean: [0.5], std: [0.5] },
    data: "none",
    settings: defaultSettings,
    progress: { epoch: 0, position: 0, iteration: 0, lossSum: 0, lossCount: 0, best: null },
  });
  const two = { ...settings, epochs: 2 };
  const whole = await digits("whole", { ...data, weights: start, settings: two });
  await digits("parts", { ...data, weights: start, settings: two }, 3);
  const resumed = await digits("parts", { resume: join(folder, "parts", "last.safetensors") });
  expect(Buffer.compare(await readFile(resumed), await readFile(whole))).toBe(0);

  const { tensors, info } = await readCheckpoint(whole);
  expect(info?.settings).toMatchObject(settings);
  const frozen = (await readCheckpoint(start)).tensors;
  const kept = [...frozen.keys()].filter(
    (name) =>
      Buffer.compare(
        frozen.get(name)?.data ?? new Uint8Array(),
        tensors.get(name)?.data ?? new Uint8Array(),
      ) === 0,
  );
  expect(kept.sort()).toEqual([
    "c1.bias",
    "c1.weight",
    "c3.bias",
    "c3.weight",
    "c5.bias",
    "f6.bias",
    "output.bias",
  ]);
  expect([...tensors.keys()].filter((name) => name.startsWith("optimizer."))).toHaveLength(6);

  await expect(digits("parts", { resume: resumed, settings: { freeze: ["c1"] } })).rejects.toThrow(
    /freeze is \*\.bias in this run and cannot become c1/,
  );
});

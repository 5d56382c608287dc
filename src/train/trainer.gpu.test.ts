import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { memorySplit } from "../data/dataset";
import { type Device, openDevice } from "../device";
import { DeviceLostError } from "../errors";
import { relu } from "../nn/activations";
import { sequential } from "../nn/combinators";
import { compile } from "../nn/compile";
import { batchNorm, conv, dropout, flatten, linear } from "../nn/layers";
import { crossEntropy } from "../nn/losses";
import { defineModel } from "../nn/model";
import { sgd } from "../nn/optimizers";
import { uniforms } from "../random";
import { loadWeights, readCheckpoint } from "./checkpoint";
import type { CheckpointInfo, TrainProgress } from "./checkpoint-info";
import type { TrainEvent } from "./events";
import { defaultSettings } from "./settings";
import { DivergedError, type StepNetwork, Trainer } from "./trainer";

const folder = await mkdtemp(join(tmpdir(), "striate-trainer-"));
let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(async () => {
  device?.close();
  await rm(folder, { recursive: true });
});

/** Running statistics, random draws and momentum: all that a continuation could lose. */
const tiny = defineModel({
  name: "tiny",
  input: [4, 4, 1],
  classes: 3,
  forward: ({ classes }) =>
    sequential({
      conv: conv(4, 3, { pad: 1, bias: false }),
      bn: batchNorm(),
      relu: relu(),
      flatten: flatten(),
      dropout: dropout(0.5),
      fc: linear(classes),
    }),
});

const count = 40;
const pixels = Uint8Array.from(uniforms(3, 1, count * 16), (u) => Math.floor(256 * u));
const split = memorySplit(
  pixels,
  Uint8Array.from({ length: count }, (_, k) => k % 3),
  [4, 4, 1],
);
const start: TrainProgress = { epoch: 0, position: 0, iteration: 0, lossSum: 0, lossCount: 0, best: null };
const info: CheckpointInfo = {
  model: "tiny",
  options: {},
  classes: ["a", "b", "c"],
  images: { source: [4, 4, 1], size: [4, 4], fit: "resize", mean: [0.5], std: [0.5] },
  data: "noise",
  settings: { ...defaultSettings, seed: 4, batch: 8, epochs: 3, optimizer: "sgd", lr: 0.05 },
  progress: start,
};

/** Runs a trainer in a folder of its own, as `openTraining` would; `wrap` stands between it and the network. */
async function train(
  name: string,
  {
    resume,
    settings = info.settings,
    wrap = (step) => step,
    onEvent = () => undefined,
    on = device,
  }: {
    resume?: string;
    settings?: CheckpointInfo["settings"];
    wrap?: (step: StepNetwork) => StepNetwork;
    onEvent?: (event: TrainEvent, trainer: Trainer) => void;
    on?: Device;
  } = {},
) {
  const { seed, batch, lr, momentum } = settings;
  const step = await compile(tiny(), {
    device: on,
    batch,
    seed,
    loss: crossEntropy(),
    optimizer: sgd({ lr, momentum }),
  });
  const infer = await compile(tiny(), { device: on, batch, state: step.state });
  try {
    let progress = start;
    if (resume !== undefined) {
      const checkpoint = await readCheckpoint(resume);
      loadWeights(checkpoint, step.state, { slots: true });
      progress = checkpoint.info?.progress ?? start;
    }
    const trainer = new Trainer({
      step: wrap(step),
      infer,
      train: split,
      evaluation: split,
      test: split,
      info: { ...info, settings, progress },
      folder: join(folder, name),
      adapter: device.adapter.name,
      resumedFrom: resume,
    });
    const events: TrainEvent[] = [];
    for await (const event of trainer.run()) {
      events.push(event);
      onEvent(event, trainer);
    }
    return { events, file: join(folder, name, "last.safetensors") };
  } finally {
    infer.close();
    step.close();
  }
}

test.each([1, 5, 7, 12])(
  "stopped after step %i and resumed, a run leaves the bytes of one without a stop",
  async (at) => {
    const whole = await train(`whole-${at}`);
    const stopped = await train(`stopped-${at}`, {
      onEvent: (event, trainer) => {
        if (event.event === "step" && event.iteration === at) trainer.stop();
      },
    });
    expect(stopped.events.at(-1)).toMatchObject({ event: "interrupted" });
    const resumed = await train(`resumed-${at}`, { resume: stopped.file });
    expect(resumed.events.at(-1)).toMatchObject({ event: "result", iteration: 15 });
    expect((await readFile(resumed.file)).equals(await readFile(whole.file))).toBe(true);
    const losses = ({ events }: { events: TrainEvent[] }) =>
      events.flatMap((event) => (event.event === "step" ? [[event.iteration, event.loss]] : []));
    expect([...losses(stopped), ...losses(resumed)]).toEqual(losses(whole));
  },
);

test("a step is submitted before the loss of the one before it is looked at", async () => {
  const order: string[] = [];
  let submitted = 0;
  const { events } = await train("overlap", {
    wrap: (step) => ({
      state: step.state,
      run: async (inputs, options) => {
        const k = ++submitted;
        order.push(`submit ${k}`);
        return step.run(inputs, options);
      },
    }),
    onEvent: (event) => {
      if (event.event === "step") order.push(`loss ${event.iteration}`);
    },
  });
  expect(events.filter(({ event }) => event === "step")).toHaveLength(15);
  // Within each epoch of five steps: 1 2 · loss 1 · 3 · loss 2 …
  expect(order.slice(0, 10)).toEqual(
    "submit 1,submit 2,loss 1,submit 3,loss 2,submit 4,loss 3,submit 5,loss 4,loss 5".split(","),
  );
});

test("weights that blow up end the run with the first bad tensor and the checkpoint of before", async () => {
  let network: StepNetwork | undefined;
  const diverging = train("diverged", {
    wrap: (step) => {
      network = step;
      return step;
    },
    // Step 7 is submitted by then and step 8 is not.
    onEvent: (event) => {
      if (event.event === "step" && event.iteration === 6)
        network?.state.write("fc.bias", Float32Array.of(0, Number.NaN, 0));
    },
  });
  const error = await diverging.catch((e: unknown) => e);
  expect(error).toBeInstanceOf(DivergedError);
  const last = join(folder, "diverged", "last.safetensors");
  expect(error).toMatchObject({ iteration: 8, checkpoint: last });
  expect((error as Error).message).toMatch(
    /^the loss is NaN at step 8 \(epoch 2\), first bad tensor (bn|conv|fc)\.\S+ \(\d+ of \d+ values not finite\); the last good checkpoint is /,
  );
  expect((await readCheckpoint(last)).info?.progress).toMatchObject({ epoch: 1, iteration: 5 });
  expect((await readdir(join(folder, "diverged"))).sort()).toEqual(["best.safetensors", "last.safetensors"]);
});

test("a device that is lost ends the run; from its last checkpoint another device ends with the same bytes", async () => {
  const whole = await train("not-lost");
  const doomed = await openDevice({ adapter: process.env.STRIATE_DEVICE });
  const failing = train("lost", {
    on: doomed,
    onEvent: (event) => {
      if (event.event === "step" && event.iteration === 8) doomed.gpu.destroy();
    },
  });
  await expect(failing).rejects.toThrow(DeviceLostError);
  doomed.close();
  const last = join(folder, "lost", "last.safetensors");
  expect((await readCheckpoint(last)).info?.progress).toMatchObject({ epoch: 1, iteration: 5 });
  const { file } = await train("found", { resume: last });
  expect((await readFile(file)).equals(await readFile(whole.file))).toBe(true);
});

test("a batch that is larger than the data is refused before anything runs", async () => {
  await expect(train("large", { settings: { ...info.settings, batch: 41 } })).rejects.toThrow(
    "batch size 41 is more than the 40 training images; use 40 or fewer",
  );
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../device";
import { candidatesOf, heuristicOf } from "../passes/select";
import { isTunable, sourcesOf, stepKey, type TunedChoice } from "../passes/tuning";
import { fusedSteps, type GraphSpec } from "../plan";
import { openTraining } from "./open-training";
import { openTrainedModel } from "./trained-model";

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
  folder = await mkdtemp(join(tmpdir(), "striate-train-"));
});
afterAll(async () => {
  device?.close();
  await rm(folder, { recursive: true, force: true });
});

/** As if the last candidate had been measured to be the fastest of the first matrix product. */
async function lastOfTheFirstProduct(specs: readonly GraphSpec[]) {
  const steps = specs.flatMap((spec) => fusedSteps(spec, device.limits));
  const step = steps.find((s) => s.node.op.name === "matmulNT" && isTunable(s, device));
  if (step === undefined) throw new Error("no product");
  const kernel = candidatesOf(step, device).at(-1)?.name ?? "";
  expect(kernel).not.toBe(heuristicOf(step, device));
  return new Map<string, TunedChoice>([[stepKey(step), { kernel, sources: sourcesOf(step, device) }]]);
}

test("a resumed run keeps the kernels that it was tuned to, and so does its evaluation", async () => {
  const training = await openTraining({
    device,
    data: "digits",
    model: "lenet5",
    settings: { batch: 16, epochs: 1 },
    folder,
    tune: lastOfTheFirstProduct,
  });
  const { tuning } = training.info;
  expect(Object.keys(tuning?.choices ?? {})).toHaveLength(1);
  training.trainer.stop();
  const events = [];
  for await (const { event } of training.trainer.run()) events.push(event);
  expect(events.at(-1)).toBe("interrupted");
  training.close();

  const resume = join(folder, "last.safetensors");
  const problems: string[] = [];
  const resumed = await openTraining({ device, resume, onLostTuning: (problem) => problems.push(problem) });
  expect(resumed.info.tuning).toEqual(tuning);
  expect(problems).toEqual([]);
  resumed.close();

  const { network } = await openTrainedModel(resume, { device });
  expect(network.plan.tuned.size).toBe(1);
  network.close();
});

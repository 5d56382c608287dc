// Trains, stops in the middle of an epoch, and goes on from the checkpoint as if nothing had happened.
//   node examples/resume.mjs [epochs]
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDevice } from "striate";
import { openTraining } from "striate/node";

const epochs = Number(process.argv[2] ?? 2);
const folder = await mkdtemp(join(tmpdir(), "striate-resume-"));
const settings = { epochs, batch: 64, seed: 1 };

const device = await openDevice();
const first = await openTraining({ device, data: "digits", model: "lenet5", settings, folder });
for await (const event of first.trainer.run()) {
  if (event.event === "step" && event.iteration === 10) first.trainer.stop(); // as Ctrl-C does on the command line
  if (event.event === "interrupted") console.log(`stopped after step ${event.iteration}`);
}
first.close();

const resume = join(folder, "last.safetensors");
const second = await openTraining({ device, resume }); // data, model and settings are in the checkpoint
for await (const event of second.trainer.run()) {
  if (event.event === "start") console.log(`goes on after step ${event.iteration}`);
  if (event.event === "epoch")
    console.log(`epoch ${event.epoch}: accuracy ${(100 * event.accuracy).toFixed(1)}%`);
}
second.close();
device.close();
await rm(folder, { recursive: true });

// Takes the features of a network that tells ten digits apart to tell even from odd: only the last layer is trained.
//   node examples/transfer-learning.mjs [epochs]
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adam, compile, crossEntropy, lenet5, openDevice } from "striate";
import { batches, loadDigits, loadWeights, openTraining, readCheckpoint } from "striate/node";

const epochs = Number(process.argv[2] ?? 6);
const batch = 64;
const device = await openDevice();

// A checkpoint as `striate train` leaves it. Weights of another program with PyTorch's names load the same way.
const folder = await mkdtemp(join(tmpdir(), "striate-transfer-"));
const training = await openTraining({
  device,
  data: "digits",
  model: "lenet5",
  settings: { epochs, batch },
  folder,
});
for await (const event of training.trainer.run())
  if (event.event === "result")
    console.log(`ten digits: test accuracy ${(100 * event.accuracy).toFixed(1)}%`);
const { size, fit, mean, std } = training.info.images; // how images were prepared belongs to the weights
training.close();

const step = await compile(lenet5({ classes: 2 }), {
  device,
  batch,
  loss: crossEntropy(),
  optimizer: adam({ lr: 5e-3 }),
  freeze: /^(?!output\.)/, // every parameter but the output layer's
});
const checkpoint = await readCheckpoint(join(folder, "last.safetensors"));
const { loaded, misshapen } = loadWeights(checkpoint, step.state, { strict: false });
console.log(
  `loaded ${loaded.join(", ")}; not ${misshapen.map(({ name }) => name).join(", ")}: another shape`,
);

const { train } = await loadDigits();
for (let epoch = 0; epoch < epochs; epoch++) {
  let correct = 0;
  let seen = 0;
  const order = { batch, seed: 1, epoch, dropLast: true };
  for await (const { image, label } of batches(train, { ...order, size, fit, mean, std })) {
    const parity = label.map((digit) => digit % 2);
    correct += (await step.run({ image, label: parity }, { read: ["correct"] })).correct ?? 0;
    seen += batch;
  }
  console.log(`even or odd, epoch ${epoch + 1}: training accuracy ${((100 * correct) / seen).toFixed(1)}%`);
}
device.close();
await rm(folder, { recursive: true });

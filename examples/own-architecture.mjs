// A network of your own: layers by name, a residual block, an option; trained, saved and loaded.
//   node examples/own-architecture.mjs [epochs]
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adam, compile, crossEntropy, defineModel, describe, nn, openDevice } from "striate";
import { batches, loadDigits, loadWeights, readCheckpoint, saveCheckpoint } from "striate/node";

const { batchNorm, conv, globalAvgPool, linear, maxPool, relu, residual, sequential } = nn;

/** relu(x + f(x)) @param {number} channels */
const block = (channels) =>
  sequential(
    residual(
      sequential({
        conv1: conv(channels, 3, { pad: 1, bias: false }),
        bn1: batchNorm(),
        relu: relu(),
        conv2: conv(channels, 3, { pad: 1, bias: false }),
        bn2: batchNorm(),
      }),
    ),
    relu(),
  );

/** A small residual network for small grey images. */
const tinyResnet = defineModel({
  name: "tiny-resnet",
  input: [8, 8, 1],
  classes: 10,
  options: { width: 1 },
  forward: ({ classes, width }) =>
    sequential({
      stem: conv(16 * width, 3, { pad: 1 }),
      block1: block(16 * width),
      pool: maxPool(2),
      block2: block(16 * width),
      average: globalAvgPool(),
      fc: linear(classes),
    }),
});

const epochs = Number(process.argv[2] ?? 5);
const batch = 64;
const net = tinyResnet({ width: 2 });
const { parameters, layers } = describe(net);
console.log(`${net.name}: ${layers.length} layers, ${parameters} parameters`);

const device = await openDevice();
const { train, test } = await loadDigits();
const step = await compile(net, {
  device,
  batch,
  loss: crossEntropy(),
  optimizer: adam({ lr: 3e-3 }),
  seed: 1,
});
for (let epoch = 0; epoch < epochs; epoch++) {
  let correct = 0;
  let seen = 0;
  for await (const { image, label } of batches(train, { batch, seed: 1, epoch, dropLast: true })) {
    correct += (await step.run({ image, label }, { read: ["correct"] })).correct ?? 0;
    seen += batch;
  }
  console.log(`epoch ${epoch + 1}: training accuracy ${((100 * correct) / seen).toFixed(1)}%`);
}

// The weights alone, as safetensors under PyTorch's names: block1.0.conv1.weight and so on.
const folder = await mkdtemp(join(tmpdir(), "striate-own-"));
const file = join(folder, "tiny-resnet.safetensors");
await saveCheckpoint(file, step.state);
const classify = await compile(net, { device, batch: 1 });
const { loaded } = loadWeights(await readCheckpoint(file), classify.state);
console.log(`${loaded.length} tensors loaded, ${loaded.slice(0, 3).join(", ")}, …`);
for await (const { image, label } of batches(test, { batch: 1 })) {
  const { probabilities } = await classify.run({ image });
  console.log(`a ${label[0]}: the network says ${probabilities.indexOf(Math.max(...probabilities))}`);
  break;
}
device.close();
await rm(folder, { recursive: true });

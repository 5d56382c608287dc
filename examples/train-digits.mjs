// Trains LeNet-5 on the handwritten digits that the package carries.
//   node examples/train-digits.mjs [epochs]
import { adam, compile, crossEntropy, lenet5, openDevice } from "striate";
import { batches, loadDigits } from "striate/node";

const epochs = Number(process.argv[2] ?? 10);
const batch = 64;
const size = /** @type {const} */ ([32, 32]); // LeNet-5's input; the digits are 8×8 and are interpolated

const device = await openDevice();
const digits = await loadDigits();
const net = lenet5({ classes: digits.classes.length });
const step = await compile(net, {
  device,
  batch,
  loss: crossEntropy(),
  optimizer: adam({ lr: 2e-3 }),
  seed: 1,
});
// The same parameters under another use: what a step changes, the evaluation sees.
const test = await compile(net, { device, batch, loss: crossEntropy(), state: step.state });

for (let epoch = 0; epoch < epochs; epoch++) {
  let sum = 0;
  let steps = 0;
  for await (const { image, label } of batches(digits.train, {
    batch,
    size,
    seed: 1,
    epoch,
    dropLast: true,
  })) {
    const { loss } = await step.run({ image, label });
    sum += loss;
    steps++;
  }
  let correct = 0;
  for await (const { image, label, count } of batches(digits.test, { batch, size })) {
    const { logits } = await test.run({ image, label });
    for (let n = 0; n < count; n++) {
      const row = logits.subarray(n * net.classes, (n + 1) * net.classes);
      if (row.indexOf(Math.max(...row)) === label[n]) correct++;
    }
  }
  const accuracy = ((100 * correct) / digits.test.count).toFixed(1);
  console.log(`epoch ${epoch + 1}: loss ${(sum / steps).toFixed(4)}, test accuracy ${accuracy}%`);
}
device.close(); // and with it the networks and their memory

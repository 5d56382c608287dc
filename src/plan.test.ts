import { expect, test } from "vitest";
import { modelNamed } from "./models";
import { plan } from "./nn/compile";
import { crossEntropy } from "./nn/losses";
import { sgd } from "./nn/optimizers";
import { readsOf, writesOf } from "./passes/step";
import { worstStep } from "./plan";

const training = { loss: crossEntropy(), optimizer: sgd({ lr: 0.1, momentum: 0.9 }) };

// At full size: 224 pixels, 1000 classes.
test.each(["resnet50", "vgg16", "googlenet", "mobilenet-v1", "alexnet"])(
  "activations of a training step of %s at batch 8 take at most 1.15 times what must be live",
  (name) => {
    const made = plan(modelNamed(name), { batch: 8, ...training });
    const { memory, bytes } = made;
    console.log(
      `${name}: activations planned ${bytes.activations} bytes, ${memory.liveBytes} must be live at ${worstStep(made)?.node.layer}`,
    );
    expect(memory.liveBytes).toBeGreaterThan(1e6);
    expect(bytes.activations).toBeGreaterThanOrEqual(memory.liveBytes);
    expect(bytes.activations / memory.liveBytes).toBeLessThanOrEqual(1.15);
  },
);

test("the worst moment is the first step at which the most bytes are live, counted by hand", () => {
  const made = plan(modelNamed("resnet18", { classes: 10, imageSize: 64 }), { batch: 2 });
  const { steps, memory, spec } = made;
  const ends = new Map<number, { first: number; last: number }>();
  steps.forEach((step, k) => {
    for (const { id } of [...readsOf(step), ...writesOf(step)])
      ends.set(id, { first: ends.get(id)?.first ?? k, last: k });
  });
  for (const t of Object.values(spec.outputs)) {
    const life = ends.get(t.id);
    if (life !== undefined) life.last = steps.length - 1;
  }
  const live = steps.map((_, k) => {
    let bytes = 0;
    for (const [id, segments] of memory.placement) {
      const life = ends.get(id);
      if (life === undefined || life.first > k || life.last < k) continue;
      for (const segment of segments) bytes += segment.bytes;
    }
    return bytes;
  });
  const most = Math.max(...live);
  expect(memory.liveBytes).toBe(most);
  expect(worstStep(made)).toBe(steps[live.indexOf(most)]);
});

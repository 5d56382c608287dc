import { expect, test } from "vitest";
import { modelNamed } from "../models";
import { lenet5, mnistCnn } from "../models/lenet5";
import { vgg11 } from "../models/vgg";
import { input } from "../tensor";
import * as activations from "./activations";
import { plan } from "./compile";
import {
  fansOf,
  kaimingNormal,
  kaimingUniform,
  torchWeight,
  truncatedNormalInit,
  xavierNormal,
  xavierUniform,
} from "./initializers";
import { Scope, Trace } from "./layer";
import { crossEntropy } from "./losses";
import { declareModel } from "./model";
import { networkGraph } from "./network-graph";
import { adam, adamw, sgd } from "./optimizers";

const loss = crossEntropy();
const momentum = sgd({ lr: 0.1, momentum: 0.9 });

test("fans follow the engine's layouts", () => {
  expect(fansOf([8, 3, 5, 2])).toEqual({ fanIn: 30, fanOut: 120 });
  expect(fansOf([3, 5, 16])).toEqual({ fanIn: 15, fanOut: 240 });
  expect(fansOf([10, 84])).toEqual({ fanIn: 84, fanOut: 10 });
});

test("initialisers have the spread that their definitions say, and repeat by seed", () => {
  const spread = (values: Float32Array) => Math.sqrt(values.reduce((s, v) => s + v * v, 0) / values.length);
  const shape = [64, 3, 3, 32];
  expect(spread(torchWeight(shape, 1, 2))).toBeCloseTo(1 / Math.sqrt(3 * 288), 3);
  expect(spread(kaimingNormal("out")(shape, 1, 2))).toBeCloseTo(Math.sqrt(2 / 576), 3);
  expect(spread(xavierUniform()(shape, 1, 2))).toBeCloseTo(Math.sqrt(2 / (288 + 576)), 3);
  expect(spread(kaimingUniform()(shape, 1, 2))).toBeCloseTo(Math.sqrt(2 / 288), 3);
  expect(spread(xavierNormal(2)(shape, 1, 2))).toBeCloseTo(2 * Math.sqrt(2 / (288 + 576)), 3);
  expect(Math.max(...kaimingUniform()(shape, 1, 2))).toBeLessThanOrEqual(Math.sqrt(6 / 288));
  expect(torchWeight(shape, 1, 2)).toEqual(torchWeight(shape, 1, 2));
  expect(torchWeight(shape, 1, 2)).not.toEqual(torchWeight(shape, 2, 2));
});

test("a truncated normal has nothing past its limit and the spread that is left", () => {
  const values = truncatedNormalInit(0.5, 2)([64, 3, 3, 32], 1, 2);
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(1);
  expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(0.99);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  expect(mean).toBeCloseTo(0, 2);
  // Variance within ±2 standard deviations: 1 − 4·φ(2) / (Φ(2) − Φ(−2)).
  const left = 1 - (4 * 0.05399097) / 0.95449974;
  const spread = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
  expect(spread).toBeCloseTo(0.5 * Math.sqrt(left), 2);
});

test("smoothing is a share below one", () => {
  expect(() => crossEntropy({ smoothing: 1 })).toThrow("smoothing is 1, expected at least 0 and below 1");
  expect(() => crossEntropy({ smoothing: Number.NaN })).toThrow("smoothing is NaN");
});

test("a linear layer behind a flatten remembers the images, through dropout too", () => {
  const layoutOf = (t: ReturnType<typeof declareModel>, name: string) => t.trace.variables.get(name)?.layout;
  expect(layoutOf(declareModel(mnistCnn(), 2, { training: true }), "fc1.weight")).toEqual({
    flatten: [7, 7, 64],
  });
  expect(layoutOf(declareModel(mnistCnn(), 2), "fc2.weight")).toBe("same");
  expect(layoutOf(declareModel(lenet5(), 2), "f6.weight")).toBe("same");
  expect(layoutOf(declareModel(vgg11({ imageSize: 64 }), 1), "classifier.0.weight")).toEqual({
    flatten: [7, 7, 512],
  });
});

test("frozen parameters have neither gradients nor slots, and their batch norms can stand still", () => {
  const model = modelNamed("resnet18", { classes: 10, imageSize: 64 });
  const frozen = networkGraph(model, {
    batch: 2,
    loss,
    optimizer: momentum,
    freeze: /^(?!fc)/,
    freezeStatistics: true,
  });
  expect(frozen.spec.updates).toHaveLength(2);
  const all = networkGraph(model, { batch: 2, loss, optimizer: momentum });
  expect(all.spec.updates).toHaveLength(62 + 2 * 20);
  const head = networkGraph(model, {
    batch: 2,
    loss,
    optimizer: momentum,
    freeze: ["layer1", "conv1.weight"],
  });
  expect(head.spec.updates).toHaveLength(62 - 13 + 2 * 20);
  expect(() => networkGraph(model, { batch: 2, freeze: "layer9" })).toThrow(
    /^resnet18: no parameter matches layer9; there are conv1.weight/,
  );
  expect(() => networkGraph(model, { batch: 2, loss, optimizer: momentum, freeze: /./ })).toThrow(
    "nothing to train",
  );
});

test("auxiliary classifiers count in training only", () => {
  const model = modelNamed("googlenet", { classes: 10, imageSize: 64 });
  const weights = declareModel(model, 2, { training: true }).trace.auxiliaryOutputs.map((o) => [
    o.name,
    o.weight,
  ]);
  expect(weights).toEqual([
    ["aux1", 0.3],
    ["aux2", 0.3],
  ]);
  expect(declareModel(model, 2).trace.auxiliaryOutputs).toEqual([]);
});

test("optimizers give each step its numbers and refuse nonsense", () => {
  expect(momentum.scalars(5, 0.02)).toEqual({ lr: 0.02 });
  const { correction1 = 0, correction2 = 0 } = adam({ lr: 1 }).scalars(1, 1);
  expect(correction1).toBeCloseTo(0.19, 12);
  expect(correction2).toBeCloseTo(1 - 0.999 ** 2, 12);
  expect(() => sgd({ lr: Number.NaN })).toThrow("sgd: lr is NaN, expected a finite number of at least 0");
  expect(() => sgd({ lr: Number.POSITIVE_INFINITY })).toThrow("sgd: lr is Infinity");
  expect(() => adamw({ lr: 1, beta1: 1 })).toThrow("adamw: beta1 is 1, expected at least 0 and below 1");
});

test.each(["resnet18", "mobilenet-v1", "googlenet", "alexnet-owt", "lenet5"])(
  "%s has a plan for a training step without a GPU",
  (name) => {
    const size = name === "lenet5" ? {} : { imageSize: 64 };
    const { steps, bytes } = plan(modelNamed(name, { classes: 10, ...size }), {
      batch: 2,
      loss,
      optimizer: momentum,
    });
    expect(steps.length).toBeGreaterThan(10);
    expect(bytes.slots).toBe(bytes.parameters);
  },
);

test("a narrow VGG with batch norm has a plan for a training step", () => {
  const model = modelNamed("vgg11-bn", { classes: 10, imageSize: 64, hidden: 256 });
  const { bytes } = plan(model, { batch: 2, loss, optimizer: momentum });
  expect(bytes.slots).toBe(bytes.parameters);
});

test("every activation is a layer that keeps the shape", () => {
  const { prelu, leakyRelu, elu, identity, ...rest } = activations;
  const trace = new Trace();
  const x = input("x", [2, 3, 3, 4]);
  const made = [prelu(), leakyRelu(0.2), elu(0.5), identity(), ...Object.values(rest).map((make) => make())];
  for (const [k, act] of made.entries()) expect(act(x, new Scope(trace, `a${k}`)).shape).toEqual(x.shape);
  expect([...trace.variables.keys()]).toEqual(["a0.weight"]);
});

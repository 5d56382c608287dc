import { expect, test } from "vitest";
import { modelNamed } from "../models";
import { crossEntropy } from "../nn/losses";
import { networkGraph } from "../nn/network-graph";
import { sgd } from "../nn/optimizers";
import { parameterPattern } from "../nn/parameter-names";
import type { TrainSettings } from "./checkpoint-info";
import { defaultSettings } from "./settings";
import { transferOf } from "./transfer";

const resnet = modelNamed("resnet18", { classes: 10, imageSize: 32 });
const transfer = (settings: Partial<TrainSettings>) =>
  transferOf(resnet, { ...defaultSettings, ...settings });

/** Names of the parameters that a training step updates. */
function trained(settings: Partial<TrainSettings>): string[] {
  const { freeze, freezeStatistics } = transfer(settings);
  const { spec, trace } = networkGraph(resnet, {
    batch: 2,
    loss: crossEntropy(),
    optimizer: sgd({ lr: 0.1 }),
    freeze,
    freezeStatistics,
  });
  const updated = new Set(
    (spec.updates ?? []).flatMap(({ node }) => (node.kind === "op" ? Object.values(node.inputs) : [])),
  );
  return [...trace.variables.values()]
    .filter(({ role, outputs }) => role === "parameter" && updated.has(outputs.y))
    .map(({ name }) => name);
}

test("a name is a layer or a parameter, and * stands for any characters", () => {
  const matching = (...names: string[]) =>
    ["conv1.weight", "conv10.weight", "layer1.0.conv1.weight", "fc.weight", "fc.bias"].filter(
      (name) => name.search(parameterPattern(...names)) >= 0,
    );
  expect(matching("conv1")).toEqual(["conv1.weight"]);
  expect(matching("conv1.weight")).toEqual(["conv1.weight"]);
  expect(matching("layer*.conv1", "fc.bias")).toEqual(["layer1.0.conv1.weight", "fc.bias"]);
  expect(matching("*")).toHaveLength(5);
  expect(matching("fc.")).toEqual([]);
  expect(matching("c.nv1")).toEqual([]);
});

test("layers to freeze and layers to train only leave the same parameters", () => {
  expect(trained({ trainOnly: ["fc"] })).toEqual(["fc.weight", "fc.bias"]);
  expect(trained({ freeze: ["conv1", "bn1", "layer*"] })).toEqual(["fc.weight", "fc.bias"]);
  expect(trained({ trainOnly: ["fc", "layer4"], freeze: ["*.bias", "layer4.0"] })).toEqual([
    "layer4.1.conv1.weight",
    "layer4.1.bn1.weight",
    "layer4.1.conv2.weight",
    "layer4.1.bn2.weight",
    "fc.weight",
  ]);
});

test("what is frozen by mistake is told", () => {
  expect(() => transfer({ freeze: ["layer9"] })).toThrow(
    /^resnet18: no parameter is named layer9; there are conv1, bn1, layer1, .*fc and what is in them/,
  );
  expect(() => transfer({ lrScale: [{ name: "head", factor: 10 }] })).toThrow("no parameter is named head");
  expect(() => transfer({ freeze: ["*"] })).toThrow("nothing to train");
  expect(() => transfer({ freezeStatistics: true })).toThrow("nothing is frozen");
});

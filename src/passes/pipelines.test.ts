import { expect, test } from "vitest";
import { resnet50 } from "../models/resnet";
import { guaranteed, plan } from "../nn/compile";
import { crossEntropy } from "../nn/losses";
import { sgd } from "../nn/optimizers";
import { pipelinesOf } from "../plan";
import type { Target } from "./select";

const software: Target & { readonly limits: typeof guaranteed.limits } = {
  ...guaranteed,
  adapterClass: "software",
  subgroupSize: 8,
  features: new Set(["subgroups"]),
};

// A pipeline costs a software adapter up to 0.7 s before the first step is finished. ResNet-50 has 23 distinct sizes of
// convolutions, each in three directions; it must not become a pipeline for each. Where it has large maps and small ones,
// it needs both kinds of batch norm, Winograd of both sizes, products of matrices for 1×1, and on software adapters tiles of
// two widths and panels of several lengths, whose left factor comes from textures or, where it is read once, from its buffer.
test.each([
  ["software", software, 49, 62],
  ["gpu", guaranteed, 60, 67], // up to five sizes of tiles
])("training ResNet-50 takes few pipelines, at any size (%s)", (_, device, mostSmall, mostLarge) => {
  const use = { device, loss: crossEntropy(), optimizer: sgd({ lr: 0.1, momentum: 0.9 }) };
  const small = plan(resnet50({ imageSize: 64 }), { ...use, batch: 2 });
  const large = plan(resnet50({ imageSize: 224 }), { ...use, batch: 8 });
  expect(small.steps.length).toBeGreaterThan(250);
  expect(pipelinesOf(small)).toBeLessThanOrEqual(mostSmall);
  expect(pipelinesOf(large)).toBeLessThanOrEqual(mostLarge);
});

import type { LearningCase } from "./learning";

const narrow = { dropout: 0, hidden: 64 };
const plain = { options: narrow, keepsVariance: true };
/** A quarter of the filters: at these sizes all the time of the test goes into VGG's 512 × 512 products. */
const slim = { ...narrow, width: 0.25 };
const plainSlim = { options: slim, keepsVariance: true };

/** Every model, at the smallest images that it takes or near it; narrow where linear layers would be most of the work. */
export const learningCases: readonly LearningCase[] = [
  { model: "lenet5", size: 32, lr: 5e-3, within: 40 },
  { model: "mnist-cnn", size: 28, options: { dropout: 0, hidden: 100 }, lr: 1e-3, within: 30 },
  { model: "alexnet", size: 67, ...plain, lr: 2e-4, within: 40 },
  { model: "alexnet-owt", size: 63, ...plain, lr: 1e-4, within: 30 },
  { model: "zfnet", size: 64, ...plain, lr: 2e-4, within: 40 },
  { model: "vgg11", size: 32, ...plainSlim, lr: 1e-4, within: 60 },
  { model: "vgg13", size: 32, ...plainSlim, lr: 2e-4, within: 60 },
  { model: "vgg16", size: 32, ...plainSlim, lr: 3e-4, within: 60 },
  { model: "vgg19", size: 32, ...plainSlim, lr: 3e-4, within: 60 },
  { model: "vgg11-bn", size: 32, ...plainSlim, lr: 3e-4, within: 40 },
  { model: "vgg13-bn", size: 32, ...plainSlim, lr: 3e-4, within: 40 },
  { model: "vgg16-bn", size: 32, ...plainSlim, lr: 3e-4, within: 40 },
  { model: "vgg19-bn", size: 32, ...plainSlim, lr: 3e-4, within: 40 },
  { model: "googlenet", size: 32, options: { dropout: 0, auxiliaryDropout: 0 }, lr: 1e-3, within: 20 },
  { model: "inception-v3", size: 75, options: { dropout: 0, auxiliaries: false }, lr: 1e-3, within: 20 },
  { model: "resnet18", size: 32, lr: 1e-3, within: 12 },
  { model: "resnet34", size: 32, lr: 1e-3, within: 12 },
  { model: "resnet50", size: 32, options: { zeroInit: true }, lr: 1e-3, within: 12 },
  { model: "resnet101", size: 32, options: { zeroInit: true }, lr: 1e-3, within: 12 },
  { model: "resnet152", size: 32, options: { zeroInit: true }, lr: 1e-3, within: 12 },
  { model: "mobilenet-v1", size: 32, lr: 1e-3, within: 20 },
];

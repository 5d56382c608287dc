import type { ParityCase } from "./parity";

const plain = { dropout: 0 };
const narrow = { dropout: 0, hidden: 256 };

/** Every family of networks, at the size of its fixture; the narrow ones so that the tests stay light. */
export const parityCases: readonly ParityCase[] = [
  { model: "lenet5", fixture: "lenet5" },
  { model: "alexnet", fixture: "alexnet-2012-narrow", options: narrow },
  { model: "alexnet-owt", fixture: "alexnet-narrow", options: narrow },
  { model: "zfnet", fixture: "zfnet-narrow", options: narrow },
  { model: "vgg11", fixture: "vgg11-narrow", options: narrow },
  { model: "vgg13", fixture: "vgg13-narrow", options: narrow },
  { model: "vgg16", fixture: "vgg16-narrow", options: narrow },
  { model: "vgg19", fixture: "vgg19-narrow", options: narrow },
  { model: "vgg11-bn", fixture: "vgg11_bn-narrow", options: narrow },
  { model: "vgg13-bn", fixture: "vgg13_bn-narrow", options: narrow },
  { model: "vgg16-bn", fixture: "vgg16_bn-narrow", options: narrow },
  { model: "vgg19-bn", fixture: "vgg19_bn-narrow", options: narrow },
  { model: "googlenet", fixture: "googlenet", options: { ...plain, auxiliaryDropout: 0 } },
  { model: "inception-v3", fixture: "inception_v3", options: { ...plain, auxiliaries: false } },
  { model: "resnet18", fixture: "resnet18" },
  { model: "resnet34", fixture: "resnet34" },
  { model: "resnet50", fixture: "resnet50" },
  { model: "resnet101", fixture: "resnet101" },
  { model: "resnet152", fixture: "resnet152" },
  { model: "mobilenet-v1", fixture: "mobilenetv1_100", options: plain },
];

/** A whole picture of 299 pixels, the smallest at which the classifier on the side works: the heaviest by far. */
export const auxiliaryParityCases: readonly ParityCase[] = [
  { model: "inception-v3", fixture: "inception_v3-aux", options: plain },
];

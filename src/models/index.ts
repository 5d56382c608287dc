import type { Model, ModelOptions } from "../nn/model";
import { alexnet, alexnetOwt } from "./alexnet";
import { googlenet } from "./googlenet";
import { inceptionV3 } from "./inception-v3";
import { lenet5, mnistCnn } from "./lenet5";
import { mobilenetV1 } from "./mobilenet-v1";
import { resnet18, resnet34, resnet50, resnet101, resnet152 } from "./resnet";
import { vgg11, vgg11Bn, vgg13, vgg13Bn, vgg16, vgg16Bn, vgg19, vgg19Bn } from "./vgg";
import { zfnet } from "./zfnet";

/** Every model by its name on the command line. */
export const models = {
  lenet5,
  "mnist-cnn": mnistCnn,
  alexnet,
  "alexnet-owt": alexnetOwt,
  zfnet,
  vgg11,
  "vgg11-bn": vgg11Bn,
  vgg13,
  "vgg13-bn": vgg13Bn,
  vgg16,
  "vgg16-bn": vgg16Bn,
  vgg19,
  "vgg19-bn": vgg19Bn,
  googlenet,
  "inception-v3": inceptionV3,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  resnet152,
  "mobilenet-v1": mobilenetV1,
} as const;

export type ModelName = keyof typeof models;

const isName = (name: string): name is ModelName => Object.hasOwn(models, name);

/**
 * The model of a name, for programs that learn it at run time.
 *
 * @example modelNamed("resnet50", { classes: 10 })
 * @throws RangeError for a name or an option that there is not
 */
export function modelNamed(name: string, options: ModelOptions = {}): Model {
  if (!isName(name))
    throw new RangeError(`there is no model ${name}; there are ${Object.keys(models).join(", ")}`);
  const factory: (options: ModelOptions) => Model = models[name];
  return factory(options);
}

import type { Command } from "commander";
import { modelNamed, models } from "../models";
import type { Model, ModelOptions } from "../nn/model";
import { UsageError } from "./failure";
import { positive, share, whole } from "./numbers";

const modelNames: readonly string[] = Object.keys(models);

export interface ModelFlags {
  readonly classes?: number;
  readonly imgSize?: number;
  readonly channels?: number;
  readonly width?: number;
  readonly dropout?: number;
  readonly hidden?: number;
  /** Commander's default for a `--no-` option is true, also where a model has no auxiliary classifiers. */
  readonly auxiliaries?: boolean;
  readonly zeroInit?: boolean;
}

export function addModelOptions(command: Command): Command {
  command.option("--img-size <pixels>", "side of the square input", whole(1));
  return addShapeOptions(command);
}

/** All but the image size, of which some commands take several. */
export function addShapeOptions(command: Command): Command {
  return command
    .option("--classes <n>", "classes to tell apart", whole(1))
    .option("--channels <n>", "of the input, 1 for grey, 3 for colour", whole(1))
    .option("--width <alpha>", "width multiplier (MobileNet, VGG)", positive)
    .option("--dropout <p>", "probability of the classifier's dropout", share)
    .option("--hidden <n>", "width of the hidden linear layers (AlexNet, ZFNet, VGG)", whole(1))
    .option("--no-auxiliaries", "leave the classifiers on the side out (GoogLeNet, Inception v3)")
    .option("--zero-init", "start residual blocks as the identity: last batch norm's weight zero (ResNet)")
    .addHelpText("after", `\nModels: ${modelNames.join(", ")}`);
}

/** The model's options as typed. @throws UsageError for an unknown model, listing those that there are */
export function modelOptionsOf(name: string | undefined, flags: ModelFlags): ModelOptions {
  if (name !== undefined && !modelNames.includes(name))
    throw new UsageError(`there is no model "${name}"; there are ${modelNames.join(", ")}`);
  const { classes, imgSize: imageSize, channels, width, dropout, hidden, zeroInit } = flags;
  const auxiliaries = flags.auxiliaries === false ? false : undefined;
  const all = { classes, imageSize, channels, width, dropout, hidden, auxiliaries, zeroInit };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

export const modelOf = (name: string, flags: ModelFlags): Model =>
  modelNamed(name, modelOptionsOf(name, flags));

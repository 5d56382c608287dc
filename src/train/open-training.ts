import { basename, dirname, join, resolve } from "node:path";
import type { Dataset, ImageShape, Split } from "../data/dataset";
import { openDataset } from "../data/open-dataset";
import type { Device } from "../device";
import { InputError } from "../io/errors";
import { modelNamed } from "../models";
import { compile } from "../nn/compile";
import { crossEntropy } from "../nn/losses";
import type { Model, ModelOptions } from "../nn/model";
import { networkGraph } from "../nn/network-graph";
import { adam, adamw, type Optimizer, type ParameterGroup, sgd } from "../nn/optimizers";
import { type Checkpoint, type LoadReport, loadWeights, readCheckpoint } from "./checkpoint";
import type { CheckpointInfo, TrainProgress, TrainSettings } from "./checkpoint-info";
import { holdOut } from "./hold-out";
import { type PreparationOptions, prepareImages } from "./prepare";
import { lostTuning, type Tuner, tuningOf, usedTuning } from "./run-tuning";
import { checkSettings, defaultSettings } from "./settings";
import { Trainer } from "./trainer";
import { type Transfer, transferOf } from "./transfer";

export interface TrainingOptions extends PreparationOptions {
  readonly device: Device;
  /** As `openDataset` takes it; when resuming, the one that the checkpoint remembers if not given. */
  readonly data?: string | undefined;
  /** As `modelNamed` takes them; classes and channels come from the data if not given. */
  readonly model?: string | undefined;
  readonly modelOptions?: ModelOptions | undefined;
  readonly settings?: Partial<TrainSettings> | undefined;
  /** The folder for last.safetensors and best.safetensors. */
  readonly folder?: string | undefined;
  /** A checkpoint to continue from, bit for bit if no setting is changed. */
  readonly resume?: string | undefined;
  /** Weights to start from; what does not fit (another head) keeps its initial values. */
  readonly weights?: string | undefined;
  readonly onBadImage?: "fail" | "skip" | undefined;
  readonly onSkip?: ((error: InputError) => void) | undefined;
  /** Chooses kernels by measuring. A resumed run keeps the choices that it was started with. */
  readonly tune?: Tuner | undefined;
  /** Told, in one line, of a resumed run whose kernels are not those that it was started with. */
  readonly onLostTuning?: ((problem: string) => void) | undefined;
}

/** A training run that is ready to start. */
export interface Training {
  readonly trainer: Trainer;
  readonly info: CheckpointInfo;
  /** What became of the names of `weights`. */
  readonly weights: LoadReport | undefined;
  /** Frees everything but the device. */
  close(): void;
}

/**
 * Opens the data, makes the model to fit it, compiles the training step and the evaluation, and loads what is to be
 * continued from.
 *
 * @throws InputError for data, files and settings that cannot be used; ShapeError for a model that does not fit its
 *   input; OutOfMemoryError
 * @example
 * const training = await openTraining({ device, data: "digits", model: "lenet5", settings: { epochs: 5 } });
 * for await (const event of training.trainer.run()) if (event.event === "result") console.log(event.accuracy);
 * training.close();
 */
export async function openTraining(options: TrainingOptions): Promise<Training> {
  const resumed = options.resume === undefined ? undefined : await readResumable(options.resume);
  const settings = checkSettings({ ...(resumed?.info.settings ?? defaultSettings), ...options.settings });
  if (resumed !== undefined) checkUnchanged(resumed.info, settings, options);
  const weights = options.weights === undefined ? undefined : await readCheckpoint(options.weights);
  const { model, data, source } = await openModelAndData(options, resumed?.info);
  const transfer = transferOf(model, settings);
  const images = resumed?.info.images ?? prepareImages(data.train, model.input, options);
  const { kept, heldOut } =
    settings.valSplit > 0
      ? holdOut(data.train, settings.valSplit, settings.seed)
      : { kept: data.train, heldOut: data.test };

  const info: CheckpointInfo = {
    model: model.name,
    options: optionsOf(model),
    classes: data.classes,
    images,
    data: source,
    settings,
    progress: resumed?.info.progress ?? START,
  };
  const parts = { train: kept, evaluation: heldOut, test: data.test };
  return compileTraining(options, info, model, parts, { resumed, weights, transfer });
}

const START: TrainProgress = { epoch: 0, position: 0, iteration: 0, lossSum: 0, lossCount: 0, best: null };

/** Compiles only once everything that can be refused without a GPU has been looked at. */
async function compileTraining(
  { device, folder, tune, onLostTuning }: TrainingOptions,
  asked: CheckpointInfo,
  model: Model,
  splits: { readonly train: Split; readonly evaluation: Split; readonly test: Split },
  from: {
    readonly resumed: Resumable | undefined;
    readonly weights: Checkpoint | undefined;
    readonly transfer: Transfer;
  },
): Promise<Training> {
  const { settings } = asked;
  const { batch, seed, labelSmoothing } = settings;
  const { freeze, freezeStatistics, groups } = from.transfer;
  const loss = crossEntropy({ smoothing: labelSmoothing });
  const use = { batch, loss, optimizer: optimizerOf(settings, groups), freeze, freezeStatistics };
  const tuning =
    from.resumed === undefined
      ? await tune?.([networkGraph(model, use).spec, networkGraph(model, { batch }).spec])
      : tuningOf(from.resumed.info, device);
  const step = await compile(model, { ...use, device, seed, tuning });
  try {
    const infer = await compile(model, { device, batch, state: step.state, tuning });
    const used = usedTuning([step.plan, infer.plan], device);
    const lost = from.resumed === undefined ? undefined : lostTuning(from.resumed.info, used);
    if (lost !== undefined) onLostTuning?.(`${from.resumed?.file}: ${lost}`);
    const info: CheckpointInfo = { ...asked, tuning: used };
    if (from.resumed !== undefined) loadWeights(from.resumed, step.state, { slots: true });
    const weights =
      from.weights === undefined ? undefined : loadWeights(from.weights, step.state, { strict: false });
    if (weights?.loaded.length === 0)
      throw new InputError(`${from.weights?.file}: none of its tensors fits ${model.name}`);
    const trainer = new Trainer({
      ...splits,
      step,
      infer,
      info,
      folder: folder ?? (from.resumed === undefined ? usualFolder(info) : dirname(from.resumed.file)),
      adapter: device.adapter.name,
      resumedFrom: from.resumed?.file,
    });
    const close = () => {
      infer.close();
      step.close();
    };
    return { trainer, info, weights, close };
  } catch (error) {
    step.close();
    throw error;
  }
}

/** `checkpoints/mnist-lenet5` */
const usualFolder = ({ data, model }: CheckpointInfo): string =>
  join("checkpoints", `${basename(resolve(data))}-${model}`);

function optimizerOf(settings: TrainSettings, groups: readonly ParameterGroup[]): Optimizer {
  const { lr, momentum, nesterov, weightDecay } = settings;
  if (settings.optimizer === "sgd") return sgd({ lr, momentum, nesterov, weightDecay, groups });
  return settings.optimizer === "adam"
    ? adam({ lr, weightDecay, groups })
    : adamw({ lr, weightDecay, groups });
}

/** The options that were given, as a file can hold them. */
function optionsOf({ options }: Model): Record<string, number | boolean> {
  const found: Record<string, number | boolean> = {};
  for (const [name, value] of Object.entries(options))
    if (typeof value === "number" || typeof value === "boolean") found[name] = value;
  return found;
}

interface Resumable extends Checkpoint {
  readonly info: CheckpointInfo;
}

async function readResumable(file: string): Promise<Resumable> {
  const checkpoint = await readCheckpoint(file);
  const { info } = checkpoint;
  if (info === undefined)
    throw new InputError(
      `${file}: it holds weights but no state of a training run; start a new one from it with --weights`,
    );
  return { ...checkpoint, info };
}

/** What would make the rest of a run something else than its continuation. */
function checkUnchanged(
  info: CheckpointInfo,
  settings: TrainSettings,
  { model, resume }: TrainingOptions,
): void {
  if (model !== undefined && model !== info.model)
    throw new InputError(`${resume}: the run trains ${info.model}, not ${model}; start a new one`);
  for (const name of ["seed", "batch", "optimizer", "valSplit", "freeze", "trainOnly"] as const)
    if (String(settings[name]) !== String(info.settings[name]))
      throw new InputError(
        `${resume}: ${name} is ${info.settings[name]} in this run and cannot become ${settings[name]}; leave it out, or start a new run`,
      );
}

async function openModelAndData(
  options: TrainingOptions,
  resumed: CheckpointInfo | undefined,
): Promise<{ readonly model: Model; readonly data: Dataset; readonly source: string }> {
  const { onBadImage, onSkip } = options;
  const source = options.data ?? resumed?.data;
  if (source === undefined) throw new InputError("the data set is missing");
  if (resumed !== undefined) {
    const { classes, images } = resumed;
    const data = await openDataset(source, {
      shape: images.source,
      classes: classes.length,
      onBadImage,
      onSkip,
    });
    checkSameData(resumed, data);
    return { model: modelNamed(resumed.model, resumed.options), data, source };
  }
  if (options.model === undefined) throw new InputError("the model is missing");
  const asked = options.modelOptions ?? {};
  const shape: ImageShape = modelNamed(options.model, asked).input;
  const data = await openDataset(source, { shape, classes: asked.classes, onBadImage, onSkip });
  const fitted = { channels: data.shape[2], ...asked, classes: data.classes.length };
  return { model: modelNamed(options.model, fitted), data, source };
}

/** @throws InputError when the images or the classes are not those of the checkpoint */
export function checkSameData({ classes, images }: CheckpointInfo, data: Dataset): void {
  if (data.classes.join("\n") !== classes.join("\n"))
    throw new InputError(
      `${data.name}: it has ${data.classes.length} classes (${data.classes.slice(0, 5).join(", ")}, …), the checkpoint has ${classes.length} (${classes.slice(0, 5).join(", ")}, …)`,
    );
  if (data.shape.join() !== images.source.join())
    throw new InputError(
      `${data.name}: its images are ${data.shape.join("×")}, the checkpoint's were ${images.source.join("×")}`,
    );
}

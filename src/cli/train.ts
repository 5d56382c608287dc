import { type Command, Option } from "commander";
import { DeviceLostError } from "../errors";
import type { LrScale, TrainSettings } from "../train/checkpoint-info";
import { openTraining, type Training } from "../train/open-training";
import { defaultSettings, usualRate } from "../train/settings";
import { withDevice } from "./device";
import { Interrupted, UsageError } from "./failure";
import { globalsOf } from "./globals";
import { interruptible } from "./interrupt";
import { addModelOptions, type ModelFlags, modelOptionsOf } from "./model-options";
import { notNegative, perChannel, positive, scales, share, whole } from "./numbers";
import { Terminal } from "./terminal";
import { TrainView } from "./train-view";
import { addTuneOptions, type TuningFlags, tunerOf } from "./tuning";

interface TrainFlags extends ModelFlags, TuningFlags {
  readonly model?: string;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly optimizer?: TrainSettings["optimizer"];
  readonly lr?: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly weightDecay?: number;
  readonly labelSmoothing?: number;
  readonly schedule?: TrainSettings["schedule"];
  readonly warmUp?: number;
  readonly stepSize?: number;
  readonly gamma?: number;
  readonly valSplit?: number;
  readonly fit?: "pad" | "resize";
  readonly mean?: number[];
  readonly std?: number[];
  readonly onBadImage: "fail" | "skip";
  readonly out?: string;
  readonly resume?: string;
  readonly weights?: string;
  readonly freeze?: string[];
  readonly trainOnly?: string[];
  readonly freezeStatistics?: boolean;
  readonly lrScale?: LrScale[];
  readonly logEvery: number;
}

// Defaults are told in the help but not given to the parser: when resuming, only what was typed replaces a setting.
export function addTrain(program: Command): void {
  const d = defaultSettings;
  const command = program
    .command("train")
    .description(
      'train a network and leave checkpoints: DATA is "digits", a folder of MNIST\'s files, or train/CLASS/… and val/CLASS/…',
    )
    .argument("[data]", "data set; with --resume the one of the checkpoint if not given")
    .option("--model <name>", "network; see `striate summary --help`")
    .option("--epochs <n>", `times through the data (default: ${d.epochs})`, whole(1))
    .option("--batch-size <n>", `images a step (default: ${d.batch})`, whole(1))
    .addOption(
      new Option("--optimizer <name>", `(default: ${d.optimizer})`).choices(["sgd", "adam", "adamw"]),
    )
    .option(
      "--lr <rate>",
      `highest learning rate (default: ${usualRate.adam}; for sgd ${usualRate.sgd})`,
      positive,
    )
    .option("--momentum <m>", `of sgd (default: ${d.momentum})`, share)
    .option("--nesterov", "Nesterov's momentum, for sgd")
    .option("--weight-decay <w>", `(default: ${d.weightDecay})`, notNegative)
    .option("--label-smoothing <s>", `(default: ${d.labelSmoothing})`, share)
    .addOption(
      new Option("--schedule <name>", `of the learning rate (default: ${d.schedule})`).choices([
        "constant",
        "step",
        "cosine",
      ]),
    )
    .option("--warm-up <epochs>", `of rising rate, fractions count (default: ${d.warmUpEpochs})`, notNegative)
    .option(
      "--step-size <epochs>",
      `between the drops of --schedule step (default: ${d.stepEpochs})`,
      positive,
    )
    .option("--gamma <factor>", `of each drop (default: ${d.gamma})`, notNegative)
    .option(
      "--val-split <share>",
      "hold out this share of the training images to choose the best epoch",
      share,
    )
    .addOption(
      new Option("--fit <how>", "smaller images: interpolate, or put in the middle of zeros").choices([
        "pad",
        "resize",
      ]),
    )
    .option(
      "--mean <m>",
      "subtracted from pixel / 255 (default: the images' own, or ImageNet's for files)",
      perChannel("a number", () => true),
    )
    .option(
      "--std <s>",
      "divided by",
      perChannel("a number above 0", (v) => v > 0),
    )
    .addOption(
      new Option("--on-bad-image <what>", "a damaged image stops the run, or is left out and counted")
        .choices(["fail", "skip"])
        .default("fail"),
    )
    .option("--out <folder>", "for last.safetensors and best.safetensors (default: checkpoints/DATA-MODEL)")
    .option("--resume <file>", "go on from a checkpoint, bit for bit")
    .option("--weights <file>", "start from these weights; what does not fit keeps its initial values")
    .option("--freeze <layers...>", "layers and parameters that keep their values, such as conv1 'layer*'")
    .option("--train-only <layers...>", "freeze everything but these, such as fc")
    .option("--freeze-statistics", "batch norms of frozen layers use their running statistics, unchanged")
    .option(
      "--lr-scale <layer=factor...>",
      "learning rate of a layer, such as fc=10 'layer*=0.1'; the first that fits counts",
      scales,
    )
    .option("--log-every <steps>", "under --json, tell of one step in so many", whole(1), 50)
    .action((data: string | undefined, flags: TrainFlags, self: Command) => train(data, flags, self));
  addTuneOptions(addModelOptions(command));
}

async function train(data: string | undefined, flags: TrainFlags, command: Command): Promise<void> {
  const globals = globalsOf(command);
  const terminal = new Terminal(globals);
  if (flags.resume === undefined) {
    if (data === undefined)
      throw new UsageError('train: the data set is missing, such as "digits" or a folder');
    if (flags.model === undefined) throw new UsageError("train: --model is missing, such as --model lenet5");
  } else if (flags.weights !== undefined) {
    throw new UsageError(
      "train: --resume and --weights exclude each other; a checkpoint to resume holds the weights",
    );
  }
  const isSeedTyped = command.parent?.getOptionValueSource("seed") === "cli";
  if (flags.resume !== undefined && flags.tune === true)
    throw new UsageError(
      "train: --resume and --tune exclude each other; a run keeps the kernels that it was started with, its checkpoint names them",
    );
  const settings = settingsOf(flags, isSeedTyped || flags.resume === undefined ? globals.seed : undefined);
  await withDevice(globals, async (device) => {
    const training = await openTraining({
      device,
      data,
      model: flags.model,
      modelOptions: modelOptionsOf(flags.model, flags),
      settings,
      folder: flags.out,
      resume: flags.resume,
      weights: flags.weights,
      fit: flags.fit,
      mean: flags.mean,
      std: flags.std,
      onBadImage: flags.onBadImage,
      tune: tunerOf(flags, device, terminal),
      onLostTuning: (problem) => terminal.note(problem),
      onSkip: (error) => terminal.note(`left out: ${error.message}`),
    });
    try {
      tellOfWeights(terminal, training);
      await show(training, new TrainView(terminal, flags.logEvery), terminal);
    } finally {
      training.close();
    }
  });
}

async function show({ trainer }: Training, view: TrainView, terminal: Terminal): Promise<void> {
  let stopped = false;
  const stop = (): void => {
    view.close();
    terminal.note("stopping: this step is finished and saved; Ctrl-C again ends it now");
    trainer.stop();
  };
  await interruptible(stop, async () => {
    try {
      for await (const event of trainer.run()) {
        view.show(event);
        stopped = event.event === "interrupted";
      }
    } catch (error) {
      if (error instanceof DeviceLostError && trainer.lastCheckpoint !== undefined)
        throw new DeviceLostError(
          `${error.message}; go on with: striate train --resume ${trainer.lastCheckpoint}`,
          { cause: error },
        );
      throw error;
    } finally {
      view.close();
    }
  });
  if (stopped) throw new Interrupted();
}

function tellOfWeights(terminal: Terminal, { weights }: Training): void {
  if (weights === undefined) return;
  const { loaded, missing, unexpected, misshapen } = weights;
  const left = [...missing, ...misshapen.map(({ name }) => name)];
  terminal.note(
    `weights: ${loaded.length} tensors loaded` +
      (left.length === 0 ? "" : `; left at their initial values: ${left.join(", ")}`) +
      (unexpected.length === 0 ? "" : `; not used: ${unexpected.join(", ")}`),
  );
}

function settingsOf(flags: TrainFlags, seed: number | undefined): Partial<TrainSettings> {
  const settings: { [K in keyof TrainSettings]?: TrainSettings[K] | undefined } = {
    seed,
    batch: flags.batchSize,
    epochs: flags.epochs,
    optimizer: flags.optimizer,
    lr: flags.lr ?? (flags.optimizer === undefined ? undefined : usualRate[flags.optimizer]),
    momentum: flags.momentum,
    nesterov: flags.nesterov,
    weightDecay: flags.weightDecay,
    labelSmoothing: flags.labelSmoothing,
    schedule: flags.schedule,
    warmUpEpochs: flags.warmUp,
    stepEpochs: flags.stepSize,
    gamma: flags.gamma,
    valSplit: flags.valSplit,
    freeze: flags.freeze,
    trainOnly: flags.trainOnly,
    freezeStatistics: flags.freezeStatistics,
    lrScale: flags.lrScale,
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

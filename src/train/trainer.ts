import { access, constants, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Batch, batches } from "../data/batches";
import type { Split } from "../data/dataset";
import { InputError } from "../io/errors";
import { fileReason } from "../io/file-reason";
import type { State } from "../state";
import { sizeOf } from "../tensor";
import { notFinite, saveCheckpoint } from "./checkpoint";
import type { CheckpointInfo, TrainProgress } from "./checkpoint-info";
import { evaluate, type LogitsNetwork } from "./evaluate";
import type { TrainEvent } from "./events";
import type { Metrics } from "./metrics";
import { type Schedule, scheduleOf } from "./schedule";

/** What the trainer needs of a compiled training step. */
export interface StepNetwork {
  readonly state: State;
  run(
    inputs: { readonly image: Float32Array; readonly label: Uint32Array },
    options: { readonly lr: number },
  ): Promise<{ readonly loss: number }>;
}

/** The loss is NaN or infinite. Weights are beyond repair; the last checkpoint on disk is from before. */
export class DivergedError extends Error {
  override readonly name = "DivergedError";

  constructor(
    message: string,
    /** The optimizer step, counted from 1. */
    readonly iteration: number,
    /** The first tensor with a value that is not finite, in the order of the forward pass. */
    readonly tensor: string,
    /** The last good checkpoint. */
    readonly checkpoint: string | undefined,
  ) {
    super(message);
  }
}

export interface TrainerParts {
  readonly step: StepNetwork;
  /** Compiled for the same batch size, over the same state. */
  readonly infer: LogitsNetwork;
  readonly train: Split;
  /** The images that judge every epoch, and those that the result is about; one and the same if none are held out. */
  readonly evaluation: Split;
  readonly test: Split;
  readonly info: CheckpointInfo;
  /** The folder for last.safetensors and best.safetensors. */
  readonly folder: string;
  readonly adapter: string;
  /** The checkpoint that the run continues from. */
  readonly resumedFrom?: string | undefined;
}

/**
 * Trains epoch by epoch: shuffled batches by seed and epoch, evaluation, a checkpoint each. A step is submitted before
 * the loss of the one before it is read. What it does is told by events.
 *
 * @example
 * for await (const event of trainer.run()) if (event.event === "epoch") console.log(event.epoch, event.accuracy);
 */
export class Trainer {
  readonly #parts: TrainerParts;
  readonly #schedule: Schedule;
  readonly #stepsPerEpoch: number;
  #progress: TrainProgress;
  #stopping = false;
  #saved: string | undefined;

  /** @throws InputError when the training images do not fill one batch */
  constructor(parts: TrainerParts) {
    this.#parts = parts;
    const { settings, progress } = parts.info;
    const { batch, epochs, warmUpEpochs, stepEpochs } = settings;
    this.#stepsPerEpoch = Math.floor(parts.train.count / batch);
    if (this.#stepsPerEpoch === 0)
      throw new InputError(
        `batch size ${batch} is more than the ${parts.train.count} training images; use ${parts.train.count} or fewer`,
      );
    this.#progress = progress;
    this.#saved = parts.resumedFrom;
    this.#schedule = scheduleOf({
      name: settings.schedule,
      lr: settings.lr,
      iterations: epochs * this.#stepsPerEpoch,
      warmUpIterations: Math.round(warmUpEpochs * this.#stepsPerEpoch),
      every: Math.max(1, Math.round(stepEpochs * this.#stepsPerEpoch)),
      gamma: settings.gamma,
    });
  }

  /** Asks the run to finish its step, save and end. */
  stop(): void {
    this.#stopping = true;
  }

  /** The last checkpoint that was written, or that the run was resumed from. */
  get lastCheckpoint(): string | undefined {
    return this.#saved;
  }

  /**
   * Runs to the end, or until `stop`: then the last event is "interrupted", otherwise "result".
   *
   * @throws DivergedError when a loss is NaN or infinite; DeviceLostError; InputError for bad images and full disks
   */
  async *run(): AsyncGenerator<TrainEvent, void, undefined> {
    const { info, step, train, evaluation, test, folder } = this.#parts;
    const { epochs } = info.settings;
    const started = performance.now();
    await openFolder(folder);
    step.state.iteration = this.#progress.iteration;
    yield {
      event: "start",
      model: info.model,
      ...countParameters(step.state),
      data: info.data,
      classes: info.classes.length,
      trainImages: train.count,
      evalImages: evaluation.count,
      evalOn: evaluation === test ? "test" : "val",
      adapter: this.#parts.adapter,
      stepsPerEpoch: this.#stepsPerEpoch,
      iteration: this.#progress.iteration,
      settings: info.settings,
    };
    let latest: Metrics | undefined;
    while (this.#progress.epoch < epochs) {
      const begun = performance.now();
      yield* this.#trainEpoch();
      latest = this.#stopping ? undefined : yield* this.#evaluate(evaluation);
      if (latest === undefined) {
        yield* this.#interrupt();
        return;
      }
      const { lossSum, lossCount, epoch } = this.#progress;
      const { top1, top5, loss } = latest.summary();
      await this.#checkLoss(loss, "the evaluation after step");
      yield {
        event: "epoch",
        epoch: epoch + 1,
        epochs,
        trainLoss: lossSum / lossCount,
        accuracy: top1,
        top5,
        loss,
        seconds: (performance.now() - begun) / 1000,
        skipped: train.skipped + evaluation.skipped,
      };
      yield* this.#finishEpoch(top1);
    }
    if (latest === undefined || evaluation !== test) latest = yield* this.#evaluate(test);
    if (latest === undefined) {
      yield* this.#interrupt();
      return;
    }
    const { images, top1, top5, loss } = latest.summary();
    yield {
      event: "result",
      model: info.model,
      data: info.data,
      accuracy: top1,
      top5,
      loss,
      images,
      skipped: test.skipped,
      epochs,
      iteration: this.#progress.iteration,
      best: this.#progress.best,
      checkpoint: this.#saved ?? join(folder, "last.safetensors"),
      seconds: (performance.now() - started) / 1000,
    };
  }

  async *#trainEpoch(): AsyncGenerator<TrainEvent, void, undefined> {
    const { info, step, train } = this.#parts;
    const { batch, seed } = info.settings;
    const { size, fit, mean, std } = info.images;
    const { epoch, position: start, iteration: before, lossCount } = this.#progress;
    const begun = performance.now();
    let pending: (() => Promise<TrainEvent>) | undefined;
    let iteration = before;
    const options = { batch, seed, epoch, start, size, fit, mean, std, dropLast: true };
    for await (const data of batches(train, options)) {
      if (this.#stopping) break;
      const lr = this.#schedule(iteration);
      const running = step.run({ image: data.image, label: data.label }, { lr });
      running.catch(() => undefined); // met below; without this a failure before it would end the process
      iteration++;
      const done = iteration;
      const earlier = pending;
      pending = async () => {
        const { loss } = await running;
        await this.#checkLoss(loss, "step", done, data);
        this.#progress = {
          ...this.#progress,
          position: data.next,
          iteration: done,
          lossSum: this.#progress.lossSum + loss,
          lossCount: this.#progress.lossCount + 1,
        };
        return {
          event: "step",
          epoch: epoch + 1,
          step: lossCount + done - before,
          steps: this.#stepsPerEpoch,
          iteration: done,
          loss,
          lr,
          imagesPerSecond: ((done - before) * batch * 1000) / (performance.now() - begun),
        };
      };
      if (earlier !== undefined) yield await earlier();
    }
    if (pending !== undefined) yield await pending();
    if (this.#progress.lossCount === 0 && !this.#stopping)
      throw new InputError(`${info.data}: no batch could be filled; ${train.skipped} images were left out`);
  }

  async *#evaluate(split: Split): AsyncGenerator<TrainEvent, Metrics | undefined, undefined> {
    const { info, infer } = this.#parts;
    const { epoch } = this.#progress;
    yield { event: "evaluation", epoch: epoch + 1, images: 0, of: split.count };
    return evaluate(infer, split, {
      batch: info.settings.batch,
      classes: info.classes.length,
      images: info.images,
      onProgress: () => !this.#stopping,
    });
  }

  async *#finishEpoch(accuracy: number): AsyncGenerator<TrainEvent, void, undefined> {
    const { epoch, iteration, best } = this.#progress;
    const isBest = best === null || accuracy > best.accuracy;
    this.#progress = {
      epoch: epoch + 1,
      position: 0,
      iteration,
      lossSum: 0,
      lossCount: 0,
      best: isBest ? { epoch: epoch + 1, accuracy } : best,
    };
    const kinds = isBest ? (["best", "last"] as const) : (["last"] as const);
    const files = kinds.map((kind) => this.#file(kind));
    await this.#save(files);
    for (const [k, kind] of kinds.entries())
      yield { event: "checkpoint", kind, file: files[k] ?? "", epoch: epoch + 1, iteration };
  }

  async *#interrupt(): AsyncGenerator<TrainEvent, void, undefined> {
    const file = this.#file("last");
    const { epoch, iteration } = this.#progress;
    // Stopped after the last checkpoint, a finished run has nothing new to save.
    if (epoch < this.#parts.info.settings.epochs) await this.#save([file]);
    yield { event: "interrupted", file, epoch, iteration };
  }

  #file(kind: "last" | "best"): string {
    return join(this.#parts.folder, `${kind}.safetensors`);
  }

  async #save(files: readonly string[]): Promise<void> {
    const { info, step } = this.#parts;
    await saveCheckpoint(files, step.state, { ...info, progress: this.#progress });
    this.#saved = files.at(-1);
  }

  async #checkLoss(
    loss: number,
    where: string,
    iteration = this.#progress.iteration,
    data?: Batch,
  ): Promise<void> {
    if (Number.isFinite(loss)) return;
    const tensor = await this.#firstBad(data);
    const kept =
      this.#saved === undefined ? "there is no checkpoint yet" : `the last good checkpoint is ${this.#saved}`;
    throw new DivergedError(
      `the loss is ${loss} at ${where} ${iteration} (epoch ${this.#progress.epoch + 1}), first bad tensor ${tensor}; ${kept}; use a lower learning rate than ${this.#parts.info.settings.lr}`,
      iteration,
      tensor,
      this.#saved,
    );
  }

  /** In the order of the forward pass: the batch, then the variables as the model declares them. */
  async #firstBad(data: Batch | undefined): Promise<string> {
    const report = (name: string, bad: number, of: number) => `${name} (${bad} of ${of} values not finite)`;
    if (data !== undefined && notFinite(data.image) > 0)
      return report("image", notFinite(data.image), data.image.length);
    const { state } = this.#parts.step;
    for (const { name } of state.variables()) {
      const values = await state.read(name);
      const bad = notFinite(values);
      if (bad > 0) return report(name, bad, values.length);
    }
    return "loss (parameters are finite)";
  }
}

function countParameters(state: State): { readonly parameters: number; readonly trainable: number } {
  const all = state.variables("parameter");
  const count = (list: typeof all) => list.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return { parameters: count(all), trainable: count(all.filter(({ trainable }) => trainable)) };
}

/** Found out before training: a folder that takes no checkpoint at the end of the first epoch would waste it. */
async function openFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new InputError(`cannot write checkpoints to ${folder}: ${fileReason(error)}`, { cause: error });
  }
}

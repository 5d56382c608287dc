import type { TrainSettings } from "./checkpoint-info";

/** What a training run tells while it goes on; the command line's `--json` prints these objects as they are. */
export type TrainEvent =
  | StartEvent
  | StepEvent
  | EvaluationEvent
  | EpochEvent
  | CheckpointEvent
  | InterruptedEvent
  | ResultEvent;

export interface StartEvent {
  readonly event: "start";
  readonly model: string;
  readonly parameters: number;
  /** Those of them that are not frozen. */
  readonly trainable: number;
  readonly data: string;
  readonly classes: number;
  readonly trainImages: number;
  /** Images on which every epoch is judged: "val" when some were held out for it, else "test". */
  readonly evalImages: number;
  readonly evalOn: "val" | "test";
  readonly adapter: string;
  readonly stepsPerEpoch: number;
  /** Steps taken before this run; above 0 where it was resumed. */
  readonly iteration: number;
  readonly settings: TrainSettings;
}

/** A step whose loss has been read. */
export interface StepEvent {
  readonly event: "step";
  /** Counted from 1, as are `step` and `iteration`. */
  readonly epoch: number;
  readonly step: number;
  readonly steps: number;
  readonly iteration: number;
  readonly loss: number;
  readonly lr: number;
  /** Mean since the epoch began, in this process. */
  readonly imagesPerSecond: number;
}

/** Evaluation goes on; for progress bars. */
export interface EvaluationEvent {
  readonly event: "evaluation";
  readonly epoch: number;
  readonly images: number;
  readonly of: number;
}

export interface EpochEvent {
  readonly event: "epoch";
  readonly epoch: number;
  readonly epochs: number;
  /** Mean of the steps' losses, with label smoothing and penalties if there are any. */
  readonly trainLoss: number;
  /** Over the evaluation images, by the weights at the epoch's end. */
  readonly accuracy: number;
  readonly top5: number | undefined;
  readonly loss: number;
  readonly seconds: number;
  /** Images left out because they could not be decoded. */
  readonly skipped: number;
}

export interface CheckpointEvent {
  readonly event: "checkpoint";
  readonly kind: "last" | "best";
  readonly file: string;
  /** Epochs finished. */
  readonly epoch: number;
  readonly iteration: number;
}

/** The run was asked to stop: the step is finished and saved. Nothing follows. */
export interface InterruptedEvent {
  readonly event: "interrupted";
  readonly file: string;
  readonly epoch: number;
  readonly iteration: number;
}

/** The end: figures over the test images, by the weights of the last epoch. */
export interface ResultEvent {
  readonly event: "result";
  readonly model: string;
  readonly data: string;
  readonly accuracy: number;
  readonly top5: number | undefined;
  readonly loss: number;
  readonly images: number;
  readonly skipped: number;
  readonly epochs: number;
  readonly iteration: number;
  /** The epoch with the highest accuracy on the evaluation images; its weights are in best.safetensors. */
  readonly best: { readonly epoch: number; readonly accuracy: number } | null;
  readonly checkpoint: string;
  readonly seconds: number;
}

import { InputError } from "../io/errors";
import type { TrainSettings } from "./checkpoint-info";

/** What `train` does unless told otherwise. */
export const defaultSettings: TrainSettings = {
  seed: 0,
  batch: 64,
  epochs: 10,
  optimizer: "adam",
  lr: 3e-3,
  momentum: 0.9,
  nesterov: false,
  weightDecay: 0,
  labelSmoothing: 0,
  schedule: "cosine",
  warmUpEpochs: 0,
  stepEpochs: 30,
  gamma: 0.1,
  valSplit: 0,
  freeze: [],
  trainOnly: [],
  freezeStatistics: false,
  lrScale: [],
};

/** Learning rates that suit most networks, where none is given. */
export const usualRate: Readonly<Record<TrainSettings["optimizer"], number>> = {
  sgd: 0.05,
  adam: 3e-3,
  adamw: 3e-3,
};

/**
 * Settings that make sense, or the first that does not, before anything is allocated.
 *
 * @throws InputError naming the setting, its value and what is expected
 */
export function checkSettings(settings: TrainSettings): TrainSettings {
  const whole = (least: number) => (v: number) => Number.isSafeInteger(v) && v >= least;
  const real =
    (least: number, below = Number.POSITIVE_INFINITY) =>
    (v: number) =>
      v >= least && v < below;
  const rules: readonly [keyof TrainSettings, number, (value: number) => boolean, string][] = [
    ["batch", settings.batch, whole(1), "a whole number of at least 1"],
    ["epochs", settings.epochs, whole(1), "a whole number of at least 1"],
    ["seed", settings.seed, whole(0), "a whole number of at least 0"],
    ["lr", settings.lr, (v) => v > 0 && v < Number.POSITIVE_INFINITY, "a number above 0"],
    ["momentum", settings.momentum, real(0, 1), "a number from 0 to below 1"],
    ["weightDecay", settings.weightDecay, real(0), "a number of at least 0"],
    ["labelSmoothing", settings.labelSmoothing, real(0, 1), "a number from 0 to below 1"],
    ["warmUpEpochs", settings.warmUpEpochs, real(0, settings.epochs), `below the ${settings.epochs} epochs`],
    ["stepEpochs", settings.stepEpochs, (v) => v > 0, "a number above 0"],
    ["gamma", settings.gamma, real(0), "a number of at least 0"],
    ["valSplit", settings.valSplit, real(0, 1), "a number from 0 to below 1"],
  ];
  for (const [name, value, accepts, expected] of rules)
    if (!accepts(value)) throw new InputError(`${name} is ${value}, expected ${expected}`);
  for (const { name, factor } of settings.lrScale)
    if (!real(0)(factor))
      throw new InputError(`lrScale of ${name} is ${factor}, expected a finite number of at least 0`);
  if (settings.nesterov && (settings.optimizer !== "sgd" || settings.momentum === 0))
    throw new InputError("nesterov needs the optimizer sgd with a momentum above 0");
  return settings;
}

import type { ImageShape } from "../data/dataset";
import { InputError } from "../io/errors";
import type { TunedChoice, Tuning } from "../passes/tuning";
import { choicesFromJson } from "../tune/format";

/** How a network's input is made from an image: what training did, evaluation and classification repeat. */
export interface ImagePreparation {
  /** [H, W, C] to which image files are decoded. */
  readonly source: ImageShape;
  /** [H, W] of the network's input. */
  readonly size: readonly [number, number];
  /** How an image of `source` becomes `size`. */
  readonly fit: "pad" | "resize";
  /** Per channel, in units of pixel / 255. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** What decides a training run, all of it: two runs with equal settings and data give equal bits on one adapter. */
export interface TrainSettings {
  readonly seed: number;
  readonly batch: number;
  readonly epochs: number;
  readonly optimizer: "sgd" | "adam" | "adamw";
  readonly lr: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly schedule: "constant" | "step" | "cosine";
  /** In epochs; fractions count. */
  readonly warmUpEpochs: number;
  readonly stepEpochs: number;
  readonly gamma: number;
  /** Share of the training images that is held out to choose the best epoch; 0 evaluates on the test images. */
  readonly valSplit: number;
  /** Layers and parameters that keep their values; `*` stands for any characters. */
  readonly freeze: readonly string[];
  /** If there are any, all the others keep their values. */
  readonly trainOnly: readonly string[];
  /** Whether batch norms with frozen parameters use their running statistics and leave them alone. */
  readonly freezeStatistics: boolean;
  /** Layers and parameters whose learning rate is multiplied; the first that names a parameter counts. */
  readonly lrScale: readonly LrScale[];
}

/** A learning rate of its own for some parameters. */
export interface LrScale {
  readonly name: string;
  readonly factor: number;
}

/** Where a run stands: with the settings and the state, all that is needed to go on bit for bit. */
export interface TrainProgress {
  /** Epochs finished. */
  readonly epoch: number;
  /** Position in the unfinished epoch's order of images; 0 at its beginning. */
  readonly position: number;
  /** Optimizer steps taken. */
  readonly iteration: number;
  /** Sum of the unfinished epoch's step losses, and their number. */
  readonly lossSum: number;
  readonly lossCount: number;
  /** The epoch, counted from 1, of the highest accuracy so far. */
  readonly best: { readonly epoch: number; readonly accuracy: number } | null;
}

/** What a checkpoint says about itself, besides its tensors. */
export interface CheckpointInfo {
  /** The model's name and options, as `modelNamed` takes them. */
  readonly model: string;
  readonly options: Readonly<Record<string, number | boolean>>;
  /** The names of the classes, in the order of the logits. */
  readonly classes: readonly string[];
  readonly images: ImagePreparation;
  /** The data set as it was named in training. */
  readonly data: string;
  readonly settings: TrainSettings;
  readonly progress: TrainProgress;
  /** Kernels that were chosen by measuring; absent where rules chose all of them. A resumed run keeps them. */
  readonly tuning?: RunTuning | undefined;
}

/** The measured choices that a run was compiled with. */
export interface RunTuning {
  /** The adapter and driver on which they were measured, the only ones where they hold. */
  readonly adapter: string;
  /** By what a step computes. */
  readonly choices: Readonly<Record<string, TunedChoice>>;
}

const VERSION = 1;
/** The key in a safetensors file's metadata. */
export const METADATA_KEY = "striate";

/** The metadata's text: keys in the order of their names, so that equal facts are equal bytes. */
export function formatInfo(info: CheckpointInfo): string {
  return JSON.stringify(sorted({ version: VERSION, ...info }));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, entry]) => [key, sorted(entry)]),
  );
}

/**
 * The inverse of `formatInfo`; every field is checked.
 *
 * @throws InputError naming the file, the field, what is there and what is expected
 */
export function parseInfo(text: string, file: string): CheckpointInfo {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${file}: the metadata "${METADATA_KEY}" is not JSON`, { cause: error });
  }
  const root = new Fields(parsed, file, METADATA_KEY);
  const version = root.number("version", (v) => Number.isInteger(v) && v >= 1, "a whole number");
  if (version > VERSION)
    throw new InputError(
      `${file}: checkpoint format ${version}, this Striate reads up to ${VERSION}; use a newer Striate`,
    );
  const classes = root.list("classes", isText, "names");
  return {
    model: root.text("model"),
    options: root.options("options"),
    classes,
    images: parseImages(root.fields("images")),
    data: root.text("data"),
    settings: parseSettings(root.fields("settings")),
    progress: parseProgress(root.fields("progress")),
    ...(root.has("tuning") ? { tuning: parseTuning(root.fields("tuning")) } : {}),
  };
}

const whole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const positive = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;
const notNegative = (value: number): boolean => value >= 0;

function parseImages(fields: Fields): ImagePreparation {
  const sizes = (v: unknown): v is number => typeof v === "number" && positive(v);
  const [H = 0, W = 0, C = 0] = fields.list("source", sizes, "[H, W, C]", 3);
  const [height = 0, width = 0] = fields.list("size", sizes, "[H, W]", 2);
  const numbers = (v: unknown): v is number => typeof v === "number";
  return {
    source: [H, W, C],
    size: [height, width],
    fit: fields.oneOf("fit", ["pad", "resize"]),
    mean: fields.list("mean", numbers, "numbers"),
    std: fields.list("std", numbers, "numbers"),
  };
}

function parseSettings(fields: Fields): TrainSettings {
  const number = (key: string) => fields.number(key, notNegative, "a number of at least 0");
  const count = (key: string) => fields.number(key, positive, "a whole number of at least 1");
  return {
    seed: fields.number("seed", whole, "a whole number"),
    batch: count("batch"),
    epochs: count("epochs"),
    optimizer: fields.oneOf("optimizer", ["sgd", "adam", "adamw"]),
    lr: number("lr"),
    momentum: number("momentum"),
    nesterov: fields.flag("nesterov"),
    weightDecay: number("weightDecay"),
    labelSmoothing: number("labelSmoothing"),
    schedule: fields.oneOf("schedule", ["constant", "step", "cosine"]),
    warmUpEpochs: number("warmUpEpochs"),
    stepEpochs: number("stepEpochs"),
    gamma: number("gamma"),
    valSplit: number("valSplit"),
    freeze: fields.has("freeze") ? fields.list("freeze", isText, "names") : [],
    trainOnly: fields.has("trainOnly") ? fields.list("trainOnly", isText, "names") : [],
    freezeStatistics: fields.has("freezeStatistics") && fields.flag("freezeStatistics"),
    lrScale: fields.has("lrScale") ? fields.list("lrScale", isLrScale, "names and factors") : [],
  };
}

const isText = (value: unknown): value is string => typeof value === "string";

const isLrScale = (value: unknown): value is LrScale =>
  typeof value === "object" &&
  value !== null &&
  "name" in value &&
  isText(value.name) &&
  "factor" in value &&
  typeof value.factor === "number" &&
  notNegative(value.factor);

function parseTuning(fields: Fields): RunTuning {
  return { adapter: fields.text("adapter"), choices: Object.fromEntries(fields.choices("choices")) };
}

function parseProgress(fields: Fields): TrainProgress {
  const count = (key: string) => fields.number(key, whole, "a whole number");
  const best = fields.optional("best");
  return {
    epoch: count("epoch"),
    position: count("position"),
    iteration: count("iteration"),
    lossSum: fields.number("lossSum", () => true, "a number"),
    lossCount: count("lossCount"),
    best:
      best === undefined
        ? null
        : {
            epoch: best.number("epoch", positive, "a whole number of at least 1"),
            accuracy: best.number("accuracy", (v) => v >= 0 && v <= 1, "a number from 0 to 1"),
          },
  };
}

/** One object of the metadata; every access says what was found where something else was expected. */
class Fields {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(
    value: unknown,
    private readonly file: string,
    private readonly path: string,
  ) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new InputError(`${file}: metadata ${path} is ${JSON.stringify(value)}, expected an object`);
    this.#values = { ...value };
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined;
  }

  #wrong(key: string, expected: string): InputError {
    const found = JSON.stringify(this.#values[key])?.slice(0, 100) ?? "missing";
    return new InputError(`${this.file}: metadata ${this.path}.${key} is ${found}, expected ${expected}`);
  }

  number(key: string, accepts: (value: number) => boolean, expected: string): number {
    const value = this.#values[key];
    if (typeof value !== "number" || !accepts(value)) throw this.#wrong(key, expected);
    return value;
  }

  flag(key: string): boolean {
    const value = this.#values[key];
    if (typeof value !== "boolean") throw this.#wrong(key, "true or false");
    return value;
  }

  text(key: string): string {
    const value = this.#values[key];
    if (typeof value !== "string") throw this.#wrong(key, "a text");
    return value;
  }

  oneOf<const T extends string>(key: string, names: readonly T[]): T {
    const found = names.find((name) => name === this.#values[key]);
    if (found === undefined) throw this.#wrong(key, `one of ${names.join(", ")}`);
    return found;
  }

  list<T>(key: string, accepts: (value: unknown) => value is T, expected: string, length?: number): T[] {
    const value: unknown = this.#values[key];
    if (!Array.isArray(value) || (length !== undefined && value.length !== length) || !value.every(accepts))
      throw this.#wrong(key, expected);
    return value;
  }

  fields(key: string): Fields {
    return new Fields(this.#values[key], this.file, `${this.path}.${key}`);
  }

  choices(key: string): Tuning {
    const found = choicesFromJson(this.#values[key]);
    if (found === undefined) throw this.#wrong(key, "kernels by shape");
    return found;
  }

  optional(key: string): Fields | undefined {
    return this.#values[key] === null ? undefined : this.fields(key);
  }

  options(key: string): Readonly<Record<string, number | boolean>> {
    const found: Record<string, number | boolean> = {};
    const inner = this.fields(key);
    for (const [name, value] of Object.entries(inner.#values)) {
      if (typeof value !== "number" && typeof value !== "boolean")
        throw inner.#wrong(name, "a number, true or false");
      found[name] = value;
    }
    return found;
  }
}

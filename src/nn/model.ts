import { input, type Tensor } from "../tensor";
import { type Layer, Scope, Trace, type TraceOptions } from "./layer";

/** A network for images of one size: what `compile` takes. */
export interface Model {
  readonly name: string;
  /** Height, width and channels of an image. */
  readonly input: readonly [H: number, W: number, C: number];
  readonly classes: number;
  /** The options that it was made with, such as `{ classes: 10 }`: with the name they make it again. */
  readonly options: ModelOptions;
  /** From images [N, H, W, C] to logits [N, classes]. */
  readonly forward: Layer;
}

/** Options that every model has, and those of single families by name. */
export interface ModelOptions {
  readonly classes?: number | undefined;
  /** Side of the square images, in pixels. */
  readonly imageSize?: number | undefined;
  /** Channels of the images. */
  readonly channels?: number | undefined;
  /** Probability of the classifier's dropout. */
  readonly dropout?: number | undefined;
  /** Width of the hidden linear layers (AlexNet, ZFNet, VGG). */
  readonly hidden?: number | undefined;
  /** Whether there are auxiliary classifiers (GoogLeNet, Inception v3). */
  readonly auxiliaries?: boolean | undefined;
  /** How much each auxiliary classifier's loss counts in training (GoogLeNet, Inception v3). */
  readonly auxiliaryWeight?: number | undefined;
  /** Probability of the auxiliary classifiers' dropout (GoogLeNet). */
  readonly auxiliaryDropout?: number | undefined;
  /** Width multiplier α (MobileNet, VGG). */
  readonly width?: number | undefined;
  /** Start each residual block as the identity: last batch norm's weight zero (ResNet). */
  readonly zeroInit?: boolean | undefined;
}

type Options = { readonly [name in keyof ModelOptions]: NonNullable<ModelOptions[name]> };
/** What the defaults `true` and `1` stand for: any value of their type. */
type Wide<O> = { readonly [name in keyof O]: O[name] extends boolean ? boolean : number };
type Common = { readonly classes: number; readonly channels: number; readonly imageSize: number };

interface ModelDeclaration<O extends Options> {
  readonly name: string;
  readonly input: readonly [H: number, W: number, C: number];
  readonly classes: number;
  /** The options of its own with their defaults. */
  readonly options?: O;
  readonly forward: (options: Wide<O> & Common) => Layer;
}

/** A function from options to a model; `defaults` tells which it knows. */
export type ModelFactory<O = Options> = ((
  options?: { readonly [name in keyof (O & Common)]?: (O & Common)[name] | undefined },
) => Model) & { readonly defaults: Options };

/**
 * Declares an architecture with options and their defaults.
 *
 * @example
 * const tiny = defineModel({
 *   name: "tiny", input: [28, 28, 1], classes: 10, options: { width: 8 },
 *   forward: ({ classes, width }) => sequential(conv(width, 3), relu(), globalAvgPool(), linear(classes)),
 * });
 * const net = tiny({ classes: 4 });
 */
export function defineModel<O extends Options = Record<never, never>>(
  declaration: ModelDeclaration<O>,
): ModelFactory<Wide<O>> {
  const { name, input: size, classes } = declaration;
  const defaults = { classes, imageSize: size[0], channels: size[2], ...declaration.options };
  const make = (options: ModelOptions = {}): Model => {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    for (const key of Object.keys(given)) {
      if (!(key in defaults))
        throw new RangeError(
          `${name}: there is no option ${key}; it has ${Object.keys(defaults).join(", ")}`,
        );
    }
    const all = { ...defaults, ...given } as Wide<O> & Common;
    for (const key of ["classes", "imageSize", "channels"] as const) check(name, key, all[key]);
    const { imageSize: side, channels } = all;
    return {
      name,
      // An architecture of its own may be declared for images that are not square.
      input: [side, given.imageSize === undefined ? size[1] : side, channels],
      classes: all.classes,
      options: given,
      forward: declaration.forward(all),
    };
  };
  return Object.assign(make, { defaults }) as ModelFactory<Wide<O>>;
}

function check(name: string, key: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`${name}: ${key} is ${value}, expected a whole number of at least 1`);
}

/** A network as declared in a graph. */
export interface DeclaredModel {
  readonly image: Tensor;
  readonly logits: Tensor;
  readonly trace: Trace;
}

/**
 * Declares a model's forward pass for a batch.
 *
 * @param inputSize height and width, the model's own if not given
 * @throws ShapeError naming the layer whose sizes do not fit
 */
export function declareModel(
  model: Model,
  batch: number,
  {
    inputSize,
    ...options
  }: TraceOptions & { readonly inputSize?: readonly [H: number, W: number] | undefined } = {},
): DeclaredModel {
  const [H, W, C] = model.input;
  check(model.name, "batch", batch);
  const image = input("image", [batch, inputSize?.[0] ?? H, inputSize?.[1] ?? W, C]);
  const trace = new Trace(options);
  const logits = model.forward(image, new Scope(trace));
  return { image, logits, trace };
}

import type { Device } from "../device";
import { compileGraph, type Executable, type InputData } from "../executor";
import type { Model } from "../nn/model";
import { softmax } from "../ops/softmax";
import type { OutputData } from "../read-back";
import type { State } from "../state";
import { inScope, type Tensor } from "../tensor";
import { type HeatMap, weightedSum } from "./heat-map";

/** How the network that is to be explained runs. */
export interface ExplainOptions {
  readonly device: Device;
  /** The network's parameters: `state` of a compiled network. */
  readonly state: State;
  /** Images in a batch; 1 if not given. */
  readonly batch?: number | undefined;
  /** Height and width of the images, the model's own if not given. */
  readonly inputSize?: readonly [H: number, W: number] | undefined;
}

/** A network with what makes a heat map of a class: the weighted sum of a layer's channels. */
export interface ClassMapGraph {
  readonly model: Model;
  /** [N, classes] */
  readonly logits: Tensor;
  /** Path of the layer whose output `features` [N, H', W', C] is. */
  readonly layer: string;
  readonly features: Tensor;
  /** How much each channel says for the class that the input `class` marks, [N, C]. */
  readonly weights: Tensor;
  /** Whether what speaks against the class counts as nothing. */
  readonly positive: boolean;
}

/** Heat maps of a batch. */
export interface ClassMapResult {
  /** One map an image, [H', W'] of the layer. */
  readonly maps: readonly HeatMap[];
  /** The class that each map is about. */
  readonly classes: readonly number[];
  /** [N, classes] */
  readonly logits: Float32Array;
  /** [N, classes] */
  readonly probabilities: Float32Array;
}

/** A compiled network that tells where it sees a class. It owns its working memory until `close`. */
export class ClassMaps {
  private constructor(
    /** Path of the layer whose output is looked at. */
    readonly layer: string,
    /** Height, width and channels of that output. */
    readonly size: readonly [H: number, W: number, C: number],
    /** Images in a batch. */
    readonly batch: number,
    private readonly model: Model,
    private readonly executable: Executable,
    private readonly positive: boolean,
  ) {}

  /** Compiles a graph of heat maps; `compileGradCam` and `compileCam` declare them. */
  static async compile(graph: ClassMapGraph, options: ExplainOptions): Promise<ClassMaps> {
    const { model, layer, logits, features, weights, positive } = graph;
    const [N = 1, H = 1, W = 1, C = 1] = features.shape;
    const probabilities = inScope("", "forward", () => softmax({ x: logits }).y);
    const outputs = { logits, probabilities, features, weights };
    const executable = await compileGraph({ outputs }, options);
    return new ClassMaps(layer, [H, W, C], N, model, executable, positive);
  }

  /**
   * Heat maps of a batch of images, one class an image.
   *
   * @param classes class numbers, one an image; the most probable ones if not given, which takes a run more
   * @throws RangeError for a class that the network does not have; DeviceLostError
   * @example const { maps } = await gradCam.run({ image }, [281]);
   */
  async run(
    { image }: { readonly image: InputData },
    classes?: ArrayLike<number> | undefined,
  ): Promise<ClassMapResult> {
    const chosen = Array.from(classes ?? (await this.#mostProbable(image)));
    const results = await this.executable.run({ image, class: this.#marks(chosen) });
    const [H, W, C] = this.size;
    const features = floats(results.features);
    const weights = floats(results.weights);
    const maps = chosen.map((_, n) => {
      const own = features.subarray(n * H * W * C, (n + 1) * H * W * C);
      const map = weightedSum(own, weights.subarray(n * C, (n + 1) * C), [H, W]);
      return this.positive ? { ...map, values: map.values.map((value) => Math.max(0, value)) } : map;
    });
    const probabilities = floats(results.probabilities);
    return { maps, classes: chosen, logits: floats(results.logits), probabilities };
  }

  async #mostProbable(image: InputData): Promise<number[]> {
    const K = this.model.classes;
    const none = new Float32Array(this.batch * K);
    const logits = floats((await this.executable.run({ image, class: none }, ["logits"])).logits);
    return Array.from({ length: this.batch }, (_, n) => {
      const row = logits.subarray(n * K, (n + 1) * K);
      return row.indexOf(row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY));
    });
  }

  /** One-hot rows. */
  #marks(classes: readonly number[]): Float32Array {
    const { name, classes: K } = this.model;
    if (classes.length !== this.batch)
      throw new RangeError(`${name}: ${classes.length} classes are given for ${this.batch} images`);
    const marks = new Float32Array(this.batch * K);
    for (const [n, k] of classes.entries()) {
      if (!Number.isInteger(k) || k < 0 || k >= K)
        throw new RangeError(`${name}: class is ${k}, expected a whole number from 0 to ${K - 1}`);
      marks[n * K + k] = 1;
    }
    return marks;
  }

  /** Frees the working memory; the parameters stay. */
  close(): void {
    this.executable.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function floats(data: OutputData | undefined): Float32Array {
  if (data instanceof Float32Array) return data;
  throw new Error("an output was not read");
}

import type { Device } from "../device";
import { compileGraph, type Executable, type InputData } from "../executor";
import type { Target } from "../passes/select";
import { type Plan, type PlanLimits, type PlanOptions, planGraph, planLimits } from "../plan";
import { type ProfileEntry, profile } from "../profile";
import { keyOf } from "../random";
import type { OutputData } from "../read-back";
import type { State } from "../state";
import { compileOrSuggest, planOrSuggest } from "./fitting-batch";
import type { Loss } from "./losses";
import type { Model } from "./model";
import { type NetworkGraph, type NetworkOptions, networkGraph } from "./network-graph";
import type { Optimizer } from "./optimizers";

interface DeviceOptions extends PlanOptions {
  readonly device: Device;
  /** Parameters to share with other networks of the same model; new ones if not given. */
  readonly state?: State | undefined;
  /** Seed of new parameters and of dropout. */
  readonly seed?: number | undefined;
  /** Limits to plan for when they are to be lower than the device's own. */
  readonly limits?: Partial<PlanLimits> | undefined;
}

/** Without a loss: logits and probabilities. */
export interface InferenceOptions extends DeviceOptions, Omit<NetworkOptions, "loss" | "optimizer"> {
  readonly loss?: undefined;
  readonly optimizer?: undefined;
}

/** With a loss but no optimizer: the loss of a batch under running statistics, nothing changes. */
export interface EvaluationOptions extends DeviceOptions, Omit<NetworkOptions, "optimizer"> {
  readonly loss: Loss;
  readonly optimizer?: undefined;
}

/** With both: training steps. */
export interface TrainingOptions extends DeviceOptions, NetworkOptions {
  readonly loss: Loss;
  readonly optimizer: Optimizer;
}

/** Images [N, H, W, C] and, where there is a loss, `label` (u32 [N]) or `target` (f32 [N, K]). */
export type NetworkInputs = {
  readonly image: InputData;
  readonly label?: InputData;
  readonly target?: InputData;
};

/**
 * Compiles a model for a device and a batch size. With a loss and an optimizer it becomes a training step, with a loss
 * alone an evaluation, with neither an inference; networks that share a state see each other's parameters.
 *
 * @example
 * const step = await compile(net, { device, batch: 64, loss: crossEntropy(), optimizer: adam({ lr: 1e-3 }) });
 * const { loss } = await step.run({ image, label });
 * const infer = await compile(net, { device, batch: 1, state: step.state });
 * const { probabilities } = await infer.run({ image: one });
 * @throws ShapeError naming the layer whose sizes do not fit; OutOfMemoryError and LimitError, which name the largest batch
 *   that fits; KernelError
 */
export async function compile(model: Model, options: TrainingOptions): Promise<TrainingNetwork>;
export async function compile(model: Model, options: EvaluationOptions): Promise<EvaluationNetwork>;
export async function compile(model: Model, options: InferenceOptions): Promise<InferenceNetwork>;
export async function compile(
  model: Model,
  options: TrainingOptions | EvaluationOptions | InferenceOptions,
): Promise<Network> {
  const graph = networkGraph(model, options);
  const { device, batch } = options;
  const limits = planLimits(device.limits);
  const executable = await compileOrSuggest(
    device,
    batch,
    (smaller) => planGraph(networkGraph(model, { ...options, batch: smaller }).spec, device, limits, options),
    () => compileGraph(graph.spec, options),
  );
  if (options.optimizer !== undefined)
    return new TrainingNetwork(model, options.batch, graph, executable, options.optimizer);
  if (options.loss !== undefined) return new EvaluationNetwork(model, options.batch, graph, executable);
  return new InferenceNetwork(model, options.batch, graph, executable);
}

/** What WebGPU guarantees everywhere: for plans without a device. */
export const guaranteed: Target & { readonly limits: PlanLimits } = {
  adapterClass: "gpu",
  features: new Set<string>(),
  limits: {
    maxBufferSize: 256 * 2 ** 20,
    maxStorageBufferBindingSize: 128 * 2 ** 20,
    minStorageBufferOffsetAlignment: 256,
    maxStorageBuffersPerShaderStage: 8,
    maxComputeWorkgroupsPerDimension: 65535,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupStorageSize: 16384,
  },
};

/**
 * The plan that `compile` would carry out, without touching a GPU.
 *
 * @param options as for `compile`; with a `device` for that device, else for WebGPU's guaranteed limits
 * @example plan(resnet50(), { batch: 8, loss: crossEntropy(), optimizer: sgd({ lr: 0.1 }) }).bytes.total
 */
export function plan(
  model: Model,
  options: NetworkOptions &
    PlanOptions & { readonly device?: (Target & { readonly limits: PlanLimits }) | undefined },
): Plan {
  const device = options.device ?? guaranteed;
  const limits = planLimits(device.limits);
  return planOrSuggest(options.batch, (batch) =>
    planGraph(networkGraph(model, { ...options, batch }).spec, device, limits, options),
  );
}

/** A compiled model: it owns its working memory until `close`. */
export abstract class Network {
  constructor(
    readonly model: Model,
    /** Images in a batch. */
    readonly batch: number,
    protected readonly graph: NetworkGraph,
    /** The compiled graph, for profiles and for outputs that stay on the GPU. */
    readonly executable: Executable,
  ) {}

  get plan(): Plan {
    return this.executable.plan;
  }

  /** Parameters, running statistics and optimizer slots. */
  get state(): State {
    return this.executable.state;
  }

  protected async outputs(
    inputs: Readonly<Record<string, InputData>>,
    read?: readonly string[],
  ): Promise<Readonly<Record<string, OutputData>>> {
    return this.executable.run(inputs, read);
  }

  /** What a run of the graph reads, by the name of its inputs. */
  protected abstract values(inputs: NetworkInputs): Record<string, InputData>;

  /**
   * Times every dispatch with the device's own clock; a network in training is trained by it.
   *
   * @param inputs gives each run's data, so that runs need not repeat it
   * @param rounds runs that count, after one to warm up
   * @example groupProfile(await network.profile(() => ({ image: nextBatch() })), "layer", await measurePeaks(device))
   * @throws GpuError when the adapter has no timestamp queries
   */
  profile(inputs: () => NetworkInputs, rounds?: number): Promise<ProfileEntry[]> {
    return profile(this.executable, () => this.values(inputs()), rounds);
  }

  /** Frees the working memory, and the state where it was made for this network alone. */
  close(): void {
    this.executable.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const floats = (results: Readonly<Record<string, OutputData>>, name: string): Float32Array => {
  const data = results[name];
  if (data instanceof Float32Array) return data;
  throw new Error(`the output ${name} was not read`);
};

/** A network that classifies. */
export class InferenceNetwork extends Network {
  protected values({ image }: NetworkInputs): Record<string, InputData> {
    return { image };
  }

  /** Logits and probabilities, each [N, classes]. */
  async run(inputs: { readonly image: InputData }) {
    const results = await this.outputs(this.values(inputs));
    return { logits: floats(results, "logits"), probabilities: floats(results, "probabilities") };
  }
}

/** A network that tells its loss and changes nothing. */
export class EvaluationNetwork extends Network {
  protected values(inputs: NetworkInputs): Record<string, InputData> {
    return given(inputs, this.graph);
  }

  /** The mean loss, the loss of every image [N], and the logits [N, classes]. */
  async run(inputs: NetworkInputs) {
    const results = await this.outputs(this.values(inputs));
    return {
      loss: floats(results, "loss")[0] ?? Number.NaN,
      losses: floats(results, "losses"),
      logits: floats(results, "logits"),
    };
  }
}

export interface StepOptions {
  /** Learning rate of this step, the optimizer's own if not given. */
  readonly lr?: number;
  /** What to read back besides the loss. */
  readonly read?: readonly ("logits" | "correct")[];
}

export interface StepResult {
  /** Mean loss of the batch before the update, auxiliary losses included. */
  readonly loss: number;
  /** [N, classes], if asked for. */
  readonly logits?: Float32Array;
  /** Images whose largest logit is their label's, if asked for. */
  readonly correct?: number;
}

/** A network in training. */
export class TrainingNetwork extends Network {
  readonly #seed: Uint32Array;

  constructor(
    model: Model,
    batch: number,
    graph: NetworkGraph,
    executable: Executable,
    readonly optimizer: Optimizer,
  ) {
    super(model, batch, graph, executable);
    this.#seed = Uint32Array.of(...keyOf(executable.state.seed), 0, 0);
  }

  /** With what the optimizer and dropout want to know of the next step. */
  protected values(inputs: NetworkInputs, lr = this.optimizer.lr): Record<string, InputData> {
    const { state } = this;
    const values = given(inputs, this.graph);
    const scalars = this.optimizer.scalars(state.iteration, lr);
    for (const name of this.graph.scalars) values[name] = Float32Array.of(scalars[name] ?? Number.NaN);
    if (this.graph.trace.usesSeed) {
      this.#seed[2] = state.iteration;
      values.seed = this.#seed;
    }
    return values;
  }

  /**
   * One step: forward, backward, update. The work is submitted before this returns, so that the caller may prepare and
   * submit the next step while the loss of this one is on its way.
   *
   * @throws RangeError for a learning rate that is not a finite number of at least 0; DeviceLostError
   */
  async run(
    inputs: NetworkInputs,
    { lr = this.optimizer.lr, read = [] }: StepOptions = {},
  ): Promise<StepResult> {
    if (!(lr >= 0 && Number.isFinite(lr)))
      throw new RangeError(
        `${this.model.name}: the learning rate is ${lr}, expected a finite number of at least 0`,
      );
    const values = this.values(inputs, lr);
    const names = read.length === 0 ? ["loss"] : ["loss", "logits"];
    const running = this.outputs(values, names);
    this.state.iteration++;
    const results = await running;
    const loss = floats(results, "loss")[0] ?? Number.NaN;
    if (read.length === 0) return { loss };
    const logits = floats(results, "logits");
    return {
      loss,
      ...(read.includes("logits") ? { logits } : {}),
      ...(read.includes("correct") ? { correct: countCorrect(logits, inputs.label, this.batch) } : {}),
    };
  }
}

function given(inputs: NetworkInputs, { target }: NetworkGraph): Record<string, InputData> {
  const expected = target === "label" ? inputs.label : target === "target" ? inputs.target : undefined;
  if (target === undefined) return { image: inputs.image };
  if (expected === undefined) throw new RangeError(`the input ${target} is missing; the loss needs it`);
  return { image: inputs.image, [target]: expected };
}

function countCorrect(logits: Float32Array, label: InputData | undefined, batch: number): number {
  if (!(label instanceof Uint32Array))
    throw new RangeError(
      "correct images can only be counted where the labels are a Uint32Array; read logits instead",
    );
  const classes = logits.length / batch;
  let correct = 0;
  for (let n = 0; n < batch; n++) {
    const row = logits.subarray(n * classes, (n + 1) * classes);
    let best = 0;
    for (let k = 1; k < classes; k++) if ((row[k] ?? 0) > (row[best] ?? 0)) best = k;
    if (best === label[n]) correct++;
  }
  return correct;
}

import { ancestors } from "../autodiff";
import { type Device, openDevice } from "../device";
import { compile, type InferenceNetwork, type TrainingNetwork } from "../nn/compile";
import { describe } from "../nn/describe";
import { crossEntropy } from "../nn/losses";
import type { Model } from "../nn/model";
import { networkGraph } from "../nn/network-graph";
import { sgd } from "../nn/optimizers";
import type { Tuning } from "../passes/tuning";
import type { GraphSpec } from "../plan";
import { groupProfile, type Peaks } from "../profile";
import type { Bench } from "./bench";
import { memoryTimeline } from "./memory-timeline";
import { RandomBatches } from "./random-batches";
import type { BenchMode, NetworkRow, Precision, StepProfile } from "./rows";
import { timeSteps } from "./step-timer";

export interface NetworkBenchOptions {
  readonly mode: BenchMode;
  /** Images a step. */
  readonly batch: number;
  readonly precision?: Precision | undefined;
  /** Steps before the clock counts, the cold first one among them; 10 if not given. */
  readonly warm?: number | undefined;
  /** Samples; 40 if not given. */
  readonly samples?: number | undefined;
  /** Whether to time every dispatch as well, on adapters that have timestamp queries. */
  readonly profile?: boolean | undefined;
  /** Measures kernels for graphs on the adapter, or looks them up; rules choose them if not given. */
  readonly tune?: ((specs: readonly GraphSpec[], device: Device) => Promise<Tuning>) | undefined;
  /** Of initial values and data. */
  readonly seed?: number | undefined;
  /** Called with the number of steps or samples that are done, and how many there will be. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Ends the run between two steps, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

// Labels are random: a larger rate would soon make numbers that are none, and those may take another time.
const optimizer = sgd({ lr: 1e-3, momentum: 0.9 });

/**
 * Times a network's inference or its training steps (cross-entropy, SGD with momentum), each with images and labels of
 * its own that are on the device when the clock starts. The device is a new one, so that nothing is compiled yet.
 *
 * @example await benchNetwork(resnet50(), await openBench(), { mode: "infer", batch: 1, profile: true })
 * @throws what `compile` throws; DeviceLostError
 */
export async function benchNetwork(
  model: Model,
  bench: Bench,
  options: NetworkBenchOptions,
): Promise<NetworkRow> {
  const tuning = await tuningFor(model, bench, options);
  const device = await openDevice({ adapter: bench.adapter });
  try {
    return await onDevice(device, model, bench, options, tuning);
  } finally {
    device.close();
  }
}

const useOf = ({ mode, batch }: NetworkBenchOptions) =>
  mode === "train" ? { batch, loss: crossEntropy(), optimizer } : { batch };

/** Measured on a device that is gone when the clock starts: its pipelines and buffers are not the network's. */
async function tuningFor(
  model: Model,
  bench: Bench,
  options: NetworkBenchOptions,
): Promise<Tuning | undefined> {
  if (options.tune === undefined) return undefined;
  const device = await openDevice({ adapter: bench.adapter });
  try {
    return await options.tune([networkGraph(model, useOf(options)).spec], device);
  } finally {
    device.close();
  }
}

async function onDevice(
  device: Device,
  model: Model,
  { peaks, circumstances }: Bench,
  options: NetworkBenchOptions,
  tuning: Tuning | undefined,
): Promise<NetworkRow> {
  const { mode, batch, precision = "float32", warm = 10, samples = 40, seed = 0, signal } = options;
  const { parameters, macs } = describe(model);
  signal?.throwIfAborted();

  const before = performance.now();
  const network: InferenceNetwork | TrainingNetwork =
    mode === "train"
      ? await compile(model, { device, batch, seed, tuning, loss: crossEntropy(), optimizer })
      : await compile(model, { device, batch, seed, tuning });
  const compileTime = performance.now() - before;
  const data = new RandomBatches(device, [batch, ...model.input], model.classes, seed);

  let loss: number | undefined;
  const total = Math.max(warm, 1) + samples - (warm === 0 ? 1 : 0);
  const { spread, first, stepsPerSample } = await timeSteps(
    {
      prepare: (steps) => data.prepare(steps),
      run: async (step) => {
        const result = await network.run(data.batch(step));
        if ("loss" in result) loss = result.loss;
      },
    },
    { warm, samples, signal, onProgress: (done) => options.onProgress?.(done, total) },
  );
  const measured = device.peakBytes - data.bytes;
  const pipelines = device.pipelineCount;
  const profile =
    options.profile === true && device.features.has("timestamp-query")
      ? await profileOf(network, data, peaks, signal)
      : undefined;
  const { executable } = network;
  const gflops = flopsOfGraph(executable.plan.spec) / spread.median / 1e6;
  return {
    model: model.name,
    mode,
    precision,
    batch,
    imageSize: model.input[0],
    parameters,
    gmacs: macs / 1e9,
    step: spread,
    stepsPerSample,
    imagesPerSecond: (1000 * batch) / spread.median,
    gflops,
    shareOfPeak: gflops / peaks.gflops,
    memory: { stated: executable.plan.bytes.total, measured },
    ...(loss === undefined ? {} : { loss: Number.isFinite(loss) ? loss : null }),
    cold: { compile: compileTime, run: first },
    pipelines,
    dispatches: executable.dispatchCount,
    ...(tuning === undefined ? {} : { tuned: executable.plan.tuned.size }),
    peaks,
    circumstances,
    ...(profile === undefined ? {} : { profile }),
  };
}

async function profileOf(
  network: InferenceNetwork | TrainingNetwork,
  data: RandomBatches,
  peaks: Peaks,
  signal: AbortSignal | undefined,
): Promise<StepProfile> {
  const rounds = 3;
  await data.prepare(1 + rounds);
  let k = 0;
  const entries = await network.profile(() => {
    signal?.throwIfAborted();
    return data.batch(k++);
  }, rounds);
  return {
    entries,
    layers: groupProfile(entries, "layer", peaks),
    ops: groupProfile(entries, "op", peaks),
    memory: memoryTimeline(network.plan),
  };
}

/** Additions and multiplications that a graph's ops are defined by, before any is replaced by others. */
function flopsOfGraph({ outputs, updates = [] }: GraphSpec): number {
  const nodes = ancestors([...Object.values(outputs), ...updates]);
  return nodes.reduce((sum, node) => (node.kind === "op" ? sum + node.op.flops(node.sizes) : sum), 0);
}

import { lenet5 } from "../models/lenet5";
import { plan } from "../nn/compile";
import { crossEntropy } from "../nn/losses";
import { sgd } from "../nn/optimizers";
import { costsOf, groupProfile, type Peaks, type ProfileEntry } from "../profile";
import { memoryTimeline } from "./memory-timeline";
import type { NetworkRow, OpRow } from "./rows";
import { spreadOf } from "./statistics";

/** Rows as a benchmark leaves them, for the tests of what is done with them. */
export const peaks: Peaks = { gflops: 20, gbPerSecond: 5, launchUs: 10 };

export const circumstances = {
  adapter: "a software adapter",
  driver: "driver 1.0",
  vendor: "nobody",
  architecture: "software",
  backend: "vulkan",
  os: "Linux 6.1 x64",
  cpu: '2 × "Some" CPU, fast',
  node: "20.20.0",
  webgpu: "0.6.2",
  striate: "0.1.0",
  commit: "abc123",
  toggles: ["allow_unsafe_apis", "-timestamp_quantization"],
  date: "2026-01-02T03:04:05.000Z",
};

export function networkRow(changes: Partial<NetworkRow> = {}): NetworkRow {
  return {
    model: "lenet5",
    mode: "train",
    precision: "float32",
    batch: 8,
    imageSize: 32,
    parameters: 61706,
    gmacs: 0.000416,
    step: spreadOf([4, 5, 6, 5]),
    stepsPerSample: 1,
    imagesPerSecond: 1600,
    gflops: 4,
    shareOfPeak: 0.2,
    memory: { stated: 2 ** 20, measured: 2 ** 20 },
    loss: 2.3,
    cold: { compile: 200, run: 1500 },
    pipelines: 20,
    dispatches: 30,
    peaks,
    circumstances,
    ...changes,
  };
}

export function opRow(changes: Partial<OpRow> = {}): OpRow {
  return {
    op: "add",
    case: "in fours",
    shapes: { a: [2, 3, 8], b: [2, 3, 8] },
    kernels: ["add/vec4"],
    time: spreadOf([10, 11, 12, 13]),
    flops: 48,
    bytes: 576,
    gflops: 0.004,
    gbPerSecond: 0.05,
    bound: "launches",
    share: 0.8,
    peaks,
    circumstances,
    ...changes,
  };
}

/** LeNet-5's training step, planned without a device, every dispatch taking as long as its work asks for. */
export function profiledRow(): NetworkRow {
  const made = plan(lenet5(), { batch: 8, loss: crossEntropy(), optimizer: sgd({ lr: 0.1, momentum: 0.9 }) });
  const entries: ProfileEntry[] = costsOf(made).map((cost) => ({
    ...cost,
    microseconds: 5 + cost.flops / 1e4 + cost.bytes / 1e3,
  }));
  const profile = {
    entries,
    layers: groupProfile(entries, "layer", peaks),
    ops: groupProfile(entries, "op", peaks),
    memory: memoryTimeline(made),
  };
  return networkRow({ profile });
}

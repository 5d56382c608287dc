/** The Node-only door (`striate/node`): files, data sets, checkpoints, training, benchmarks. */

export { listAdapters } from "./adapters";
export { type Bench, everyAdapter, openBench } from "./bench/bench";
export { type Change, type ChangeVerdict, compareRow } from "./bench/compare";
export { benchNetwork, type NetworkBenchOptions } from "./bench/network";
export { measurePeaks } from "./bench/peaks";
export { benchReport } from "./bench/report";
export { readBenchRows, writeBenchRows } from "./bench/results-file";
export type { BenchMode, NetworkRow, Precision, StepProfile } from "./bench/rows";
export { type BenchEvent, benchNetworks, type NetworkRunOptions } from "./bench/run";
export type { Spread } from "./bench/statistics";
export { type Batch, type BatchOptions, batches } from "./data/batches";
export { type Dataset, type ImageShape, memorySplit, type Split } from "./data/dataset";
export { decodeImage } from "./data/decode-image";
export { loadDigits } from "./data/digits";
export { encodePng } from "./data/encode-png";
export { type ImageFolderOptions, openImageFolder } from "./data/image-folder";
export { type OpenDatasetOptions, openDataset } from "./data/open-dataset";
export { openDevice } from "./device";
export { InputError } from "./io/errors";
export { readSafetensors, writeSafetensors } from "./io/safetensors-file";
export {
  chromeTrace,
  groupProfile,
  type Peaks,
  type ProfileEntry,
  type ProfileGroup,
  verdict,
} from "./profile";
export * from "./train/checkpoint";
export type * from "./train/checkpoint-info";
export { type Classification, classifyImages } from "./train/classify";
export { type EvaluateOptions, evaluate } from "./train/evaluate";
export type * from "./train/events";
export { type Explanation, explainImage } from "./train/explain-image";
export { Metrics, type MetricsSummary } from "./train/metrics";
export { openTraining, type Training, type TrainingOptions } from "./train/open-training";
export { constantRate, cosineDecay, type Schedule, stepDecay, warmUp } from "./train/schedule";
export { openTrainedModel, type TrainedModel } from "./train/trained-model";
export { DivergedError, Trainer } from "./train/trainer";
export {
  readTuning,
  type TuningCacheOptions,
  tuningFile,
  tuningFolder,
  writeTuning,
} from "./tune/cache";

/** Striate: convolutional networks on any GPU that WebGPU reaches. Everything here is safe in a browser. */

export { elementwiseKernels } from "../shaders/elementwise";
export { type AdapterDescription, listAdapters } from "./adapters";
export { gradients } from "./autodiff";
export { type Device, type DeviceOptions, openDevice } from "./device";
export {
  DeviceLostError,
  GpuError,
  KernelError,
  LimitError,
  NoAdapterError,
  OutOfMemoryError,
} from "./errors";
export {
  compileGraph,
  type Executable,
  type GraphOptions,
  type InputData,
} from "./executor";
export { compileCam } from "./explain/cam";
export { type ClassMapResult, ClassMaps, type ExplainOptions } from "./explain/class-maps";
export { compileGradCam, type GradCamOptions } from "./explain/grad-cam";
export { type HeatMap, peakOf, resizeHeatMap } from "./explain/heat-map";
export { heatColour, overlayHeatMap } from "./explain/overlay";
export { type Kernel, type KernelContext, kernel, type Lowering, type Sizes } from "./kernel";
export { type ModelName, modelNamed, models } from "./models";
export { alexnet, alexnetOwt } from "./models/alexnet";
export { googlenet } from "./models/googlenet";
export { inceptionV3 } from "./models/inception-v3";
export { lenet5, mnistCnn } from "./models/lenet5";
export { mobilenetV1 } from "./models/mobilenet-v1";
export { resnet18, resnet34, resnet50, resnet101, resnet152 } from "./models/resnet";
export { vgg11, vgg11Bn, vgg13, vgg13Bn, vgg16, vgg16Bn, vgg19, vgg19Bn } from "./models/vgg";
export { zfnet } from "./models/zfnet";
export * as nn from "./nn";
export {
  compile,
  type EvaluationNetwork,
  type InferenceNetwork,
  type Network,
  plan,
  type TrainingNetwork,
} from "./nn/compile";
export { describe } from "./nn/describe";
export { crossEntropy, type Loss, meanSquaredError } from "./nn/losses";
export { defineModel, type Model, type ModelOptions } from "./nn/model";
export type { NetworkOptions } from "./nn/network-graph";
export { adam, adamw, type Optimizer, sgd } from "./nn/optimizers";
export { tune } from "./nn/tune";
export { defineOp, flag, float, int, pair, text } from "./op";
export { ops } from "./ops";
export { flatten, reshape } from "./ops/reshape";
export { SelectionError } from "./passes/select";
export type { TunedChoice, Tuning } from "./passes/tuning";
export { WindowError } from "./passes/window";
export type { GraphSpec, Plan, PlanBytes } from "./plan";
export type { OutputData } from "./read-back";
export { State, type VariableInfo } from "./state";
export {
  constant,
  type DType,
  type Initializer,
  input,
  type Layout,
  type Shape,
  ShapeError,
  type Tensor,
  variable,
} from "./tensor";
export { type TunedShape, type TuneOptions, tuneGraphs } from "./tune/tune";

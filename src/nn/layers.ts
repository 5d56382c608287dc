import { adaptiveAvgPool as adaptiveAvgPoolOp } from "../ops/adaptive-avg-pool";
import { avgPool as avgPoolOp } from "../ops/avg-pool";
import { batchNorm as batchNormOp } from "../ops/batch-norm";
import { batchNormInference } from "../ops/batch-norm-inference";
import { biasAdd } from "../ops/bias-add";
import { conv2d } from "../ops/conv2d";
import { depthwiseConv2d } from "../ops/depthwise-conv2d";
import { dropout as dropoutOp } from "../ops/dropout";
import { globalAvgPool as globalAvgPoolOp } from "../ops/global-avg-pool";
import { localResponseNorm } from "../ops/local-response-norm";
import { matmulNT } from "../ops/matmul";
import { maxPool as maxPoolOp } from "../ops/max-pool";
import { movingAverage } from "../ops/moving-average";
import { flatten as flattenOp } from "../ops/reshape";
import { streamOf } from "../random";
import { formatShape, type Initializer, type Layout, ShapeError, type Tensor } from "../tensor";
import { ones, torchBias, torchWeight, zeros } from "./initializers";
import { type Layer, layer } from "./layer";

/** A whole number for height and width alike, or `[height, width]`. */
export type Pair = number | readonly [number, number];
const both = (p: Pair): readonly [number, number] => (typeof p === "number" ? [p, p] : p);
const square = (p: Pair): string => both(p).join("×");

export interface ConvOptions {
  readonly stride?: Pair;
  readonly pad?: Pair;
  readonly dilation?: Pair;
  /** Independent groups of channels; as many as channels makes it a depthwise convolution. */
  readonly groups?: number;
  readonly bias?: boolean;
  readonly init?: Initializer;
  readonly biasInit?: Initializer;
}

/**
 * Convolution of [N, H, W, C] to `out` channels, with bias unless told otherwise. Parameters `weight` and `bias`.
 *
 * @example conv(64, 7, { stride: 2, pad: 3, bias: false })
 * @throws ShapeError when the groups do not divide the channels or the kernel is larger than its padded input
 */
export function conv(out: number, kernel: Pair, options: ConvOptions = {}): Layer {
  const { stride = 1, pad = 0, dilation = 1, groups = 1, bias = true } = options;
  const [R, S] = both(kernel);
  const kind = [
    `conv ${square(kernel)}`,
    ...(square(stride) === "1×1" ? [] : [`stride ${square(stride)}`]),
    ...(groups === 1 ? [] : [`groups ${groups}`]),
  ].join(", ");
  return layer(kind, (x, scope) => {
    const C = channelsOf(x, "conv");
    const window = { stride: both(stride), pad: both(pad), dilation: both(dilation) };
    const init = options.init ?? torchWeight;
    let y: Tensor;
    let shape: readonly number[];
    if (groups > 1 && groups === C && groups === out) {
      shape = [R, S, C];
      y = depthwiseConv2d({ x, w: scope.param("weight", shape, init, { layout: "depthwise" }), ...window }).y;
    } else {
      if (C % groups !== 0) throw new ShapeError(`conv: groups is ${groups}, which does not divide C = ${C}`);
      shape = [out, R, S, C / groups];
      y = conv2d({ x, w: scope.param("weight", shape, init, { layout: "conv" }), groups, ...window }).y;
    }
    if (!bias) return y;
    return biasAdd({ x: y, b: scope.param("bias", [out], options.biasInit ?? torchBias(shape)) }).y;
  });
}

export interface LinearOptions {
  readonly bias?: boolean;
  readonly init?: Initializer;
  readonly biasInit?: Initializer;
}

/**
 * Linear layer of [N, C] to [N, out]: x·weightᵀ + bias. Behind a flatten of images it remembers their height and width,
 * so that files, which flatten channels first, load and save rightly.
 */
export function linear(
  out: number,
  { bias = true, init = torchWeight, biasInit }: LinearOptions = {},
): Layer {
  return layer("linear", (x, scope) => {
    if (x.shape.length !== 2)
      throw new ShapeError(
        `linear: x has shape ${formatShape(x.shape)}, expected [N, C]; put flatten() before it`,
      );
    const shape = [out, x.shape[1] ?? 1];
    const y = matmulNT({ a: x, b: scope.param("weight", shape, init, { layout: flattenedFrom(x) }) }).y;
    if (!bias) return y;
    return biasAdd({ x: y, b: scope.param("bias", [out], biasInit ?? torchBias(shape)) }).y;
  });
}

/** The images that a matrix was flattened from, looking through what leaves the order of elements alone. */
function flattenedFrom(x: Tensor): Layout {
  for (let t = x; t.node.kind === "op"; ) {
    const [source] = Object.values(t.node.inputs);
    if (source === undefined) break;
    if (source.shape.length === 4) {
      const [, H = 1, W = 1, C = 1] = source.shape;
      return t.node.op.view && H * W > 1 ? { flatten: [H, W, C] } : "same";
    }
    if (formatShape(source.shape) !== formatShape(t.shape)) break;
    t = source;
  }
  return "same";
}

export interface BatchNormOptions {
  readonly eps?: number;
  /** Share of a batch in the running statistics. */
  readonly momentum?: number;
  /** Start of `weight`; zero makes a residual block begin as the identity. */
  readonly init?: Initializer;
}

/**
 * Batch normalisation (Ioffe & Szegedy 2015) by channel: batch statistics in training, running ones otherwise.
 * Parameters `weight` and `bias`, statistics `running_mean` and `running_var`, as PyTorch has them.
 */
export function batchNorm({ eps = 1e-5, momentum = 0.1, init = ones }: BatchNormOptions = {}): Layer {
  return layer("batch norm", (x, scope) => {
    const C = channelsOf(x, "batchNorm");
    const gamma = scope.param("weight", [C], init);
    const beta = scope.param("bias", [C], zeros);
    const runningMean = scope.statistic("running_mean", [C], zeros);
    const runningVariance = scope.statistic("running_var", [C], ones);
    const { isFrozen, freezeStatistics } = scope.trace;
    if (!scope.training || (freezeStatistics && isFrozen(scope.nameOf("weight")))) {
      return batchNormInference({ x, gamma, beta, mean: runningMean, variance: runningVariance, eps }).y;
    }
    const { y, mean, variance } = batchNormOp({ x, gamma, beta, eps });
    // In the order of the variables in memory, so that all the layers' become one dispatch.
    scope.update(movingAverage({ average: runningMean, value: mean, momentum }).average);
    scope.update(movingAverage({ average: runningVariance, value: variance, momentum }).average);
    return y;
  });
}

export interface PoolOptions {
  /** As large as the window if not given. */
  readonly stride?: Pair;
  readonly pad?: Pair;
  /** Counts windows that are cut off at the end. */
  readonly ceilMode?: boolean;
}

/** Maximum over windows, as PyTorch's MaxPool2d. */
export const maxPool = (
  window: Pair,
  { stride = window, pad = 0, ceilMode = false }: PoolOptions = {},
): Layer =>
  layer(
    `max pool ${square(window)}`,
    (x) => maxPoolOp({ x, window: both(window), stride: both(stride), pad: both(pad), ceilMode }).y,
  );

/** Mean over windows, as PyTorch's AvgPool2d: zeros of the padding count unless told otherwise. */
export const avgPool = (
  window: Pair,
  {
    stride = window,
    pad = 0,
    ceilMode = false,
    countIncludePad = true,
  }: PoolOptions & { readonly countIncludePad?: boolean } = {},
): Layer =>
  layer(
    `average pool ${square(window)}`,
    (x) =>
      avgPoolOp({ x, window: both(window), stride: both(stride), pad: both(pad), ceilMode, countIncludePad })
        .y,
  );

/** Mean over bins, to `size` whatever the input's size. */
export const adaptiveAvgPool = (size: Pair): Layer =>
  layer(`adaptive average pool ${square(size)}`, (x) => {
    const [P, Q] = both(size);
    return x.shape[1] === P && x.shape[2] === Q ? x : adaptiveAvgPoolOp({ x, P, Q }).y;
  });

/** Mean over height and width: [N, H, W, C] to [N, C]. */
export const globalAvgPool = (): Layer => layer("global average pool", (x) => globalAvgPoolOp({ x }).y);

/** [N, H, W, C] to [N, H·W·C]. */
export const flatten = (): Layer => layer("flatten", (x) => flattenOp(x));

/**
 * In training, zeroes each value with probability `p` and divides the others by 1 − p (Srivastava et al. 2014). The
 * draws are a function of seed, step and the layer's name.
 */
export function dropout(p = 0.5): Layer {
  if (!(p >= 0 && p < 1)) throw new ShapeError(`dropout: p is ${p}, expected at least 0 and below 1`);
  return layer(`dropout ${p}`, (x, scope) =>
    scope.training && p > 0
      ? dropoutOp({ x, seed: scope.trace.seed(), p, stream: streamOf(`${scope.path}.dropout`) }).y
      : x,
  );
}

/** Local response normalisation across `size` channels (Krizhevsky et al. 2012), in PyTorch's terms: alpha is divided by size. */
export const lrn = (size: number, { alpha = 1e-4, beta = 0.75, k = 1 } = {}): Layer =>
  layer(`local response norm ${size}`, (x) => localResponseNorm({ x, size, alpha, beta, k }).y);

function channelsOf(x: Tensor, what: string): number {
  const C = x.shape.at(-1);
  if (C === undefined || x.shape.length < 2)
    throw new ShapeError(`${what}: x has shape ${formatShape(x.shape)}, expected [N, …, C]`);
  return C;
}

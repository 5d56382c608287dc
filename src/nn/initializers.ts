import { drawnValues } from "../initial-values";
import { checkLimit } from "../random";
import { type Distribution, type Initializer, type Shape, sizeOf } from "../tensor";

/**
 * Inputs and outputs of one unit, from a weight's shape in the engine's layout: convolution [K, R, S, C / groups],
 * depthwise [R, S, C], linear [K, C]. As PyTorch counts them: a depthwise convolution's fan-out is R·S·C.
 */
export function fansOf(shape: Shape): { readonly fanIn: number; readonly fanOut: number } {
  const [a = 1, b = 1, c = 1, d = 1] = shape;
  if (shape.length === 4) return { fanIn: b * c * d, fanOut: a * b * c };
  if (shape.length === 3) return { fanIn: a * b, fanOut: a * b * c };
  if (shape.length === 2) return { fanIn: b, fanOut: a };
  throw new Error(
    `a weight of ${shape.length} axes has no fans; expected 2 (linear), 3 (depthwise) or 4 (convolution)`,
  );
}

type Fan = "in" | "out";
const fan = (shape: Shape, mode: Fan): number => (mode === "in" ? fansOf(shape).fanIn : fansOf(shape).fanOut);

/** An initializer that draws from a distribution, which may depend on the shape. */
const draws = (distribution: (shape: Shape) => Distribution): Initializer =>
  Object.assign(
    (shape: Shape, seed: number, stream: number) =>
      drawnValues(distribution(shape), seed, stream, sizeOf(shape)),
    { distribution },
  );

/** Every element the same. */
export const constantInit =
  (value: number): Initializer =>
  (shape) =>
    new Float32Array(sizeOf(shape)).fill(value);
export { zeros } from "../tensor";
export const ones: Initializer = constantInit(1);

/** Uniform in ±bound. */
export const uniformInit = (bound: number): Initializer => draws(() => ({ kind: "uniform", scale: bound }));

/** Normal with mean 0. */
export const normalInit = (std: number): Initializer => draws(() => ({ kind: "normal", scale: std }));

/** Normal with mean 0 of which everything past `limit` standard deviations is drawn again. */
export function truncatedNormalInit(std: number, limit = 2): Initializer {
  checkLimit(limit);
  return draws(() => ({ kind: "normal", scale: std, limit }));
}

/** He et al. 2015, normal: variance gain² / fan; the gain is √2 for ReLU. */
export const kaimingNormal = (mode: Fan = "in", gain = Math.SQRT2): Initializer =>
  draws((shape) => ({ kind: "normal", scale: gain / Math.sqrt(fan(shape, mode)) }));

/** He et al. 2015, uniform in ±gain·√(3 / fan). */
export const kaimingUniform = (mode: Fan = "in", gain = Math.SQRT2): Initializer =>
  draws((shape) => ({ kind: "uniform", scale: gain * Math.sqrt(3 / fan(shape, mode)) }));

const fanSum = (shape: Shape): number => fansOf(shape).fanIn + fansOf(shape).fanOut;

/** Glorot & Bengio 2010, normal: variance 2·gain² / (fan-in + fan-out). */
export const xavierNormal = (gain = 1): Initializer =>
  draws((shape) => ({ kind: "normal", scale: gain * Math.sqrt(2 / fanSum(shape)) }));

/** Glorot & Bengio 2010, uniform in ±gain·√(6 / (fan-in + fan-out)). */
export const xavierUniform = (gain = 1): Initializer =>
  draws((shape) => ({ kind: "uniform", scale: gain * Math.sqrt(6 / fanSum(shape)) }));

/** What PyTorch's Linear and Conv2d draw their weights from: kaiming uniform with a = √5, that is ±1/√fan-in. */
export const torchWeight: Initializer = draws((shape) => ({
  kind: "uniform",
  scale: 1 / Math.sqrt(fansOf(shape).fanIn),
}));
/** And their biases, ±1/√fan-in of the weight. */
export const torchBias = (weight: Shape): Initializer => uniformInit(1 / Math.sqrt(fansOf(weight).fanIn));

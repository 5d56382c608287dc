import * as activations from "../src/ops/activations";
import { streamOf, uniforms } from "../src/random";
import { ofVolume, volume } from "./bench-shapes";
import { type CaseSizes, spec, type Tolerance } from "./spec";

type Slope = (x: number, alpha: number) => number;
const defined = (x: number | undefined): number => x ?? Number.NaN;
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
/** Φ by Marsaglia's series, exact to the last digits for |x| < 7. */
const cdf = (x: number): number => {
  if (Math.abs(x) > 7) return x < 0 ? 0 : 1;
  let [term, sum] = [x, x];
  for (let k = 3; Math.abs(term) > 1e-18 * Math.abs(sum); k += 2) sum += term *= (x * x) / k;
  return 0.5 + sum * density(x);
};
const lambda = 1.0507009873554805;
const seluAlpha = 1.6732632423543772;
const tanhOf = (x: number) => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);

/** The definition, its derivative in x, and where that jumps. */
interface Curve {
  readonly f: Slope;
  readonly slope: Slope;
  readonly kinks?: readonly number[];
  readonly tolerance?: Tolerance;
}
const curves = {
  relu: { f: (x) => Math.max(x, 0), slope: (x) => +(x > 0), kinks: [0], tolerance: "copy" },
  relu6: {
    f: (x) => Math.min(Math.max(x, 0), 6),
    slope: (x) => +(x > 0 && x < 6),
    kinks: [0, 6],
    tolerance: "copy",
  },
  leakyRelu: {
    f: (x, a) => (x > 0 ? x : a * x),
    slope: (x, a) => (x > 0 ? 1 : a),
    kinks: [0],
    tolerance: "ulp3",
  },
  elu: {
    f: (x, a) => (x > 0 ? x : a * Math.expm1(x)),
    slope: (x, a) => (x > 0 ? 1 : a * Math.exp(x)),
    kinks: [0],
  },
  selu: {
    f: (x) => lambda * (x > 0 ? x : seluAlpha * Math.expm1(x)),
    slope: (x) => lambda * (x > 0 ? 1 : seluAlpha * Math.exp(x)),
    kinks: [0],
  },
  sigmoid: { f: sigmoid, slope: (x) => sigmoid(x) * sigmoid(-x) },
  tanh: { f: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
  arctan: { f: Math.atan, slope: (x) => 1 / (1 + x * x) },
  softplus: { f: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), slope: sigmoid },
  gelu: { f: (x) => x * cdf(x), slope: (x) => cdf(x) + x * density(x) },
  geluTanh: {
    f: (x) => (x / 2) * (1 + Math.tanh(tanhOf(x))),
    slope: (x) =>
      (1 + Math.tanh(tanhOf(x))) / 2 +
      (x / 2) * (1 - Math.tanh(tanhOf(x)) ** 2) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x),
  },
  swish: { f: (x) => x * sigmoid(x), slope: (x) => sigmoid(x) * (1 + x * sigmoid(-x)) },
  gudermannian: { f: (x) => 2 * Math.atan(Math.tanh(x / 2)), slope: (x) => 1 / Math.cosh(x) },
  identity: { f: (x) => x, slope: () => 1, tolerance: "copy" },
  binaryStep: { f: (x) => +(x >= 0), slope: () => 0, kinks: [0], tolerance: "copy" },
} as const satisfies Readonly<Record<string, Curve>>;

/** Arguments at which a careless formula overflows, in the cases whose last axis is 6 long; else uniform in ±7. */
const extremes = [-100, -30, -9.5, 9.5, 30, 100];
const argumentsFor =
  (kinks: readonly number[] = []) =>
  ({ LAST }: CaseSizes, count: number): number[] =>
    Array.from(uniforms(1, streamOf("arguments"), count), (u, i) => {
      if (LAST === extremes.length) return defined(extremes[i % LAST]);
      const x = 14 * u - 7;
      const kink = kinks.find((k) => Math.abs(x - k) < 0.05);
      return Math.fround(kink === undefined ? x : kink + (x < kink ? -0.1 : 0.1));
    });

const shapes = [
  { why: "no multiple of four", shape: [3, 5, 7] },
  { why: "in fours", shape: [2, 3, 8] },
  { why: "far from zero", shape: [6, 6] },
] as const;

const curveOf = (name: keyof typeof curves): Curve => curves[name];
const forward = (name: keyof typeof curves) => {
  const { f, kinks, tolerance = "transcendental" } = curveOf(name);
  return {
    tolerance,
    inputs: { x: { make: argumentsFor(kinks) } },
    reference: ({ x }: { readonly x: Float64Array }, { alpha = 0 }: CaseSizes) => ({
      y: x.map((v) => f(v, alpha)),
    }),
    cases: shapes.map(({ why, shape }) => ({ why, x: shape })),
    bench: [{ why: ofVolume, x: volume }],
  };
};
const backward = (name: keyof typeof curves) => {
  const { slope, kinks } = curveOf(name);
  return {
    tolerance: "transcendental",
    inputs: { x: { make: argumentsFor(kinks) } },
    reference: (
      { x, dy }: { readonly x: Float64Array; readonly dy: Float64Array },
      { alpha = 0 }: CaseSizes,
    ) => ({
      dx: x.map((v, i) => slope(v, alpha) * defined(dy[i])),
    }),
    cases: shapes.map(({ why, shape }) => ({ why, x: shape, dy: shape })),
    bench: [{ why: ofVolume, x: volume, dy: volume }],
  } as const;
};
/** A gradient that is given the output: y is made from arguments, which the reference draws again. */
const backwardFromOutput = (name: keyof typeof curves, alpha = 0) => {
  const { f, slope, kinks } = curveOf(name);
  const xs = argumentsFor(kinks);
  return {
    tolerance: "transcendental",
    inputs: { y: { make: (sizes: CaseSizes, count: number) => xs(sizes, count).map((x) => f(x, alpha)) } },
    reference: ({ dy }: { readonly dy: Float64Array }, sizes: CaseSizes) => ({
      dx: xs(sizes, dy.length).map((x, i) => slope(x, alpha) * defined(dy[i])),
    }),
    cases: shapes.map(({ why, shape }) => ({ why, y: shape, dy: shape })),
    bench: [{ why: ofVolume, y: volume, dy: volume }],
  } as const;
};

export const activationSpecs = {
  relu: spec(activations.relu, forward("relu")),
  relu6: spec(activations.relu6, forward("relu6")),
  leakyRelu: spec(activations.leakyRelu, {
    ...forward("leakyRelu"),
    rejects: [{ x: [2], alpha: -1, error: /^leakyRelu: alpha is -1, expected at least 0/ }],
  }),
  elu: spec(activations.elu, forward("elu")),
  selu: spec(activations.selu, forward("selu")),
  sigmoid: spec(activations.sigmoid, forward("sigmoid")),
  tanh: spec(activations.tanh, forward("tanh")),
  arctan: spec(activations.arctan, forward("arctan")),
  softplus: spec(activations.softplus, forward("softplus")),
  gelu: spec(activations.gelu, forward("gelu")),
  geluTanh: spec(activations.geluTanh, forward("geluTanh")),
  swish: spec(activations.swish, forward("swish")),
  gudermannian: spec(activations.gudermannian, forward("gudermannian")),
  // Its gradient is the tensor dy itself: there is nothing to run.
  identity: spec(activations.identity, { ...forward("identity"), gradient: false }),
  binaryStep: spec(activations.binaryStep, forward("binaryStep")),
};

export const activationGradSpecs = {
  reluGrad: spec(activations.reluGrad, backwardFromOutput("relu")),
  relu6Grad: spec(activations.relu6Grad, backwardFromOutput("relu6")),
  leakyReluGrad: spec(activations.leakyReluGrad, backwardFromOutput("leakyRelu", 0.01)),
  eluGrad: spec(activations.eluGrad, backwardFromOutput("elu", 1)),
  seluGrad: spec(activations.seluGrad, backwardFromOutput("selu")),
  sigmoidGrad: spec(activations.sigmoidGrad, backwardFromOutput("sigmoid")),
  tanhGrad: spec(activations.tanhGrad, backwardFromOutput("tanh")),
  arctanGrad: spec(activations.arctanGrad, backward("arctan")),
  softplusGrad: spec(activations.softplusGrad, backward("softplus")),
  geluGrad: spec(activations.geluGrad, backward("gelu")),
  geluTanhGrad: spec(activations.geluTanhGrad, backward("geluTanh")),
  swishGrad: spec(activations.swishGrad, backward("swish")),
  gudermannianGrad: spec(activations.gudermannianGrad, backward("gudermannian")),
  binaryStepGrad: spec(activations.binaryStepGrad, backwardFromOutput("binaryStep")),
};

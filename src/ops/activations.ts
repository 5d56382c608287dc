import { elementwiseKernels } from "../../shaders/elementwise";
import { arctanOf, normalCdf, sigmoidOf } from "../../shaders/lib/transcendental";
import { type AttrSpec, defineOp, float } from "../op";
import type { AttrValue } from "../tensor";

type Attrs = Readonly<Record<string, AttrSpec>>;

/** What an activation needs besides its two lines. */
interface Extra<A extends Attrs> {
  readonly attrs: A;
  /** WGSL functions that the lines call. */
  readonly lib?: string;
  /** WGSL statements before the derivative's line. */
  readonly lets?: string;
}

const forward = (name: string, expression: string, lib: string | undefined) =>
  ({
    name,
    inputs: { x: "..." },
    outputs: { y: "..." },
    elementwise: { out: { y: expression }, ...(lib === undefined ? {} : { lib: () => lib }) },
    flops: ({ SIZE = 0 }) => SIZE,
    kernels: elementwiseKernels,
  }) as const;

const backward = (name: string, expression: string, { lib, lets }: Pick<Extra<Attrs>, "lib" | "lets">) =>
  ({
    name: `${name}Grad`,
    outputs: { dx: "..." },
    elementwise: {
      out: { dx: expression },
      ...(lets === undefined ? {} : { lets }),
      ...(lib === undefined ? {} : { lib: () => lib }),
    },
    flops: ({ SIZE = 0 }) => 2 * SIZE,
    kernels: elementwiseKernels,
  }) as const;

/** Below zero the output's sign would no longer tell that of the input, from which the derivative is taken. */
const slopeAtLeastZero = (_: unknown, { alpha }: Readonly<Record<string, AttrValue>>): string | undefined =>
  typeof alpha === "number" && alpha < 0 ? `alpha is ${alpha}, expected at least 0` : undefined;

/** An activation whose derivative follows from its output `y`: the input need not be kept. */
function fromOutput<const A extends Attrs>(name: string, line: string, derivative: string, extra: Extra<A>) {
  const gradient = defineOp({
    ...backward(name, derivative, extra),
    inputs: { y: "...", dy: "..." },
    attrs: extra.attrs,
    check: slopeAtLeastZero,
  });
  const op = defineOp({
    ...forward(name, line, extra.lib),
    attrs: extra.attrs,
    check: slopeAtLeastZero,
    grad: ({ y, dy }, own) => ({ x: gradient.apply({ y, dy, ...own }).dx }),
  });
  return { op, gradient };
}

/** An activation whose derivative needs its input `x`. */
function fromInput<const A extends Attrs>(name: string, line: string, derivative: string, extra: Extra<A>) {
  const gradient = defineOp({
    ...backward(name, derivative, extra),
    inputs: { x: "...", dy: "..." },
    attrs: extra.attrs,
  });
  const op = defineOp({
    ...forward(name, line, extra.lib),
    attrs: extra.attrs,
    grad: ({ x, dy }, own) => ({ x: gradient.apply({ x, dy, ...own }).dx }),
  });
  return { op, gradient };
}

const plain = { attrs: {} } as const;
const sloped = (alpha: number) => ({ attrs: { alpha: float(alpha) } });

// Each: the function, then dx from dy and whichever of y and x gives the derivative. Exponents are bounded where a
// driver may overflow.

/** max(x, 0) */
export const { op: relu, gradient: reluGrad } = fromOutput(
  "relu",
  "max(x, T(0))",
  "select(T(0), dy, y > T(0))",
  plain,
);

/** min(max(x, 0), 6), MobileNet's. */
export const { op: relu6, gradient: relu6Grad } = fromOutput(
  "relu6",
  "min(max(x, T(0)), T(6))",
  "select(T(0), dy, (y > T(0)) & (y < T(6)))",
  plain,
);

/** x above zero, `alpha`·x below. */
export const { op: leakyRelu, gradient: leakyReluGrad } = fromOutput(
  "leakyRelu",
  "select(alpha * x, x, x > T(0))",
  "select(alpha * dy, dy, y > T(0))",
  sloped(0.01),
);

/** x above zero, `alpha`·(eˣ − 1) below (Clevert et al. 2015). */
export const { op: elu, gradient: eluGrad } = fromOutput(
  "elu",
  "select(alpha * (exp(min(x, T(0))) - 1.0), x, x > T(0))",
  "select((y + alpha) * dy, dy, y > T(0))",
  sloped(1),
);

/** λ·x above zero, λα·(eˣ − 1) below, with the constants of Klambauer et al. 2017. */
export const { op: selu, gradient: seluGrad } = fromOutput(
  "selu",
  "select(1.7580993408473766 * (exp(min(x, T(0))) - 1.0), 1.0507009873554805 * x, x > T(0))",
  "select((y + 1.7580993408473766) * dy, 1.0507009873554805 * dy, y > T(0))",
  plain,
);

/** 1 / (1 + e⁻ˣ) */
export const { op: sigmoid, gradient: sigmoidGrad } = fromOutput(
  "sigmoid",
  "sigmoidOf(x)",
  "dy * y * (1.0 - y)",
  { ...plain, lib: sigmoidOf },
);

/** The hyperbolic tangent. */
export const { op: tanh, gradient: tanhGrad } = fromOutput(
  "tanh",
  "tanh(clamp(x, T(-10), T(10)))",
  "dy * (1.0 - y * y)",
  plain,
);

/** The inverse tangent, in radians. */
export const { op: arctan, gradient: arctanGrad } = fromInput("arctan", "arctanOf(x)", "dy / (1.0 + x * x)", {
  ...plain,
  lib: arctanOf,
});

/** log(1 + eˣ) */
export const { op: softplus, gradient: softplusGrad } = fromInput(
  "softplus",
  "max(x, T(0)) + log(1.0 + exp(-abs(x)))",
  "dy * sigmoidOf(x)",
  { ...plain, lib: sigmoidOf },
);

/** x·Φ(x) with the normal distribution's exact Φ (Hendrycks & Gimpel 2016). */
export const { op: gelu, gradient: geluGrad } = fromInput(
  "gelu",
  "x * normalCdf(x)",
  "dy * (normalCdf(x) + 0.3989422804014327 * x * exp(-0.5 * min(x * x, T(170))))",
  { ...plain, lib: normalCdf },
);

/** GELU by the tanh approximation, x/2·(1 + tanh(√(2/π)·(x + 0.044715x³))), with (1 + tanh u)/2 = sigmoid(2u). */
export const { op: geluTanh, gradient: geluTanhGrad } = fromInput(
  "geluTanh",
  "x * sigmoidOf(1.5957691216057308 * x * (1.0 + 0.044715 * x * x))",
  "dy * (gate + x * gate * (1.0 - gate) * 1.5957691216057308 * (1.0 + 0.134145 * x * x))",
  {
    ...plain,
    lib: sigmoidOf,
    lets: "let gate = sigmoidOf(1.5957691216057308 * x * (1.0 + 0.044715 * x * x));",
  },
);

/** x·sigmoid(x), also known as SiLU. */
export const { op: swish, gradient: swishGrad } = fromInput(
  "swish",
  "x * sigmoidOf(x)",
  "dy * gate * (1.0 + x * (1.0 - gate))",
  { ...plain, lib: sigmoidOf, lets: "let gate = sigmoidOf(x);" },
);

/** 2·arctan(tanh(x/2)); its derivative is 1/cosh(x). */
export const { op: gudermannian, gradient: gudermannianGrad } = fromInput(
  "gudermannian",
  "2.0 * arctanOf(tanh(clamp(0.5 * x, T(-10), T(10))))",
  "dy * 2.0 * fall / (1.0 + fall * fall)",
  { ...plain, lib: arctanOf, lets: "let fall = exp(-abs(x));" },
);

/** 1 from zero on, 0 below. */
export const { op: binaryStep, gradient: binaryStepGrad } = fromOutput(
  "binaryStep",
  "select(T(0), T(1), x >= T(0))",
  "T(0)",
  plain,
);

/** x itself: a place where an activation could stand. */
export const identity = defineOp({
  ...forward("identity", "x", undefined),
  grad: ({ dy }) => ({ x: dy }),
});

/** Every activation of one input, by name. */
export const activationOps = {
  relu,
  relu6,
  leakyRelu,
  elu,
  selu,
  sigmoid,
  tanh,
  arctan,
  softplus,
  gelu,
  geluTanh,
  swish,
  gudermannian,
  identity,
  binaryStep,
};

/** Their gradients: `dx` from `dy` and from `y` or `x`. */
export const activationGradOps = {
  reluGrad,
  relu6Grad,
  leakyReluGrad,
  eluGrad,
  seluGrad,
  sigmoidGrad,
  tanhGrad,
  arctanGrad,
  softplusGrad,
  geluGrad,
  geluTanhGrad,
  swishGrad,
  gudermannianGrad,
  binaryStepGrad,
};

import { elementwiseKernels } from "../../shaders/elementwise";
import { defineOp, float } from "../op";

// One step of an optimizer, as PyTorch defines it: parameter p, gradient g and the slots are overwritten in place. What
// changes from step to step comes as scalars. `l1` and `l2` add the gradient of an elastic-net penalty, `lrScale`
// multiplies the learning rate of one parameter.

const penalties = { weightDecay: float(0), l1: float(0), l2: float(0), lrScale: float(1) } as const;
const coupled = "let slope = g + l1 * sign(p) + (l2 + weightDecay) * p;";

/** p ← p − lr·(g + weightDecay·p) */
export const sgdUpdate = defineOp({
  name: "sgdUpdate",
  inputs: { p: "...", g: "...", lr: "" },
  outputs: { p: "..." },
  inPlace: { p: "p" },
  attrs: penalties,
  elementwise: { lets: coupled, out: { p: "p - lr * lrScale * slope" } },
  flops: ({ SIZE = 0 }) => 7 * SIZE,
  kernels: elementwiseKernels,
});

/**
 * m ← momentum·m + g, p ← p − lr·m; with `nesterov` 1, p ← p − lr·(g + momentum·m). With m = 0 before the first step
 * that step has m = g, as PyTorch's has.
 */
export const sgdMomentumUpdate = defineOp({
  name: "sgdMomentumUpdate",
  inputs: { p: "...", g: "...", m: "...", lr: "" },
  outputs: { p: "...", m: "..." },
  inPlace: { p: "p", m: "m" },
  attrs: { momentum: float(0.9), nesterov: 0, ...penalties },
  check: (_, { nesterov }) => (nesterov <= 1 ? undefined : `nesterov is ${nesterov}, expected 0 or 1`),
  elementwise: {
    lets: `${coupled}
  let velocity = momentum * m + slope;
  let direction = select(velocity, slope + momentum * velocity, nesterov == 1u);`,
    out: { p: "p - lr * lrScale * direction", m: "velocity" },
  },
  flops: ({ SIZE = 0 }) => 11 * SIZE,
  kernels: elementwiseKernels,
});

// 1 − β is an attribute rather than β: from an f32 β it would come out wrong by up to a hundred-thousandth.
const moments = `
  let first = m + (slope - m) * oneMinusBeta1;
  let second = v + (slope * slope - v) * oneMinusBeta2;
  let rate = lr * lrScale;
  let change = rate / correction1 * first / (sqrt(second) / sqrt(correction2) + eps);`;

const adamInputs = {
  p: "...",
  g: "...",
  m: "...",
  v: "...",
  lr: "",
  correction1: "",
  correction2: "",
} as const;
const adamAttrs = {
  oneMinusBeta1: float(0.1),
  oneMinusBeta2: float(0.001),
  eps: float(1e-8),
  ...penalties,
} as const;

/**
 * Adam (Kingma & Ba 2015) with weight decay in the gradient. m and v are the moving means of g and g²; `correction1`
 * and `correction2` are 1 − β₁ᵗ and 1 − β₂ᵗ at step t = 1, 2, …
 */
export const adamUpdate = defineOp({
  name: "adamUpdate",
  inputs: adamInputs,
  outputs: { p: "...", m: "...", v: "..." },
  inPlace: { p: "p", m: "m", v: "v" },
  attrs: adamAttrs,
  elementwise: {
    lets: coupled + moments,
    out: { p: "p - change", m: "first", v: "second" },
  },
  flops: ({ SIZE = 0 }) => 20 * SIZE,
  kernels: elementwiseKernels,
});

/** AdamW (Loshchilov & Hutter 2019): Adam, but p first shrinks by lr·weightDecay·p, outside the moments. */
export const adamWUpdate = defineOp({
  name: "adamWUpdate",
  inputs: adamInputs,
  outputs: { p: "...", m: "...", v: "..." },
  inPlace: { p: "p", m: "m", v: "v" },
  attrs: adamAttrs,
  elementwise: {
    lets: `let slope = g + l1 * sign(p) + l2 * p;${moments}`,
    out: { p: "p - rate * weightDecay * p - change", m: "first", v: "second" },
  },
  flops: ({ SIZE = 0 }) => 22 * SIZE,
  kernels: elementwiseKernels,
});

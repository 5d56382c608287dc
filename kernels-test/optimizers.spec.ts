import { adamUpdate, adamWUpdate, sgdMomentumUpdate, sgdUpdate } from "../src/ops/optimizers";
import { weights } from "./bench-shapes";
import { type CaseSizes, spec, type Values } from "./spec";

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;
const positive = { range: [0.1, 1] } as const;
const penalties = { weightDecay: 0.1, l1: 0.02, l2: 0.3, lrScale: 0.5 } as const;

const slopes = (
  { p, g }: { readonly p: Values; readonly g: Values },
  sizes: CaseSizes,
  decay = 0,
): Values => {
  const { l1 = 0, l2 = 0 } = sizes;
  return g.map((v, i) => v + l1 * Math.sign(at(p, i)) + (l2 + decay) * at(p, i));
};

const aLayer = "a large layer's parameters";

export const sgdUpdateSpec = spec(sgdUpdate, {
  bench: [{ why: aLayer, p: weights, g: weights, lr: [] }],
  tolerance: "transcendental",
  inputs: { lr: positive },
  reference: ({ p, g, lr }, sizes) => {
    const d = slopes({ p, g }, sizes, sizes.weightDecay);
    return { p: p.map((v, i) => v - at(lr, 0) * (sizes.lrScale ?? 1) * at(d, i)) };
  },
  cases: [
    { why: "plain, odd", p: [3, 5, 7], g: [3, 5, 7], lr: [] },
    { why: "all penalties, in fours", p: [5, 8], g: [5, 8], lr: [], ...penalties },
  ],
});

export const sgdMomentumUpdateSpec = spec(sgdMomentumUpdate, {
  bench: [{ why: aLayer, p: weights, g: weights, m: weights, lr: [] }],
  tolerance: "transcendental",
  inputs: { lr: positive },
  reference: ({ p, g, m, lr }, sizes) => {
    const { momentum = 0, nesterov, weightDecay, lrScale = 1 } = sizes;
    const d = slopes({ p, g }, sizes, weightDecay);
    const next = m.map((v, i) => momentum * v + at(d, i));
    const step = nesterov === 1 ? d.map((v, i) => v + momentum * at(next, i)) : next;
    return { p: p.map((v, i) => v - at(lr, 0) * lrScale * at(step, i)), m: next };
  },
  cases: [
    { why: "plain, odd", p: [3, 5, 7], g: [3, 5, 7], m: [3, 5, 7], lr: [] },
    { why: "Nesterov, all penalties", p: [5, 8], g: [5, 8], m: [5, 8], lr: [], nesterov: 1, ...penalties },
    {
      why: "heavy ball, all penalties",
      p: [4, 4],
      g: [4, 4],
      m: [4, 4],
      lr: [],
      momentum: 0.5,
      ...penalties,
    },
  ],
  rejects: [
    {
      p: [2],
      g: [2],
      m: [2],
      lr: [],
      nesterov: 2,
      error: /^sgdMomentumUpdate: nesterov is 2, expected 0 or 1/,
    },
    {
      p: [2],
      g: [3],
      m: [2],
      lr: [],
      error: /^sgdMomentumUpdate: leading axes are \[2\] in p but \[3\] in g/,
    },
  ],
});

type Adam = Readonly<Record<"p" | "g" | "m" | "v" | "lr" | "correction1" | "correction2", Values>>;
const adam = (inputs: Adam, sizes: CaseSizes, decoupled: boolean) => {
  const { p, m, v, lr, correction1, correction2 } = inputs;
  const { oneMinusBeta1 = 0, oneMinusBeta2 = 0, eps = 0, weightDecay = 0, lrScale = 1 } = sizes;
  const d = slopes(inputs, sizes, decoupled ? 0 : weightDecay);
  const rate = at(lr, 0) * lrScale;
  const first = m.map((x, i) => (1 - oneMinusBeta1) * x + oneMinusBeta1 * at(d, i));
  const second = v.map((x, i) => (1 - oneMinusBeta2) * x + oneMinusBeta2 * at(d, i) ** 2);
  const next = p.map((x, i) => {
    const kept = decoupled ? x - rate * weightDecay * x : x;
    const spread = Math.sqrt(at(second, i) / at(correction2, 0)) + eps;
    return kept - (rate * (at(first, i) / at(correction1, 0))) / spread;
  });
  return { p: next, m: first, v: second };
};
const adamInputs = { v: positive, lr: positive, correction1: positive, correction2: positive } as const;
const shapes = (shape: readonly number[]) =>
  ({ p: shape, g: shape, m: shape, v: shape, lr: [], correction1: [], correction2: [] }) as const;

export const adamUpdateSpec = spec(adamUpdate, {
  bench: [{ why: aLayer, ...shapes(weights) }],
  tolerance: "transcendental",
  inputs: adamInputs,
  reference: (inputs, sizes) => adam(inputs, sizes, false),
  cases: [
    { why: "plain, odd", ...shapes([3, 5, 7]) },
    { why: "all penalties, in fours", ...shapes([5, 8]), ...penalties, oneMinusBeta1: 0.5, eps: 0.01 },
  ],
});

export const adamWUpdateSpec = spec(adamWUpdate, {
  bench: [{ why: aLayer, ...shapes(weights) }],
  tolerance: "transcendental",
  inputs: adamInputs,
  reference: (inputs, sizes) => adam(inputs, sizes, true),
  cases: [
    { why: "plain, odd", ...shapes([3, 5, 7]) },
    { why: "all penalties, in fours", ...shapes([5, 8]), ...penalties, oneMinusBeta2: 0.02, eps: 0.01 },
  ],
});

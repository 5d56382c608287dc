import { logSoftmax, logSoftmaxGrad, softmax, softmaxGrad } from "../src/ops/softmax";
import { logits } from "./bench-shapes";
import { spec } from "./spec";

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;
/** Applies `map` to every row of the last axis. */
const rows = (C: number, count: number, map: (first: number) => ArrayLike<number>): Float64Array => {
  const y = new Float64Array(count);
  for (let first = 0; first < count; first += C) y.set(map(first), first);
  return y;
};
const logSumExp = (row: Float64Array): number => {
  const top = Math.max(...row);
  return top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0));
};
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, v, i) => sum + v * at(b, i), 0);

const inputs = { x: { range: [-30, 30] } } as const;
const cases = [
  { why: "short rows", x: [3, 7, 10] },
  { why: "rows longer than a workgroup", x: [5, 301] },
  { why: "one class", x: [4, 1] },
  { why: "a vector", x: [6] },
] as const;
const gradCases = [
  { why: "short rows", y: [3, 7, 10], dy: [3, 7, 10] },
  { why: "rows longer than a workgroup", y: [5, 301], dy: [5, 301] },
] as const;

export default spec(softmax, {
  tolerance: "transcendental",
  inputs,
  reference: ({ x }, { C }) => ({
    y: rows(C, x.length, (first) => {
      const row = x.slice(first, first + C);
      const total = logSumExp(row);
      return row.map((v) => Math.exp(v - total));
    }),
  }),
  cases,
  bench: [{ why: "ImageNet's classes", x: logits }],
});

export const logSoftmaxSpec = spec(logSoftmax, {
  tolerance: "transcendental",
  inputs,
  reference: ({ x }, { C }) => ({
    y: rows(C, x.length, (first) => {
      const row = x.slice(first, first + C);
      const total = logSumExp(row);
      return row.map((v) => v - total);
    }),
  }),
  cases,
  bench: [{ why: "ImageNet's classes", x: logits }],
});

export const softmaxGradSpec = spec(softmaxGrad, {
  tolerance: "statistics",
  inputs: { y: { range: [0, 0.2] } },
  reference: ({ y, dy }, { C }) => ({
    dx: rows(C, y.length, (first) => {
      const [p, g] = [y.slice(first, first + C), dy.slice(first, first + C)];
      const sum = dot(p, g);
      return p.map((v, c) => v * (at(g, c) - sum));
    }),
  }),
  cases: gradCases,
  bench: [{ why: "ImageNet's classes", y: logits, dy: logits }],
});

export const logSoftmaxGradSpec = spec(logSoftmaxGrad, {
  tolerance: "statistics",
  inputs: { y: { range: [-9, -1] } },
  reference: ({ y, dy }, { C }) => ({
    dx: rows(C, y.length, (first) => {
      const g = dy.slice(first, first + C);
      const sum = g.reduce((a, b) => a + b, 0);
      return g.map((v, c) => v - Math.exp(at(y, first + c)) * sum);
    }),
  }),
  cases: gradCases,
  bench: [{ why: "ImageNet's classes", y: logits, dy: logits }],
});

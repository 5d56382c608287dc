import { meanSquaredError, meanSquaredErrorGrad } from "../src/ops/mean-squared-error";
import { images, logits } from "./bench-shapes";
import { spec } from "./spec";

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;

export default spec(meanSquaredError, {
  bench: [{ why: "as many values as ImageNet has classes", x: logits, wanted: logits }],
  tolerance: "statistics",
  reference: ({ x, wanted }, { N, K }) => {
    const loss = new Float64Array(N);
    x.forEach((v, i) => {
      loss[Math.floor(i / K)] = at(loss, Math.floor(i / K)) + (v - at(wanted, i)) ** 2 / K;
    });
    return { loss };
  },
  cases: [
    { why: "odd", x: [5, 7], wanted: [5, 7] },
    { why: "several workgroups", x: [37, 4], wanted: [37, 4] },
  ],
  rejects: [{ x: [2, 3], wanted: [2, 4], error: /^meanSquaredError: K is 3 in x but 4 in wanted/ }],
});

export const meanSquaredErrorGradSpec = spec(meanSquaredErrorGrad, {
  bench: [{ why: "as many values as ImageNet has classes", x: logits, wanted: logits, dloss: images }],
  tolerance: "statistics",
  reference: ({ x, wanted, dloss }, { K }) => ({
    dx: x.map((v, i) => ((2 * (v - at(wanted, i))) / K) * at(dloss, Math.floor(i / K))),
  }),
  cases: [
    { why: "odd", x: [5, 7], wanted: [5, 7], dloss: [5] },
    { why: "several workgroups", x: [37, 4], wanted: [37, 4], dloss: [37] },
  ],
});

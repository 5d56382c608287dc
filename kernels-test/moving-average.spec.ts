import { movingAverage } from "../src/ops/moving-average";
import { spec } from "./spec";

export default spec(movingAverage, {
  tolerance: "statistics",
  reference: ({ average, value }, { momentum = 0 }) => ({
    average: average.map((v, i) => (1 - momentum) * v + momentum * (value[i] ?? Number.NaN)),
  }),
  cases: [
    { why: "channels in fours", average: [8], value: [8] },
    { why: "another momentum, odd channels", average: [5], value: [5], momentum: 0.7 },
  ],
  rejects: [{ average: [4], value: [5], error: /^movingAverage: .*\[4\].*\[5\]/ }],
});

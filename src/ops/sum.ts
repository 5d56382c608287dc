import { elementwiseKernels } from "../../shaders/elementwise";
import { sumPartsKernels, sumSlicesKernels, sumTotalKernels } from "../../shaders/sum";
import type { Lowering } from "../kernel";
import { defineOp, float, int } from "../op";
import { sizeOf, type Tensor } from "../tensor";
import { reshape } from "./reshape";

/** Values that one thread or workgroup sums without a stage before. */
const oneStage = 1024;
/** Partial sums that keep a GPU busy. */
const mostParts = 4096;

/** Partial sums, then their sum; the outermost axis stays, so that the planner can cut it. */
const parts: Lowering = {
  name: "parts",
  lower: ({ x }, _, { by = 1 }) => {
    const { shape } = x as Tensor;
    const count = sizeOf(shape);
    if (count <= oneStage) return sumTotal({ x: reshape(x as Tensor, [count]), by });
    const outer = count / (shape[0] ?? 1) >= 64 ? (shape[0] ?? 1) : 1;
    const length = count / outer;
    const J = Math.max(1, Math.min(Math.floor(length / 16), Math.ceil(mostParts / outer)));
    const { y } = sumParts({ x: reshape(x as Tensor, [outer, length]), J });
    return sumTotal({ x: reshape(y, [outer * J]), by });
  },
};

/** The sum of all values, times `by`. */
export const sum = defineOp({
  name: "sum",
  inputs: { x: "..." },
  outputs: { y: "" },
  attrs: { by: float(1) },
  grad: ({ x, dy }, { by }) => ({ x: reshape(spread({ x: dy, M: sizeOf(x.shape), by }).y, x.shape) }),
  kernels: [parts],
});

/** J sums a row, each of every J-th value or group of four. */
export const sumParts = defineOp({
  name: "sumParts",
  inputs: { x: "N L" },
  outputs: { y: "N J" },
  attrs: { J: int },
  flops: ({ N = 0, L = 0 }) => N * L,
  kernels: sumPartsKernels,
});

/** The sum of a few values, times `by`. */
export const sumTotal = defineOp({
  name: "sumTotal",
  inputs: { x: "M" },
  outputs: { y: "" },
  attrs: { by: float(1) },
  flops: ({ M = 0 }) => M,
  kernels: sumTotalKernels,
});

/** Sum over the outermost axis, of partial sums that another kernel made. */
export const sumSlices = defineOp({
  name: "sumSlices",
  inputs: { x: "Z M C : f32" },
  outputs: { y: "M C" },
  sumOver: "Z",
  flops: ({ Z = 0, M = 0, C = 0 }) => Z * M * C,
  kernels: sumSlicesKernels,
});

/** M copies of a number times `by`. */
export const spread = defineOp({
  name: "spread",
  inputs: { x: "" },
  outputs: { y: "M" },
  attrs: { M: int, by: float(1) },
  elementwise: { out: { y: "x * by" } },
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});

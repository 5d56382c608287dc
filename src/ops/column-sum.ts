import { columnPartsKernels, columnTotalKernels } from "../../shaders/column-sum";
import type { Lowering } from "../kernel";
import { defineOp, int } from "../op";
import { sizeOf, type Tensor } from "../tensor";
import { reshape } from "./reshape";

/** Rows that one partial sum takes at least: below, a second stage costs more than it saves. */
const fewestRows = 64;
/** Partial sums that keep a GPU busy without costing memory traffic. */
const mostParts = 1024;

/** Sums of blocks of rows, then their sum; the outermost axis stays one, so that the planner can cut it. */
const blocks: Lowering = {
  name: "blocks",
  lower: ({ x }) => {
    const { shape } = x as Tensor;
    const channels = shape.at(-1) ?? 1;
    const rows = sizeOf(shape) / channels;
    if (rows < 2 * fewestRows) return columnTotal({ x: reshape(x as Tensor, [rows, channels]) });
    const outer = shape.length > 2 && rows / (shape[0] ?? 1) >= fewestRows ? (shape[0] ?? 1) : 1;
    const length = rows / outer;
    const perPart = Math.max(fewestRows, Math.ceil(rows / mostParts));
    const parts = columnParts({ x: reshape(x as Tensor, [outer, length, channels]), rows: perPart }).y;
    return columnTotal({ x: reshape(parts, [sizeOf(parts.shape) / channels, channels]) });
  },
};

/** Sum over all axes but the last: the gradient of what was added to every row. */
export const columnSum = defineOp({
  name: "columnSum",
  inputs: { x: "... C" },
  outputs: { y: "C" },
  kernels: [blocks],
});

/** Sums of blocks of `rows` rows. */
export const columnParts = defineOp({
  name: "columnParts",
  inputs: { x: "N L C" },
  outputs: { y: "N J C" },
  attrs: { rows: int },
  check: (_, { rows }) => (rows < 1 ? `rows is ${rows}, expected at least 1` : undefined),
  dims: ({ L }, { rows }) => ({ J: Math.ceil(L / rows) }),
  flops: ({ N = 0, L = 0, C = 0 }) => N * L * C,
  kernels: columnPartsKernels,
});

/** Sum of a few rows. */
export const columnTotal = defineOp({
  name: "columnTotal",
  inputs: { x: "M C" },
  outputs: { y: "C" },
  sumOver: "M",
  flops: ({ M = 0, C = 0 }) => M * C,
  kernels: columnTotalKernels,
});

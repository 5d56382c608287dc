import type { KernelContext } from "../kernel";
import { type Shape, sizeOf, type Tensor } from "../tensor";
import { reshape } from "./reshape";
import { sumSlices } from "./sum";

/** Workgroups that keep a software adapter busy. */
const busy = 8;
/**
 * Of the largest tiles those that a large GPU runs at once, two on each of an H100's 132 cores: a few more would take twice
 * the time. Of smaller ones so many that a few more do not matter.
 */
const tilesOnGpu = { 128: 256, 64: 1024 } as const;
/** Positions that a slice has at least: below, summing the slices costs more than they save. */
const fewestPositions = { gpu: 256, software: 64 } as const;

/** How many slices a long sum is to be made in: one where the tiles of its results keep the adapter busy by themselves. */
export function slicesFor(
  rows: number,
  columns: number,
  products: number,
  length: number,
  { adapterClass, subgroupSize = 8, limits }: KernelContext,
): number {
  const large = Math.min(rows, columns) >= 96 ? 128 : 64;
  const tile = adapterClass === "gpu" ? large : 4 * subgroupSize;
  const tiles = Math.ceil(rows / tile) * Math.ceil(columns / tile) * products;
  const most = Math.min(
    Math.floor(length / fewestPositions[adapterClass]),
    Math.floor(limits.maxStorageBufferBindingSize / (4 * rows * columns * products)),
  );
  const wanted = adapterClass === "gpu" ? Math.floor(tilesOnGpu[large] / tiles) : Math.ceil(busy / tiles);
  return Math.max(1, Math.min(wanted, most));
}

/** A gradient of the shape given from its parts, which lie one behind the other and are added up in order. */
export function sumOfParts(parts: Tensor, shape: Shape): Tensor {
  const size = sizeOf(shape);
  const last = shape.at(-1) ?? 1;
  const Z = sizeOf(parts.shape) / size;
  const sum = Z === 1 ? parts : sumSlices({ x: reshape(parts, [Z, size / last, last]) }).y;
  return reshape(sum, shape);
}

import { concatKernels, sliceGradKernels, sliceKernels } from "../../shaders/concat";
import { type DefinedOp, defineOp, int } from "../op";

type NoAttrs = Record<never, never>;
const sliceAttrs = { start: 0, count: int } as const;
const sliceGradAttrs = { start: 0, C: int } as const;

/** Two tensors side by side along the last axis. */
export const concat2: DefinedOp<{ a: "... A"; b: "... B" }, { y: "... C" }, NoAttrs> = defineOp({
  name: "concat2",
  inputs: { a: "... A", b: "... B" },
  outputs: { y: "... C" },
  dims: ({ A, B }) => ({ C: A + B }),
  grad: ({ dy }, _, { A, B }) => ({
    a: slice({ x: dy, count: A }).y,
    b: slice({ x: dy, start: A, count: B }).y,
  }),
  kernels: concatKernels(2),
});

/** Three tensors side by side along the last axis. */
export const concat3: DefinedOp<{ a: "... A"; b: "... B"; c: "... D" }, { y: "... C" }, NoAttrs> = defineOp({
  name: "concat3",
  inputs: { a: "... A", b: "... B", c: "... D" },
  outputs: { y: "... C" },
  dims: ({ A, B, D }) => ({ C: A + B + D }),
  grad: ({ dy }, _, { A, B, D }) => ({
    a: slice({ x: dy, count: A }).y,
    b: slice({ x: dy, start: A, count: B }).y,
    c: slice({ x: dy, start: A + B, count: D }).y,
  }),
  kernels: concatKernels(3),
});

/** Four tensors side by side along the last axis. */
export const concat4: DefinedOp<{ a: "... A"; b: "... B"; c: "... D"; d: "... E" }, { y: "... C" }, NoAttrs> =
  defineOp({
    name: "concat4",
    inputs: { a: "... A", b: "... B", c: "... D", d: "... E" },
    outputs: { y: "... C" },
    dims: ({ A, B, D, E }) => ({ C: A + B + D + E }),
    grad: ({ dy }, _, { A, B, D, E }) => ({
      a: slice({ x: dy, count: A }).y,
      b: slice({ x: dy, start: A, count: B }).y,
      c: slice({ x: dy, start: A + B, count: D }).y,
      d: slice({ x: dy, start: A + B + D, count: E }).y,
    }),
    kernels: concatKernels(4),
  });

/** `count` channels of the last axis, beginning with channel `start`. */
export const slice: DefinedOp<{ x: "... C" }, { y: "... count" }, typeof sliceAttrs> = defineOp({
  name: "slice",
  inputs: { x: "... C" },
  outputs: { y: "... count" },
  attrs: sliceAttrs,
  check: ({ C, count }, { start }) => outside(start, count, C),
  grad: ({ dy }, { start }, { C }) => ({ x: sliceGrad({ dy, start, C }).dx }),
  kernels: sliceKernels,
});

/** Gradient of `slice`: zeros around dy. */
export const sliceGrad: DefinedOp<{ dy: "... count" }, { dx: "... C" }, typeof sliceGradAttrs> = defineOp({
  name: "sliceGrad",
  inputs: { dy: "... count" },
  outputs: { dx: "... C" },
  attrs: sliceGradAttrs,
  check: ({ C, count }, { start }) => outside(start, count, C),
  grad: ({ ddx }, { start }, { count }) => ({ dy: slice({ x: ddx, start, count }).y }),
  kernels: sliceGradKernels,
});

const outside = (start: number, count: number, channels: number): string | undefined => {
  if (count < 1) return `count is ${count}, expected at least 1`;
  return start + count <= channels
    ? undefined
    : `channels ${start} to ${start + count - 1} of only ${channels}`;
};

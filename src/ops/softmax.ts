import {
  logSoftmaxGradKernels,
  logSoftmaxKernels,
  softmaxGradKernels,
  softmaxKernels,
} from "../../shaders/softmax";
import { defineOp } from "../op";

const flops = ({ SIZE = 0 }) => 4 * SIZE;

/** y = e^x / Σe^x over the last axis. */
export const softmax = defineOp({
  name: "softmax",
  inputs: { x: "... C" },
  outputs: { y: "... C" },
  grad: ({ y, dy }) => ({ x: softmaxGrad({ y, dy }).dx }),
  flops,
  kernels: softmaxKernels,
});

/** dx = y·(dy − Σ dy·y) */
export const softmaxGrad = defineOp({
  name: "softmaxGrad",
  inputs: { y: "... C", dy: "... C" },
  outputs: { dx: "... C" },
  flops,
  kernels: softmaxGradKernels,
});

/** y = x − log Σe^x over the last axis. */
export const logSoftmax = defineOp({
  name: "logSoftmax",
  inputs: { x: "... C" },
  outputs: { y: "... C" },
  grad: ({ y, dy }) => ({ x: logSoftmaxGrad({ y, dy }).dx }),
  flops,
  kernels: logSoftmaxKernels,
});

/** dx = dy − e^y·Σdy */
export const logSoftmaxGrad = defineOp({
  name: "logSoftmaxGrad",
  inputs: { y: "... C", dy: "... C" },
  outputs: { dx: "... C" },
  flops,
  kernels: logSoftmaxGradKernels,
});

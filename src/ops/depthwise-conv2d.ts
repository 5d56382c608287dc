import { depthwiseConv2dGradXKernels, depthwiseConv2dKernels } from "../../shaders/depthwise-conv2d";
import { depthwiseConv2dGradWPartialsKernels } from "../../shaders/depthwise-conv2d-grad-w";
import type { Lowering } from "../kernel";
import { type DefinedOp, defineOp, int, pair } from "../op";
import type { Tensor } from "../tensor";
import { checkWindows as check, convolvedSizes } from "./conv-windows";
import { sumOfParts } from "./slices";

const attrs = { stride: pair(1), pad: pair(0), dilation: pair(1) } as const;
const gradXAttrs = { H: int, W: int, ...attrs } as const;
const gradWAttrs = { R: int, S: int, ...attrs } as const;
const flops = ({ N = 0, P = 0, Q = 0, R = 0, S = 0, C = 0 }) => 2 * N * P * Q * R * S * C;

/** Convolution of every channel with its own kernel: y[n,p,q,c] = Σ x[n,p·stride+r·dilation−pad,…,c]·w[r,s,c]. */
export const depthwiseConv2d: DefinedOp<{ x: "N H W C"; w: "R S C" }, { y: "N P Q C" }, typeof attrs> =
  defineOp({
    name: "depthwiseConv2d",
    inputs: { x: "N H W C", w: "R S C" },
    outputs: { y: "N P Q C" },
    attrs,
    dims: convolvedSizes,
    check,
    grad: ({ x, w, dy }, own, { H, W, R, S }) => ({
      x: depthwiseConv2dGradX({ dy, w, H, W, ...own }).dx,
      w: depthwiseConv2dGradW({ dy, x, R, S, ...own }).dw,
    }),
    flops,
    kernels: depthwiseConv2dKernels,
  });

/** Gradient of the input: dx[n,h,w,c] = Σ dy[n,p,q,c]·w[r,s,c] where p·stride+r·dilation−pad = h. */
export const depthwiseConv2dGradX: DefinedOp<
  { dy: "N P Q C"; w: "R S C" },
  { dx: "N H W C" },
  typeof gradXAttrs
> = defineOp({
  name: "depthwiseConv2dGradX",
  inputs: { dy: "N P Q C", w: "R S C" },
  outputs: { dx: "N H W C" },
  attrs: gradXAttrs,
  check,
  // It is linear in both: the adjoints are the convolution itself and the weights' gradient.
  grad: ({ dy, w, ddx }, { H: _H, W: _W, ...own }, { R, S }) => ({
    dy: depthwiseConv2d({ x: ddx, w, ...own }).y,
    w: depthwiseConv2dGradW({ dy, x: ddx, R, S, ...own }).dw,
  }),
  flops,
  kernels: depthwiseConv2dGradXKernels,
});

/** Sums over bands of rows, then over the bands: long sums in a fixed order. */
const twoStages: Lowering = {
  name: "twoStages",
  lower: (inputs, { stride, pad, dilation }, sizes, { adapterClass }) => {
    const { dy, x } = inputs as Record<"dy" | "x", Tensor>;
    const { N = 1, P = 1, C = 1, R = 1, S = 1 } = sizes;
    // Enough bands to keep the adapter busy; a high one loads fewer rows twice and leaves fewer partial sums. On a GPU a
    // workgroup takes one, for 32 channels.
    const wanted = adapterClass === "gpu" ? 1024 / Math.ceil(C / 32) : 1024 / C;
    const bands = Math.max(1, Math.min(P, Math.ceil(wanted / N)));
    const rows = Math.ceil(P / bands);
    const { parts } = depthwiseConv2dGradWPartials.apply({ dy, x, R, S, rows, stride, pad, dilation });
    return { dw: sumOfParts(parts as Tensor, [R, S, C]) };
  },
};

/** Gradient of the weights: dw[r,s,c] = Σ dy[n,p,q,c]·x[n,p·stride+r·dilation−pad,…,c]. */
export const depthwiseConv2dGradW: DefinedOp<
  { dy: "N P Q C"; x: "N H W C" },
  { dw: "R S C" },
  typeof gradWAttrs
> = defineOp({
  name: "depthwiseConv2dGradW",
  inputs: { dy: "N P Q C", x: "N H W C" },
  outputs: { dw: "R S C" },
  attrs: gradWAttrs,
  check,
  grad: ({ dy, x, ddw }, { R: _R, S: _S, ...own }, { H, W }) => ({
    dy: depthwiseConv2d({ x, w: ddw, ...own }).y,
    x: depthwiseConv2dGradX({ dy, w: ddw, H, W, ...own }).dx,
  }),
  flops,
  kernels: [twoStages],
});

/** The weights' gradient summed over bands of `rows` rows of dy. */
export const depthwiseConv2dGradWPartials = defineOp({
  name: "depthwiseConv2dGradWPartials",
  inputs: { dy: "N P Q C", x: "N H W C" },
  outputs: { parts: "N J R S C : f32" },
  attrs: { rows: int, ...gradWAttrs },
  dims: ({ P }, { rows }) => ({ J: Math.ceil(P / rows) }),
  check,
  flops,
  kernels: depthwiseConv2dGradWPartialsKernels,
});

import * as ops from "../ops/activations";
import { prelu as preluOp } from "../ops/prelu";
import type { Tensor } from "../tensor";
import { constantInit } from "./initializers";
import { type Layer, layer } from "./layer";

type Activation = (args: { readonly x: Tensor }) => { readonly y: Tensor };

/** A layer of an op that maps each element by itself. */
const activation = (kind: string, op: Activation) => (): Layer => layer(kind, (x) => op({ x }).y);

/** max(x, 0) */
export const relu = activation("relu", ops.relu);
/** min(max(x, 0), 6), MobileNet's. */
export const relu6 = activation("relu6", ops.relu6);
/** 1 / (1 + e^−x) */
export const sigmoid = activation("sigmoid", ops.sigmoid);
/** Hyperbolic tangent. */
export const tanh = activation("tanh", ops.tanh);
/** Inverse tangent. */
export const arctan = activation("arctan", ops.arctan);
/** log(1 + e^x) */
export const softplus = activation("softplus", ops.softplus);
/** x·Φ(x), Φ the normal distribution (Hendrycks & Gimpel 2016). */
export const gelu = activation("gelu", ops.gelu);
/** x·sigmoid(x) (Ramachandran et al. 2017). */
export const swish = activation("swish", ops.swish);
/** Scaled exponential linear unit (Klambauer et al. 2017). */
export const selu = activation("selu", ops.selu);
/** gd(x) = 2·arctan(tanh(x/2)) */
export const gudermannian = activation("gudermannian", ops.gudermannian);
/** 1 above zero, else 0; its gradient is zero. */
export const binaryStep = activation("binary step", ops.binaryStep);
/** x itself. */
export const identity = (): Layer => layer("identity", (x) => x);
/** x above zero, alpha·x below. */
export const leakyRelu = (alpha = 0.01): Layer =>
  layer(`leaky relu ${alpha}`, (x) => ops.leakyRelu({ x, alpha }).y);
/** x above zero, alpha·(e^x − 1) below (Clevert et al. 2015). */
export const elu = (alpha = 1): Layer => layer(`elu ${alpha}`, (x) => ops.elu({ x, alpha }).y);
/** Leaky ReLU whose slope each channel learns (He et al. 2015); parameter `weight`, 0.25 at the start as in PyTorch. */
export const prelu = (): Layer =>
  layer(
    "prelu",
    (x, scope) => preluOp({ x, alpha: scope.param("weight", [x.shape.at(-1) ?? 1], constantInit(0.25)) }).y,
  );

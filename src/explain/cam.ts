import { declareModel, type Model } from "../nn/model";
import { matmul } from "../ops/matmul";
import { input, inScope, type Tensor } from "../tensor";
import { type ClassMapGraph, ClassMaps, type ExplainOptions } from "./class-maps";

/**
 * Zhou et al. 2016, "Learning deep features for discriminative localization", equation 2: where the logits are a linear
 * layer w of the mean over height and width of A, the map of a class k is Σ_c w[k, c] · A[h, w, c].
 *
 * @throws RangeError for a network that does not end in global average pooling
 */
export function camGraph(
  model: Model,
  { batch = 1, inputSize }: Omit<ExplainOptions, "device" | "state"> = {},
): ClassMapGraph {
  const { logits, trace } = declareModel(model, batch, { inputSize });
  const marks = input("class", logits.shape);
  const head = linearHead(logits);
  const features = pooled(head?.x ?? logits);
  if (features === undefined)
    throw new RangeError(
      `${model.name}: it does not end in global average pooling and at most one linear layer; use Grad-CAM`,
    );
  const layer = trace.layers.findLast(({ output }) => output === features)?.path ?? features.node.layer;
  // Without a linear layer the pooled channels are the logits themselves.
  const weights =
    head === undefined ? marks : inScope(layer, "forward", () => matmul({ a: marks, b: head.w }).y);
  return { model, logits, layer, features, weights, positive: false };
}

/** Input and weights [K, C] of the linear layer that the tensor comes out of. */
function linearHead(t: Tensor): { readonly x: Tensor; readonly w: Tensor } | undefined {
  const { node } = t;
  if (node.kind !== "op") return undefined;
  if (node.op.name === "biasAdd" && node.inputs.x !== undefined) return linearHead(node.inputs.x);
  const { a, b } = node.inputs;
  return node.op.name === "matmulNT" && a !== undefined && b?.node.kind === "variable"
    ? { x: a, w: b }
    : undefined;
}

/** What the tensor is the mean over height and width of. */
function pooled(t: Tensor): Tensor | undefined {
  const { node } = t;
  if (node.kind !== "op") return undefined;
  const { op, sizes, inputs } = node;
  const { x } = inputs;
  if (x === undefined) return undefined;
  if (op.view) return pooled(x);
  const isGlobal = op.name === "adaptiveAvgPool" && sizes.P === 1 && sizes.Q === 1;
  return op.name === "globalAvgPool" || isGlobal ? x : undefined;
}

/**
 * Compiles class activation mapping (Zhou et al. 2016) for a network that ends in global average pooling and at most
 * one linear layer, such as ResNet, GoogLeNet or MobileNet: forward only, no gradients.
 *
 * @returns heat maps [H', W'] in the resolution of the last features, negative where they speak against the class
 * @throws RangeError for a network that ends otherwise; OutOfMemoryError
 * @example
 * const cam = await compileCam(net, { device, state: network.state });
 * const { maps } = await cam.run({ image }, [7]);
 */
export const compileCam = (model: Model, options: ExplainOptions): Promise<ClassMaps> =>
  ClassMaps.compile(camGraph(model, options), options);

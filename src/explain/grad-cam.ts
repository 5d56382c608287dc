import { gradients } from "../autodiff";
import { declareModel, type Model } from "../nn/model";
import { globalAvgPool } from "../ops/global-avg-pool";
import { input, inScope } from "../tensor";
import { type ClassMapGraph, ClassMaps, type ExplainOptions } from "./class-maps";
import { featureLayer } from "./feature-layer";

export interface GradCamOptions extends ExplainOptions {
  /** Path of a layer with an output [N, H', W', C]; the last convolution with its activation if not given. */
  readonly layer?: string | undefined;
}

/**
 * Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2: with A the output of a layer and s the logit of a class,
 * α_c = mean over h, w of ∂s/∂A[h, w, c], and the map is ReLU(Σ_c α_c · A[h, w, c]).
 */
export function gradCamGraph(
  model: Model,
  { batch = 1, inputSize, layer }: Omit<GradCamOptions, "device" | "state"> = {},
): ClassMapGraph {
  const declared = declareModel(model, batch, { inputSize });
  const { path, output: features } = featureLayer(model, declared, layer);
  const { logits } = declared;
  // A one-hot row as the gradient of the logits: the class is chosen at each run, not when compiling.
  const [gradient] = gradients(logits, [features], input("class", logits.shape));
  if (gradient === undefined) throw new Error(`${model.name}: ${path} has no gradient`);
  const weights = inScope(path, "backward", () => globalAvgPool({ x: gradient }).y);
  return { model, logits, layer: path, features, weights, positive: true };
}

/**
 * Compiles Grad-CAM for a network: where in an image it sees a class (Selvaraju et al. 2017). Works for every
 * architecture that is differentiable from the logits down to the layer.
 *
 * @returns heat maps [H', W'] in the resolution of the layer, at least 0, not normalised
 * @throws RangeError for a layer that is not there or gives no map of features; OutOfMemoryError
 * @example
 * const gradCam = await compileGradCam(net, { device, state: network.state });
 * const { maps, classes } = await gradCam.run({ image });
 * const { row, column } = peakOf(resizeHeatMap(maps[0], [224, 224]));
 */
export const compileGradCam = (model: Model, options: GradCamOptions): Promise<ClassMaps> =>
  ClassMaps.compile(gradCamGraph(model, options), options);

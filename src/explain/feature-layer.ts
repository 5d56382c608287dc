import { ancestors } from "../autodiff";
import type { LayerRecord } from "../nn/layer";
import type { DeclaredModel, Model } from "../nn/model";
import type { Tensor } from "../tensor";

/** Whether a layer's output is an image of features, [N, H, W, C] of more than one place. */
const isMap = ({ output: { shape } }: LayerRecord): boolean =>
  shape.length === 4 && (shape[1] ?? 1) * (shape[2] ?? 1) > 1;

/**
 * The layer whose output a heat map is made of: that of a name, or else the last convolution's features as the rest of
 * the network sees them, behind its norm, activation, sum or concatenation and before any pooling. In VGG-16 that is the
 * ReLU of conv5_3, in ResNet the last block, in GoogLeNet inception5b.
 *
 * @throws RangeError for a name that is no layer with an image of features, listing the last of those that there are
 */
export function featureLayer(model: Model, declared: DeclaredModel, name?: string): LayerRecord {
  const { layers } = declared.trace;
  const maps = layers.filter(isMap);
  if (name !== undefined) {
    const found = maps.findLast(({ path }) => path === name);
    if (found !== undefined && dependsOn(declared.logits, found.output)) return found;
    const other = layers.findLast(({ path }) => path === name);
    const what =
      other === undefined ? `there is no layer ${name}` : `the layer ${name} gives no map of features`;
    const names = [...new Set(maps.map(({ path }) => path))];
    throw new RangeError(
      `${model.name}: ${what}; the last that do are ${names.slice(-8).join(", ") || "none"}`,
    );
  }
  const last = maps.findLast(
    ({ kind, output }) => !/pool|dropout/.test(kind) && everythingPasses(declared, output),
  );
  if (last === undefined)
    throw new RangeError(`${model.name}: there is no map of features that the whole network passes through`);
  return last;
}

const dependsOn = (t: Tensor, on: Tensor): boolean => ancestors([t]).includes(on.node);

/** Whether every way from the image to the logits goes through a tensor. */
function everythingPasses({ image, logits }: DeclaredModel, t: Tensor): boolean {
  const seen = new Set([t.node]);
  const stack = [logits.node];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node === image.node) return false;
    if (seen.has(node)) continue;
    seen.add(node);
    if (node.kind === "op") for (const { node: next } of Object.values(node.inputs)) stack.push(next);
  }
  return dependsOn(logits, t);
}

import { ancestors } from "../autodiff";
import type { OpNode, Shape } from "../tensor";
import { declareModel, type Model } from "./model";

/** One layer of a model's table. */
export interface LayerRow {
  /** Its place in the network, such as `layer1.0.conv1`. */
  readonly layer: string;
  /** What it is, such as `conv 3×3`. */
  readonly kind: string;
  /** Shape of its output for one image. */
  readonly output: Shape;
  readonly parameters: number;
  /** Multiply-adds for one image. */
  readonly macs: number;
}

export interface ModelDescription {
  readonly name: string;
  readonly input: Shape;
  readonly classes: number;
  readonly layers: readonly LayerRow[];
  /** Trainable numbers, those of auxiliary classifiers among them. */
  readonly parameters: number;
  /** Those of the network alone, without auxiliary classifiers: what inference needs. */
  readonly parametersWithoutAuxiliaries: number;
  /** Multiply-adds of convolutions and linear layers for one image, without auxiliary classifiers, as torchvision counts. */
  readonly macs: number;
}

const counted = new Set(["conv2d", "depthwiseConv2d", "matmulNT"]);

/**
 * A model's layers with their shapes, parameters and multiply-adds, without a GPU.
 *
 * @example describe(resnet50()).parameters // 25557032
 * @throws ShapeError naming the layer when the input is too small
 */
export function describe(
  model: Model,
  { inputSize }: { readonly inputSize?: readonly [H: number, W: number] | undefined } = {},
): ModelDescription {
  const { image, logits, trace } = declareModel(model, 1, { inputSize, auxiliaries: true });
  const isCounted = (node: { readonly kind: string }): node is OpNode =>
    node.kind === "op" && counted.has((node as OpNode).op.name);
  const macsOf = (nodes: readonly OpNode[]) =>
    nodes.reduce((sum, { op, sizes }) => sum + op.flops(sizes) / 2, 0);
  const sides = trace.auxiliaryOutputs.map((side) => side.logits);
  const nodes = ancestors([logits, ...sides]).filter(isCounted);
  const parameters = [...trace.variables.values()].filter(({ role }) => role === "parameter");
  const own = new Set(ancestors([logits]));
  const sizeOfAll = (list: typeof parameters) =>
    list.reduce((sum, { outputs }) => sum + outputs.y.shape.reduce((a, b) => a * b, 1), 0);
  const told = new Set<string>();
  const layers = trace.layers.map(({ path, kind, output }): LayerRow => {
    const isFirst = !told.has(path);
    told.add(path);
    return {
      layer: path,
      kind,
      output: output.shape,
      parameters: isFirst ? sizeOfAll(parameters.filter(({ layer }) => layer === path)) : 0,
      macs: isFirst ? macsOf(nodes.filter(({ layer }) => layer === path)) : 0,
    };
  });
  return {
    name: model.name,
    input: image.shape.slice(1),
    classes: model.classes,
    layers,
    parameters: sizeOfAll(parameters),
    parametersWithoutAuxiliaries: sizeOfAll(parameters.filter((node) => own.has(node))),
    macs: macsOf([...own].filter(isCounted)),
  };
}

import type { Op } from "./op";

/** Element types: `f32` everywhere, `f16` where the adapter has `shader-f16`, `u32` for labels, indices and random state. */
export type DType = "f32" | "f16" | "u32";
/** Sizes of the axes, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];
/** The part of a step that a node belongs to, for plans and profiles. */
export type Phase = "forward" | "backward" | "update";

/** A symbolic tensor: the output of a node of the graph. It has a shape and an element type but no data. */
export interface Tensor {
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly node: Node;
  /** The name of this output in its node's record of outputs. */
  readonly output: string;
}

interface NodeBase {
  readonly id: number;
  /** The layer in whose scope the node was declared, such as `layer1.0.conv1`; empty outside any. */
  readonly layer: string;
  readonly phase: Phase;
}

/** Data that the caller hands over at each run, by name. */
export interface InputNode extends NodeBase {
  readonly kind: "input";
  readonly name: string;
  readonly outputs: { readonly y: Tensor };
}

/** What a variable is for: it decides in which buffers it lives and what a checkpoint keeps. */
export type VariableRole = "parameter" | "statistic" | "slot";

/** How a state-dict file lays a tensor out, where it differs from the engine's NHWC and KRSC. */
export type Layout =
  | "same"
  | "conv"
  | "depthwise"
  | { readonly flatten: readonly [H: number, W: number, C: number] };

/** What initial values are drawn from: uniform in ±`scale`, or normal with that standard deviation. */
export interface Distribution {
  readonly kind: "uniform" | "normal";
  readonly scale: number;
  /** Standard deviations past which a normal number is drawn again. */
  readonly limit?: number;
}

/** Fills a new variable: as many values as `shape` has, a pure function of the seed and of the variable's stream. */
export interface Initializer {
  (shape: Shape, seed: number, stream: number): Float32Array;
  /** What it draws from, where that is all that it does: the device then draws the same values itself. */
  readonly distribution?: (shape: Shape) => Distribution;
}

/** What memory holds when it is new, so that nothing has to be uploaded. */
export const zeros: Initializer = (shape) => new Float32Array(sizeOf(shape));

/** State that lives across runs: a parameter, a running statistic or an optimizer's slot. */
export interface VariableNode extends NodeBase {
  readonly kind: "variable";
  readonly name: string;
  readonly role: VariableRole;
  readonly trainable: boolean;
  readonly layout: Layout;
  readonly init: Initializer;
  readonly outputs: { readonly y: Tensor };
}

/** Data that never changes. */
export interface ConstantNode extends NodeBase {
  readonly kind: "constant";
  readonly data: Float32Array | Uint32Array;
  readonly outputs: { readonly y: Tensor };
}

/** One attribute's value after its defaults were filled in. */
export type AttrValue = number | boolean | string | readonly [number, number];

/** One application of an op. */
export interface OpNode extends NodeBase {
  readonly kind: "op";
  readonly op: Op;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly attrs: Readonly<Record<string, AttrValue>>;
  /** Every axis by name, derived sizes, and the numeric attributes (pairs as `strideH`, `strideW`). */
  readonly sizes: Readonly<Record<string, number>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export type Node = InputNode | VariableNode | ConstantNode | OpNode;

// Ids only order nodes by creation; nothing that a run computes depends on their values.
let nextId = 0;
let where: { layer: string; phase: Phase } = { layer: "", phase: "forward" };

/** Everything that `declare` creates belongs to this layer and phase. */
export function inScope<T>(layer: string, phase: Phase, declare: () => T): T {
  const outer = where;
  where = { layer, phase };
  try {
    return declare();
  } finally {
    where = outer;
  }
}

/** The layer and phase that nodes declared now belong to. */
export const currentScope = (): { readonly layer: string; readonly phase: Phase } => where;

type Draft<N extends Node> = Omit<N, "id" | "layer" | "phase" | "outputs">;

/** Creates a node with its output tensors; the only place where nodes are made. */
export function createNode<N extends Node>(
  draft: Draft<N>,
  outputs: { readonly [name in keyof N["outputs"]]: { readonly shape: Shape; readonly dtype: DType } },
): N {
  const tensors: Record<string, Tensor> = {};
  // The outputs point back at their node, so the record is filled after the node exists.
  const node = { ...draft, id: nextId++, ...where, outputs: tensors } as unknown as N;
  for (const [output, { shape, dtype }] of Object.entries<{ shape: Shape; dtype: DType }>(outputs)) {
    tensors[output] = { id: nextId++, shape, dtype, node, output };
  }
  return node;
}

/** Declares an input of the graph. @param shape sizes of its axes, outermost first. */
export const input = (name: string, shape: Shape, dtype: DType = "f32"): Tensor =>
  createNode<InputNode>({ kind: "input", name }, { y: { shape: checkShape(name, shape), dtype } }).outputs.y;

export interface VariableOptions {
  readonly role?: VariableRole;
  readonly trainable?: boolean;
  readonly layout?: Layout;
  readonly dtype?: DType;
}

/** Declares a variable of the graph, filled by `init` when its state is created. */
export const variable = (
  name: string,
  shape: Shape,
  init: Initializer,
  {
    role = "parameter",
    trainable = role === "parameter",
    layout = "same",
    dtype = "f32",
  }: VariableOptions = {},
): Tensor =>
  createNode<VariableNode>(
    { kind: "variable", name, role, trainable, layout, init },
    { y: { shape: checkShape(name, shape), dtype } },
  ).outputs.y;

/** Declares a constant of the graph. */
export const constant = (data: Float32Array | Uint32Array, shape: Shape): Tensor =>
  createNode<ConstantNode>(
    { kind: "constant", data },
    { y: { shape, dtype: data instanceof Uint32Array ? "u32" : "f32" } },
  ).outputs.y;

/** Number of elements. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);
/** Bytes of one element. */
export const bytesPerElement = (dtype: DType): number => (dtype === "f16" ? 2 : 4);
/** Bytes of a tensor's data. */
export const bytesOf = (t: { readonly shape: Shape; readonly dtype: DType }): number =>
  sizeOf(t.shape) * bytesPerElement(t.dtype);
/** `[1, 8, 8, 3]` */
export const formatShape = (shape: Shape): string => `[${shape.join(", ")}]`;

/** A shape, an axis or an attribute that an op or a layer cannot work with. */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
  constructor(message: string) {
    super(where.layer === "" ? message : `${message} (layer ${where.layer})`);
  }
}

function checkShape(name: string, shape: Shape): Shape {
  const bad = shape.findIndex((n) => !Number.isInteger(n) || n < 1);
  if (bad >= 0) {
    throw new ShapeError(
      `${name}: axis ${bad} is ${shape[bad]}, expected a whole number of at least 1; shape = ${formatShape(shape)}`,
    );
  }
  return shape;
}

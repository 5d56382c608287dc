import {
  formatShape,
  type Initializer,
  input,
  inScope,
  type Layout,
  type Shape,
  ShapeError,
  type Tensor,
  type VariableNode,
  variable,
} from "../tensor";

/**
 * A layer, a block or a whole network: a function from a symbolic tensor to a symbolic tensor. It declares its
 * parameters in the scope and takes the number of channels from its input, so that architectures read like their tables.
 *
 * @example const block: Layer = sequential({ conv: conv(64, 3, { pad: 1 }), relu: relu() });
 */
export type Layer = (x: Tensor, scope: Scope) => Tensor;

/** A classifier on the side that only adds to the loss in training. */
export interface AuxiliaryOutput {
  readonly name: string;
  /** Weight of its loss in the total. */
  readonly weight: number;
  readonly logits: Tensor;
}

/** One layer as it was declared, for tables. */
export interface LayerRecord {
  readonly path: string;
  /** What it is, such as `conv 3×3, stride 2`. */
  readonly kind: string;
  readonly output: Tensor;
}

/** How a network is to be traced. */
export interface TraceOptions {
  /** Batch statistics and dropout, or running statistics and none. */
  readonly training?: boolean;
  /** Whether auxiliary classifiers are declared; as `training` if not given. */
  readonly auxiliaries?: boolean;
  /** Whether the variable of this name keeps its values. */
  readonly frozen?: (name: string) => boolean;
  /** Frozen batch norms use their running statistics and leave them alone. */
  readonly freezeStatistics?: boolean;
}

/** What declaring a network has gathered besides its output. */
export class Trace {
  readonly training: boolean;
  readonly auxiliaries: boolean;
  readonly freezeStatistics: boolean;
  readonly isFrozen: (name: string) => boolean;
  readonly variables = new Map<string, VariableNode>();
  readonly updates: Tensor[] = [];
  readonly auxiliaryOutputs: AuxiliaryOutput[] = [];
  readonly layers: LayerRecord[] = [];
  #seed: Tensor | undefined;

  constructor(options: TraceOptions = {}) {
    this.training = options.training ?? false;
    this.auxiliaries = options.auxiliaries ?? this.training;
    this.isFrozen = options.frozen ?? (() => false);
    this.freezeStatistics = options.freezeStatistics ?? false;
  }

  /** The input `seed` of the graph: key and step of all random numbers, declared when the first layer wants it. */
  seed(): Tensor {
    this.#seed ??= input("seed", [4], "u32");
    return this.#seed;
  }

  get usesSeed(): boolean {
    return this.#seed !== undefined;
  }
}

export interface ParameterOptions {
  /** How a state-dict file lays it out. */
  readonly layout?: Layout;
}

/** The place in a network where a layer is declared: a name such as `layer1.0`, under which its parameters go. */
export class Scope {
  constructor(
    readonly trace: Trace,
    readonly path: string = "",
  ) {}

  /** Whether the network is declared for training. */
  get training(): boolean {
    return this.trace.training;
  }

  /** `layer1` and `0` give `layer1.0`. */
  child(name: string): Scope {
    return new Scope(this.trace, this.nameOf(name));
  }

  nameOf(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }

  /** A trainable parameter; frozen ones are variables all the same but get no gradient. */
  param(name: string, shape: Shape, init: Initializer, { layout = "same" }: ParameterOptions = {}): Tensor {
    const full = this.nameOf(name);
    const trainable = !this.trace.isFrozen(full);
    return this.#register(variable(full, shape, init, { role: "parameter", trainable, layout }));
  }

  /** A running statistic: kept and saved, never trained. */
  statistic(name: string, shape: Shape, init: Initializer): Tensor {
    return this.#register(variable(this.nameOf(name), shape, init, { role: "statistic" }));
  }

  #register(t: Tensor): Tensor {
    const { node } = t;
    if (node.kind !== "variable") throw new Error("a variable is not a variable");
    const { variables } = this.trace;
    if (variables.has(node.name)) {
      throw new ShapeError(
        `the parameter ${node.name} is declared twice, now with shape ${formatShape(t.shape)}; give the layers names of their own`,
      );
    }
    variables.set(node.name, node);
    return t;
  }

  /** An update in place, such as of a running statistic, that a training step runs. `output` is any of its outputs. */
  update(output: Tensor): void {
    this.trace.updates.push(output);
  }

  /** Logits of a classifier on the side, whose loss counts with this weight. */
  auxiliary(weight: number, logits: Tensor): void {
    this.trace.auxiliaryOutputs.push({ name: this.path, weight, logits });
  }
}

/** Makes a layer of a function: what it declares carries the layer's name in plans, profiles and error messages. */
export const layer =
  (kind: string, declare: Layer): Layer =>
  (x, scope) => {
    const output = inScope(scope.path, "forward", () => declare(x, scope));
    scope.trace.layers.push({ path: scope.path, kind, output });
    return output;
  };

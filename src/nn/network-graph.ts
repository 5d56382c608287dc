import { gradients } from "../autodiff";
import { add } from "../ops/add";
import { scale } from "../ops/scale";
import { softmax } from "../ops/softmax";
import { sum } from "../ops/sum";
import type { GraphSpec } from "../plan";
import { input, inScope, sizeOf, type Tensor, type VariableNode } from "../tensor";
import type { Trace } from "./layer";
import type { Loss } from "./losses";
import { declareModel, type Model } from "./model";
import type { Optimizer } from "./optimizers";

/** Which parameters keep their values: names that match, or that lie in a layer named by a string. */
export type Freeze = RegExp | string | readonly (RegExp | string)[];

/** What `compile` and `plan` make of a model. */
export interface NetworkOptions {
  /** Images in a batch. */
  readonly batch: number;
  /** Height and width of the images, the model's own if not given. */
  readonly inputSize?: readonly [H: number, W: number] | undefined;
  /** With a loss, the network is trained or, without an optimizer, evaluated. */
  readonly loss?: Loss | undefined;
  readonly optimizer?: Optimizer | undefined;
  readonly freeze?: Freeze | undefined;
  /** Whether batch norms with frozen parameters use their running statistics and leave them alone. */
  readonly freezeStatistics?: boolean | undefined;
}

/** A model with all that belongs to its use, declared as a graph. */
export interface NetworkGraph {
  readonly spec: GraphSpec;
  readonly trace: Trace;
  /** Inputs that each run is given by the caller, besides `image`. */
  readonly target: string | undefined;
  /** Numbers that the optimizer gives anew at each step, by the input's name. */
  readonly scalars: readonly string[];
}

/** Declares the graph of a model for inference, evaluation (with a loss) or training (with a loss and an optimizer). */
export function networkGraph(model: Model, options: NetworkOptions): NetworkGraph {
  const { batch, inputSize, loss, optimizer, freeze, freezeStatistics = false } = options;
  if (optimizer !== undefined && loss === undefined)
    throw new RangeError(
      `${model.name}: there is an optimizer but no loss; give a loss such as crossEntropy()`,
    );
  const training = optimizer !== undefined;
  const patterns = freeze === undefined ? [] : [freeze].flat();
  const frozen = (name: string) => patterns.some((pattern) => matches(pattern, name));
  const { logits, trace } = declareModel(model, batch, { training, frozen, freezeStatistics, inputSize });
  const parameters = [...trace.variables.values()].filter(({ role }) => role === "parameter");
  for (const pattern of patterns) {
    if (!parameters.some(({ name }) => matches(pattern, name)))
      throw new RangeError(
        `${model.name}: no parameter matches ${pattern}; there are ${firstNames(parameters)}`,
      );
  }
  if (loss === undefined) {
    const probabilities = inScope("", "forward", () => softmax({ x: logits }).y);
    return { spec: { outputs: { logits, probabilities } }, trace, target: undefined, scalars: [] };
  }
  const { name: target, shape, dtype } = loss.target(logits);
  const { losses, total } = inScope("loss", "forward", () => {
    const expected = input(target, shape, dtype);
    const main = loss.perSample(logits, expected);
    const all = trace.auxiliaryOutputs.reduce(
      (all_, { weight, logits: side }) =>
        add({ a: all_, b: scale({ x: loss.perSample(side, expected), by: weight }).y }).y,
      main,
    );
    return { losses: main, total: sum({ x: all, by: 1 / sizeOf(all.shape) }).y };
  });
  if (optimizer === undefined)
    return { spec: { outputs: { loss: total, losses, logits } }, trace, target, scalars: [] };

  const trainable = parameters.filter((node) => node.trainable);
  if (trainable.length === 0)
    throw new RangeError(`${model.name}: every parameter is frozen, there is nothing to train`);
  const found = gradients(
    total,
    trainable.map(({ outputs }) => outputs.y),
  );
  const scalars = new Map<string, Tensor>();
  const scalar = (name: string): Tensor => {
    const known = scalars.get(name) ?? input(name, []);
    scalars.set(name, known);
    return known;
  };
  const updates = trainable.flatMap((node, k) => {
    const gradient = found[k];
    if (gradient === undefined) return [];
    return inScope(node.layer, "update", () => optimizer.declare(node.outputs.y, gradient, scalar));
  });
  return {
    spec: { outputs: { loss: total, logits }, updates: [...trace.updates, ...updates] },
    trace,
    target,
    scalars: [...scalars.keys()],
  };
}

// `search` and not `test`, which would move a global pattern's lastIndex.
const matches = (pattern: RegExp | string, name: string): boolean =>
  typeof pattern === "string"
    ? name === pattern || name.startsWith(`${pattern}.`)
    : name.search(pattern) >= 0;

function firstNames(nodes: readonly VariableNode[]): string {
  const names = nodes.slice(0, 6).map(({ name }) => name);
  return `${names.join(", ")}${nodes.length > names.length ? ` and ${nodes.length - names.length} more` : ""}`;
}

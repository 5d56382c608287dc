import { adamUpdate, adamWUpdate, sgdMomentumUpdate, sgdUpdate } from "../ops/optimizers";
import { type Tensor, variable, zeros } from "../tensor";

/** Parameters that are trained differently: those whose names match. The first group that matches counts. */
export interface ParameterGroup {
  readonly match: RegExp;
  /** Factor of the learning rate. */
  readonly lrScale?: number;
  readonly weightDecay?: number;
}

interface CommonOptions {
  readonly lr: number;
  /** λ of the term λ·p in the gradient (in AdamW: outside the moments). */
  readonly weightDecay?: number;
  /** Gradient of an L1 penalty, l1·sign(p); with `l2` an elastic net. */
  readonly l1?: number;
  /** Gradient of an L2 penalty, l2·p. */
  readonly l2?: number;
  /** Whether biases and batch norms are penalised too; yes if not given, as in PyTorch. */
  readonly decayBiases?: boolean;
  readonly groups?: readonly ParameterGroup[];
}

/** How gradients change parameters. */
export interface Optimizer {
  readonly name: string;
  /** Learning rate where a step gives none. */
  readonly lr: number;
  /** Values of the scalar inputs at the step after `iteration` steps. */
  scalars(iteration: number, lr: number): Readonly<Record<string, number>>;
  /** Declares the update of one parameter with its slots; `scalar` gives the input of a name. */
  declare(parameter: Tensor, gradient: Tensor, scalar: (name: string) => Tensor): readonly Tensor[];
}

function nameOf(parameter: Tensor): string {
  if (parameter.node.kind === "variable") return parameter.node.name;
  throw new Error("an optimizer updates variables only");
}

const slot = (parameter: Tensor, kind: string): Tensor =>
  variable(`optimizer.${nameOf(parameter)}.${kind}`, parameter.shape, zeros, { role: "slot" });

function penaltiesOf(parameter: Tensor, options: CommonOptions) {
  const { weightDecay = 0, l1 = 0, l2 = 0, decayBiases = true, groups = [] } = options;
  const name = nameOf(parameter);
  const group = groups.find(({ match }) => name.search(match) >= 0);
  const lrScale = group?.lrScale ?? 1;
  // Weights of layers have two axes and more, biases and norms one.
  if (!decayBiases && parameter.shape.length < 2) return { weightDecay: 0, l1: 0, l2: 0, lrScale };
  return { weightDecay: group?.weightDecay ?? weightDecay, l1, l2, lrScale };
}

function check(
  optimizer: string,
  values: Readonly<Record<string, number | undefined>>,
  below1: readonly string[],
): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const most = below1.includes(name) ? 1 : Number.POSITIVE_INFINITY;
    if (!(value >= 0 && value < most))
      throw new RangeError(
        `${optimizer}: ${name} is ${value}, expected ${most === 1 ? "at least 0 and below 1" : "a finite number of at least 0"}`,
      );
  }
}

export interface SgdOptions extends CommonOptions {
  readonly momentum?: number;
  /** Nesterov's momentum, as PyTorch defines it. */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent with PyTorch's momentum: m ← momentum·m + g, p ← p − lr·m.
 *
 * @example sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-4 })
 * @throws RangeError for values that make no sense
 */
export function sgd(options: SgdOptions): Optimizer {
  const { lr, momentum = 0, nesterov = false, weightDecay, l1, l2 } = options;
  check("sgd", { lr, momentum, weightDecay, l1, l2 }, ["momentum"]);
  if (nesterov && momentum === 0) throw new RangeError("sgd: nesterov needs a momentum above 0");
  return {
    name: "sgd",
    lr,
    scalars: (_, rate) => ({ lr: rate }),
    declare: (p, g, scalar) => {
      const penalties = penaltiesOf(p, options);
      if (momentum === 0) return [sgdUpdate({ p, g, lr: scalar("lr"), ...penalties }).p];
      const m = slot(p, "momentum");
      return [
        sgdMomentumUpdate({ p, g, m, lr: scalar("lr"), momentum, nesterov: nesterov ? 1 : 0, ...penalties })
          .p,
      ];
    },
  };
}

export interface AdamOptions extends CommonOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
}

function adamLike(
  name: string,
  update: typeof adamUpdate | typeof adamWUpdate,
  options: AdamOptions,
): Optimizer {
  const { lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay, l1, l2 } = options;
  check(name, { lr, beta1, beta2, eps, weightDecay, l1, l2 }, ["beta1", "beta2"]);
  return {
    name,
    lr,
    scalars: (iteration, rate) => ({
      lr: rate,
      correction1: 1 - beta1 ** (iteration + 1),
      correction2: 1 - beta2 ** (iteration + 1),
    }),
    declare: (p, g, scalar) => {
      const inputs = { p, g, m: slot(p, "m"), v: slot(p, "v") };
      const steps = {
        lr: scalar("lr"),
        correction1: scalar("correction1"),
        correction2: scalar("correction2"),
      };
      const rates = { oneMinusBeta1: 1 - beta1, oneMinusBeta2: 1 - beta2, eps };
      return [update({ ...inputs, ...steps, ...rates, ...penaltiesOf(p, options) }).p];
    },
  };
}

/** Adam (Kingma & Ba 2015), weight decay in the gradient. @example adam({ lr: 1e-3 }) */
export const adam = (options: AdamOptions): Optimizer => adamLike("adam", adamUpdate, options);

/** AdamW (Loshchilov & Hutter 2019): weight decay outside the moments, 0.01 if not given. */
export const adamw = (options: AdamOptions): Optimizer =>
  adamLike("adamw", adamWUpdate, { weightDecay: 0.01, ...options });

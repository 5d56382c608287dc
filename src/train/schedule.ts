/** The learning rate of each optimizer step: a pure function of the steps taken before it, so that runs resume exactly. */
export type Schedule = (iteration: number) => number;

/** The same rate at every step. */
export const constantRate =
  (rate: number): Schedule =>
  () =>
    rate;

/**
 * The rate times `gamma` after every `every` iterations.
 *
 * @example stepDecay(0.1, { every: 1000, gamma: 0.1 })(2500) // 0.001
 */
export const stepDecay =
  (rate: number, { every, gamma = 0.1 }: { readonly every: number; readonly gamma?: number }): Schedule =>
  (iteration) =>
    rate * gamma ** Math.floor(iteration / every);

/**
 * Half a cosine from the rate down to `floor` over `iterations`, `floor` from then on (Loshchilov and Hutter 2017,
 * "SGDR", without restarts).
 */
export const cosineDecay =
  (
    rate: number,
    { iterations, floor = 0 }: { readonly iterations: number; readonly floor?: number },
  ): Schedule =>
  (iteration) => {
    const done = Math.min(1, iteration / Math.max(1, iterations));
    return floor + ((rate - floor) * (1 + Math.cos(Math.PI * done))) / 2;
  };

/**
 * A straight rise to the schedule's first rate over `iterations` steps, then the schedule from its beginning
 * (Goyal et al. 2017, "Accurate, Large Minibatch SGD").
 */
export const warmUp =
  (schedule: Schedule, iterations: number): Schedule =>
  (iteration) =>
    iteration < iterations
      ? (schedule(0) * (iteration + 1)) / (iterations + 1)
      : schedule(iteration - iterations);

export const scheduleNames = ["constant", "step", "cosine"] as const;
export type ScheduleName = (typeof scheduleNames)[number];

export interface ScheduleSettings {
  readonly name: ScheduleName;
  /** The highest rate. */
  readonly lr: number;
  /** Optimizer steps of the whole training, warm-up among them. */
  readonly iterations: number;
  readonly warmUpIterations: number;
  /** For "step": iterations from one decay to the next, and the factor. */
  readonly every: number;
  readonly gamma: number;
}

/** The schedule that the command line's words describe. */
export function scheduleOf({
  name,
  lr,
  iterations,
  warmUpIterations,
  every,
  gamma,
}: ScheduleSettings): Schedule {
  const rest = iterations - warmUpIterations;
  const schedule =
    name === "constant"
      ? constantRate(lr)
      : name === "step"
        ? stepDecay(lr, { every, gamma })
        : cosineDecay(lr, { iterations: rest });
  return warmUpIterations === 0 ? schedule : warmUp(schedule, warmUpIterations);
}

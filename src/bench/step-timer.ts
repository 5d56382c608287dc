import { type Spread, spreadOf } from "./statistics";

/** Work that is done again and again. */
export interface RepeatedStep {
  /** Makes so many further steps possible, with data that no step had before; what it takes is not counted. */
  prepare(steps: number): Promise<void>;
  /** Submits the prepared step of that number and resolves when the device has finished it. */
  run(step: number): Promise<void>;
}

export interface TimingOptions {
  /** Steps before the clock counts; with 0 even the first step, which finds everything cold, is a sample. */
  readonly warm: number;
  /** Samples. */
  readonly samples: number;
  /** Called after each step or sample with the number of those that are done, warm-up included. */
  readonly onProgress?: ((done: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; another clock for tests. */
  readonly now?: (() => number) | undefined;
}

export interface StepTimes {
  /** Milliseconds a step. */
  readonly spread: Spread;
  /** Milliseconds of the very first step. */
  readonly first: number;
  /** How many steps a sample is the mean of: one, unless a step is too short for the clock. */
  readonly stepsPerSample: number;
}

/** Milliseconds that a sample should last at least: waking the host takes some hundredths of that. */
const shortest = 2;
const mostSteps = 64;

/**
 * Times a step from its submission until the device has finished it. Steps shorter than 2 ms are timed several at a
 * time, each submitted while the one before it runs, as a training loop does.
 */
export async function timeSteps(step: RepeatedStep, options: TimingOptions): Promise<StepTimes> {
  const { warm, samples, onProgress, signal, now = () => performance.now() } = options;
  const sample = async (steps: number): Promise<number> => {
    signal?.throwIfAborted();
    await step.prepare(steps);
    const start = now();
    let running = step.run(0);
    for (let k = 1; k < steps; k++) {
      const next = step.run(k);
      await running;
      running = next;
    }
    await running;
    return (now() - start) / steps;
  };
  const times: number[] = [];
  const first = await sample(1);
  let quickest = first;
  if (warm === 0) times.push(first);
  onProgress?.(1);
  for (let k = 1; k < warm; k++) {
    quickest = Math.min(quickest, await sample(1));
    onProgress?.(k + 1);
  }
  const stepsPerSample = warm < 2 ? 1 : Math.min(mostSteps, Math.max(1, Math.ceil(shortest / quickest)));
  while (times.length < samples) {
    times.push(await sample(stepsPerSample));
    onProgress?.(warm + times.length);
  }
  return { spread: spreadOf(times), first, stepsPerSample };
}

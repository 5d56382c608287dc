import type { Device } from "../device";
import { candidatesOf, heuristicOf, type Target } from "../passes/select";
import type { Step } from "../passes/step";
import {
  chooserOf,
  isTunable,
  loweredSteps,
  sourcesOf,
  stepKey,
  type TunedChoice,
  type Tuning,
} from "../passes/tuning";
import { fusedSteps, type GraphSpec } from "../plan";
import { decide } from "./decide";
import { type Measurement, measure } from "./measure";

/** One distinct piece of work of a network, with what its kernels took. */
export interface TunedShape extends Measurement {
  /** Op, shapes, attributes and what is fused behind, as text. */
  readonly key: string;
  readonly op: string;
  /** The layer that has it first. */
  readonly layer: string;
  /** How many steps of the graphs it stands for. */
  readonly count: number;
  readonly candidates: readonly string[];
  readonly heuristic: string;
  readonly winner: string;
}

export interface TuneOptions {
  readonly device: Device;
  /** Choices that need not be measured again, as long as they hold for today's kernels. */
  readonly known?: Tuning | undefined;
  /** Milliseconds for the rounds of one shape. */
  readonly budget?: number | undefined;
  /** Called before each measurement, with the number of those that are done and that are known to come. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
  /** Called after each measurement; what it returns is waited for. */
  readonly onShape?: ((shape: TunedShape, tuning: Tuning) => void | Promise<void>) | undefined;
  /** Asked before each measurement; true ends the tuning with what has been measured so far. */
  readonly isStopping?: (() => boolean) | undefined;
}

/**
 * Measures the kernels that could run the steps of graphs on this device, each distinct shape once, and keeps the
 * fastest of each: the heuristic's unless another is faster by a clear margin.
 *
 * @returns the known choices and the new ones, for `tuning` of `compile` and `plan`
 * @throws DeviceLostError
 */
export async function tuneGraphs(specs: readonly GraphSpec[], options: TuneOptions): Promise<Tuning> {
  const { device, known = new Map() } = options;
  const found = new Map<string, TunedChoice>(known);
  const waiting = specs.flatMap((spec) => fusedSteps(spec, device.limits).flatMap((s) => tunable(s, device)));
  const counts = new Map<string, number>();
  const count = (steps: readonly Step[], times: number) => {
    for (const key of steps.map(stepKey)) counts.set(key, (counts.get(key) ?? 0) + times);
  };
  count(waiting, 1);
  const isKnown = chooserOf(known, device).tuned;
  const done = new Set<string>();
  const isNew = (step: Step) => !done.has(stepKey(step)) && isKnown(step) === undefined;
  let measured = 0;
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    const key = stepKey(step);
    if (done.has(key)) continue;
    if (isNew(step)) {
      if (options.isStopping?.() === true) break;
      options.onProgress?.(measured, measured + new Set([step, ...waiting].filter(isNew).map(stepKey)).size);
      const shape = await tuneStep(step, counts.get(key) ?? 0, options);
      measured++;
      if (shape !== undefined) {
        found.set(key, { kernel: shape.winner, sources: sourcesOf(step, device) });
        await options.onShape?.(shape, found);
      }
    }
    done.add(key);
    const next = stepsBehind(step, found.get(key)?.kernel, device);
    count(next, counts.get(key) ?? 0);
    waiting.unshift(...next);
  }
  return found;
}

/** Undefined where none of the candidates could be run, which compiling will say better. */
async function tuneStep(
  step: Step,
  count: number,
  { device, budget }: TuneOptions,
): Promise<TunedShape | undefined> {
  const candidates = candidatesOf(step, device).map(({ name }) => name);
  const heuristic = heuristicOf(step, device) ?? "";
  const result = await measure(step, candidates, heuristic, device, { budget });
  if (result.times.size === 0) return undefined;
  const { op, layer } = step.node;
  const winner = decide(result.times, heuristic);
  return { key: stepKey(step), op: op.name, layer, count, candidates, heuristic, winner, ...result };
}

/** A step, or the tunable ones of those that it always becomes. */
function tunable(step: Step, target: Target): Step[] {
  if (isTunable(step, target)) return [step];
  const [only, ...others] = candidatesOf(step, target);
  const lowered = others.length === 0 && only !== undefined ? loweredSteps(step, target).get(only.name) : [];
  return (lowered ?? []).flatMap((s) => tunable(s, target));
}

/** The tunable steps of a lowering that has been chosen. */
const stepsBehind = (step: Step, winner: string | undefined, target: Target): Step[] =>
  (loweredSteps(step, target).get(winner ?? "") ?? []).flatMap((s) => tunable(s, target));

import type { Device } from "../device";
import type { Tuning } from "../passes/tuning";
import type { GraphSpec, Plan } from "../plan";
import { adapterIdentity } from "../tune/cache";
import { choicesToJson } from "../tune/format";
import type { CheckpointInfo, RunTuning } from "./checkpoint-info";

/** Measures kernels for graphs, or looks them up: what `--tune` hands to whoever compiles. */
export type Tuner = (specs: readonly GraphSpec[]) => Promise<Tuning>;

/** The choices of a run, where they hold: on the adapter and driver that they were measured on. */
export function tuningOf({ tuning }: Pick<CheckpointInfo, "tuning">, device: Device): Tuning | undefined {
  if (tuning === undefined || tuning.adapter !== adapterIdentity(device.adapter)) return undefined;
  return new Map(Object.entries(tuning.choices));
}

/** The choices that plans were made with, for a checkpoint to remember; undefined where rules made all of them. */
export function usedTuning(plans: readonly Plan[], device: Device): RunTuning | undefined {
  const used = new Map(plans.flatMap(({ tuned }) => [...tuned]));
  return used.size === 0
    ? undefined
    : { adapter: adapterIdentity(device.adapter), choices: choicesToJson(used) };
}

/** What of a run's tuning is no longer in effect, or undefined where all of it is. */
export function lostTuning(
  { tuning }: Pick<CheckpointInfo, "tuning">,
  used: RunTuning | undefined,
): string | undefined {
  if (tuning === undefined) return undefined;
  const had = Object.keys(tuning.choices);
  const lost = had.filter((key) => used === undefined || !Object.hasOwn(used.choices, key)).length;
  if (lost === 0) return undefined;
  return (
    `${lost} of ${had.length} kernels that the run was tuned to do not hold here (measured on ${tuning.adapter}, ` +
    "or changed since); rules choose in their place, and results will differ in their last bits"
  );
}

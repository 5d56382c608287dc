import type { Executable, InputData } from "./executor";
import { bytesMoved, flopsOf, type Step } from "./passes/step";
import type { Plan, PlannedStep } from "./plan";
import type { Phase } from "./tensor";

/** What an adapter can do at best, as measured on it. */
export interface Peaks {
  /** 10⁹ additions and multiplications a second in registers, f32. */
  readonly gflops: number;
  /** 10⁹ bytes a second, read and written, by a kernel that copies. */
  readonly gbPerSecond: number;
  /** Microseconds of a dispatch that does nothing. */
  readonly launchUs: number;
}

/** One step of a plan with the time that it took on the device. */
export interface ProfileEntry {
  /** Its layer; for an update of many layers' parameters at once the first and the last of them. */
  readonly layer: string;
  readonly phase: Phase;
  readonly op: string;
  /** The kernel with what is fused behind it, such as `conv2d/direct+relu`. */
  readonly kernel: string;
  readonly dispatches: number;
  readonly microseconds: number;
  /** Bytes that it must at least move: every tensor read or written, once. */
  readonly bytes: number;
  readonly flops: number;
}

/** A step's work without its time. */
export type StepCost = Omit<ProfileEntry, "microseconds">;

/** What every step of a plan has to do, merged updates counted in full. */
export const costsOf = ({ steps }: Plan): StepCost[] => steps.map(costOf);

function costOf(step: PlannedStep): StepCost {
  const { node, merged = [] } = step;
  const parts: readonly Step[] = [step, ...merged.map((other) => ({ node: other, epilogue: [] }))];
  const last = merged.at(-1)?.layer;
  return {
    layer: last === undefined || last === node.layer ? node.layer : `${node.layer} … ${last}`,
    phase: node.phase,
    op: node.op.name,
    kernel: step.program.label,
    dispatches: step.dispatches.length,
    bytes: parts.reduce((sum, part) => sum + bytesMoved(part), 0),
    flops: parts.reduce((sum, part) => sum + flopsOf(part), 0),
  };
}

/**
 * Times every dispatch of a compiled graph with the device's own clock: the median of some runs after one to warm up.
 *
 * @param inputs gives each run's data, so that runs need not repeat it
 * @param rounds runs that count
 * @returns the steps in the order in which they run
 * @example const entries = await profile(network.executable, () => ({ image }));
 * @throws GpuError when the adapter has no timestamp queries
 */
export async function profile(
  executable: Executable,
  inputs: () => Readonly<Record<string, InputData>>,
  rounds = 5,
): Promise<ProfileEntry[]> {
  await executable.profile(inputs());
  const runs: (readonly number[])[] = [];
  for (let k = 0; k < rounds; k++) runs.push(await executable.profile(inputs()));
  return costsOf(executable.plan).map((cost, step) => {
    const times = runs.map((run) => run[step] ?? 0).sort((a, b) => a - b);
    return { ...cost, microseconds: (times[Math.floor(times.length / 2)] ?? 0) / 1000 };
  });
}

/** Microseconds of work right before work that is timed by itself: a GPU that is idle for the most part lowers its clock. */
const warming = 2000;

/**
 * How many runs of something short are to be submitted before the one that is timed, given how long the last one took: on an
 * H100 that idled between them, runs of 0.2 ms were timed at a third of their speed.
 */
export const runsBefore = (microseconds: number | undefined): number =>
  microseconds === undefined ? 0 : Math.min(200, Math.floor(warming / Math.max(1, microseconds)));

export type Bound = "arithmetic" | "bandwidth" | "launches";

/** How near some work came to what the adapter can do, and which of its limits is the nearest. */
export interface Verdict {
  readonly bound: Bound;
  /** The time that the limits allow over the time taken: 1 is perfect. */
  readonly share: number;
}

interface Work {
  readonly flops: number;
  readonly bytes: number;
  readonly dispatches: number;
  readonly microseconds: number;
}

/** Microseconds that each limit asks for by itself. */
function limitsOf({ flops, bytes, dispatches }: Omit<Work, "microseconds">, peaks: Peaks) {
  return {
    arithmetic: flops / peaks.gflops / 1e3,
    bandwidth: bytes / peaks.gbPerSecond / 1e3,
    launches: dispatches * peaks.launchUs,
  };
}

/**
 * The roofline's verdict (Williams et al. 2009), with the cost of a dispatch as a third limit: of several pieces of
 * work each has a limit of its own, and the one that takes the most time in sum names the verdict.
 */
export function verdict(work: Work | readonly Work[], peaks: Peaks): Verdict {
  const sums: Record<Bound, number> = { arithmetic: 0, bandwidth: 0, launches: 0 };
  let taken = 0;
  for (const part of [work].flat()) {
    const { arithmetic, bandwidth, launches } = limitsOf(part, peaks);
    if (launches >= arithmetic && launches >= bandwidth) sums.launches += launches;
    else if (arithmetic >= bandwidth) sums.arithmetic += arithmetic;
    else sums.bandwidth += bandwidth;
    taken += part.microseconds;
  }
  const order: readonly Bound[] = ["arithmetic", "bandwidth", "launches"];
  const bound = order.reduce((most, next) => (sums[next] > sums[most] ? next : most));
  const least = sums.arithmetic + sums.bandwidth + sums.launches;
  return { bound, share: taken > 0 ? least / taken : 0 };
}

/** The entries of a layer or an op kind in one phase, added up. */
export interface ProfileGroup extends Work, Verdict {
  /** Layer or op. */
  readonly name: string;
  readonly phase: Phase;
  /** Of the time of all entries. */
  readonly shareOfTime: number;
}

/** Adds entries up by layer or by op kind, forward, backward and update apart, in the order of their first run. */
export function groupProfile(
  entries: readonly ProfileEntry[],
  by: "layer" | "op",
  peaks: Peaks,
): ProfileGroup[] {
  const all = entries.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const groups = new Map<string, ProfileEntry[]>();
  for (const entry of entries) {
    const key = `${entry.phase} ${entry[by]}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  return [...groups.values()].map((group) => {
    const [first] = group as [ProfileEntry];
    const sum = (key: "microseconds" | "bytes" | "flops" | "dispatches") =>
      group.reduce((total, entry) => total + entry[key], 0);
    const microseconds = sum("microseconds");
    return {
      name: first[by],
      phase: first.phase,
      microseconds,
      shareOfTime: all > 0 ? microseconds / all : 0,
      bytes: sum("bytes"),
      flops: sum("flops"),
      dispatches: sum("dispatches"),
      ...verdict(group, peaks),
    };
  });
}

/**
 * Profiles in Chrome's trace format, for chrome://tracing and Perfetto: a process for each profile, a thread for each
 * phase, one dispatch behind the other.
 *
 * @param profiles by the name that the process is to have
 */
export function chromeTrace(profiles: Readonly<Record<string, readonly ProfileEntry[]>>): object {
  const phases: readonly Phase[] = ["forward", "backward", "update"];
  const events: object[] = [];
  for (const [k, [name, entries]] of Object.entries(profiles).entries()) {
    const pid = k + 1;
    events.push({ name: "process_name", ph: "M", pid, tid: 0, args: { name } });
    for (const [tid, phase] of phases.entries())
      events.push({ name: "thread_name", ph: "M", pid, tid, args: { name: phase } });
    let ts = 0;
    for (const { layer, phase, op, kernel, dispatches, microseconds, bytes, flops } of entries) {
      events.push({
        name: layer === "" ? op : `${layer} ${op}`,
        cat: phase,
        ph: "X",
        pid,
        tid: phases.indexOf(phase),
        ts,
        dur: microseconds,
        args: { kernel, dispatches, bytes, flops },
      });
      ts += microseconds;
    }
  }
  return { traceEvents: events, displayTimeUnit: "ms" };
}

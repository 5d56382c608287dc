import type { Device } from "../device";
import { DeviceLostError, GpuError } from "../errors";
import { compileGraph, type Executable } from "../executor";
import { SelectionError } from "../passes/select";
import type { Step } from "../passes/step";
import { WindowError } from "../passes/window";
import { runsBefore } from "../profile";
import { uniforms } from "../random";
import { mainOutput } from "../source";
import { State } from "../state";
import { createNode, type DType, type OpNode, type Shape, sizeOf, type Tensor, variable } from "../tensor";
import type { RoundTimes } from "./decide";

/** What the candidates of a step took. */
export interface Measurement {
  /** Those that were far behind have fewer than the others. */
  readonly times: RoundTimes;
  /** Why a candidate could not be run, by its name. */
  readonly failed: ReadonlyMap<string, string>;
}

export interface MeasureOptions {
  /** Milliseconds for the rounds of one step; at least `fewestRounds` are run. 200 if not given. */
  readonly budget?: number | undefined;
}

const fewestRounds = 5;
const mostRounds = 40;
/** A candidate whose best time is this many times the fastest's cannot win any more. */
const hopeless = 2;
/** Rounds before that is judged: one alone may have met another program's work. */
const trialRounds = 3;
/** Milliseconds of work between two looks at the clock, where there are no timestamps. */
const leastWall = 4;

/**
 * Times the candidates of one step on the device at the step's own shapes, by themselves, with random data: in rounds
 * in which each runs once, in turning order, so that a drifting clock meets all of them alike.
 *
 * @throws DeviceLostError
 */
export async function measure(
  step: Step,
  candidates: readonly string[],
  heuristic: string,
  device: Device,
  { budget = 200 }: MeasureOptions = {},
): Promise<Measurement> {
  const { node, last } = isolate(step);
  const state = new State(device);
  const graphs = new Map<string, Executable>();
  const failed = new Map<string, string>();
  const times = new Map<string, number[]>();
  try {
    for (const name of candidates) {
      const run = async () => {
        const choose = (n: OpNode) => (n === node ? name : undefined);
        const graph = await compileGraph({ outputs: {}, updates: [last] }, { device, state, choose });
        graphs.set(name, graph);
        // The first run pays for what drivers put off until then.
        await graph.run({}, []);
        await device.finish();
      };
      await unlessLost(run, (reason) => failed.set(name, reason));
    }
    const alive = candidates.filter((name) => !failed.has(name));
    const repeats = new Map<string, number>();
    const begin = performance.now();
    for (let round = 0; round < mostRounds; round++) {
      if (round >= fewestRounds && performance.now() - begin > budget) break;
      for (const name of round % 2 === 0 ? alive : [...alive].reverse()) {
        const graph = graphs.get(name);
        if (graph === undefined) continue;
        const time = device.features.has("timestamp-query")
          ? await deviceTime(graph, times.get(name)?.at(-1))
          : await wallTime(graph, repeats, name);
        times.set(name, [...(times.get(name) ?? []), time]);
      }
      if (round + 1 === trialRounds) dropHopeless(alive, times, heuristic);
      if (round + 1 >= trialRounds && alive.length < 2) break;
    }
    return { times, failed };
  } finally {
    for (const graph of graphs.values()) graph.close();
    state.close();
  }
}

/** A kernel that one adapter refuses, or that finds no memory, is no candidate there; a lost device is the end. */
async function unlessLost(work: () => Promise<void>, onFailure: (reason: string) => void): Promise<void> {
  try {
    await work();
  } catch (error) {
    const isFailure =
      error instanceof GpuError || error instanceof WindowError || error instanceof SelectionError;
    if (!isFailure || error instanceof DeviceLostError) throw error;
    onFailure(error.message);
  }
}

/** The heuristic's own choice stays: the others are compared with it round by round. */
function dropHopeless(alive: string[], times: RoundTimes, heuristic: string): void {
  const best = (name: string) => Math.min(...(times.get(name) ?? []));
  const fastest = Math.min(...alive.map(best));
  for (const name of [...alive])
    if (name !== heuristic && best(name) > hopeless * fastest) alive.splice(alive.indexOf(name), 1);
}

/** Microseconds of one run by the device's own clock; `last` is what the one before took. */
async function deviceTime(graph: Executable, last: number | undefined): Promise<number> {
  const nanoseconds = await graph.profile({}, runsBefore(last));
  return nanoseconds.reduce((sum, time) => sum + time, 0) / 1000;
}

/** Microseconds of one run by the host's clock, over as many runs as make the clock's steps small. */
async function wallTime(graph: Executable, repeats: Map<string, number>, name: string): Promise<number> {
  for (;;) {
    const count = repeats.get(name) ?? 1;
    const begin = performance.now();
    await Promise.all(Array.from({ length: count }, () => graph.run({}, [])));
    await graph.device.finish();
    const taken = performance.now() - begin;
    if (taken >= leastWall || count >= 1024) return (1000 * taken) / count;
    repeats.set(name, 2 * count);
  }
}

/** The same step on variables of its own: what made its inputs is not to be run. */
function isolate({ node, epilogue }: Step): { readonly node: OpNode; readonly last: Tensor } {
  const copies = new Map<number, Tensor>();
  const copy = (t: Tensor): Tensor => {
    const known = copies.get(t.id);
    if (known !== undefined) return known;
    const made = variable(`operand${copies.size}`, t.shape, (shape) => values(shape, t.dtype), {
      dtype: t.dtype,
    });
    copies.set(t.id, made);
    return made;
  };
  const repeat = (n: OpNode): OpNode => {
    const inputs = Object.fromEntries(Object.entries(n.inputs).map(([name, t]) => [name, copy(t)]));
    const { op, attrs, sizes } = n;
    const made = createNode<OpNode>({ kind: "op", op, inputs, attrs, sizes }, n.outputs);
    for (const [name, t] of Object.entries(n.outputs)) copies.set(t.id, made.outputs[name] as Tensor);
    return made;
  };
  const first = repeat(node);
  const last = epilogue.reduce((_, next) => repeat(next), first);
  return { node: first, last: last.outputs[mainOutput(last)] as Tensor };
}

const pattern = 2 ** 16;

/** Numbers from 0 to 1, in whichever type, or small whole ones: labels and indices that every op accepts. */
function values(shape: Shape, dtype: DType): Float32Array {
  const bytes = new Float32Array(sizeOf(shape));
  const random = uniforms(1, bytes.length, Math.min(pattern, bytes.length));
  // One half float in each half of a word, between 0.5 and 1.
  const half = (u: number) => 0x3800 + Math.floor(u * 0x400);
  const words =
    dtype === "f32"
      ? random
      : new Float32Array(
          Uint32Array.from(random, (u) => (dtype === "u32" ? Math.floor(u * 4) : half(u) * 0x10001)).buffer,
        );
  for (let at = 0; at < bytes.length; at += words.length)
    bytes.set(words.subarray(0, Math.min(words.length, bytes.length - at)), at);
  return bytes;
}

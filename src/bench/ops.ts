import type { Device } from "../device";
import { compileGraph } from "../executor";
import { mapValues } from "../op";
import { bytesMoved } from "../passes/step";
import { runsBefore, verdict } from "../profile";
import type { OpNode } from "../tensor";
import type { Bench } from "./bench";
import type { OpRow } from "./rows";
import { spreadOf } from "./statistics";

/** An op at one size: a node whose inputs are inputs of the graph, or variables where the op overwrites them. */
export interface OpCase {
  /** What it is at this size, in words. */
  readonly why: string;
  readonly node: OpNode;
  /** Data for a run, by the name of the input. */
  values(run: number): Readonly<Record<string, Float32Array | Uint32Array>>;
}

export interface OpBenchOptions {
  /** Most runs that count; 40 if not given. */
  readonly samples?: number | undefined;
  /** Seconds after which fewer runs are enough, of which there are at least five; 1 if not given. */
  readonly seconds?: number | undefined;
}

/**
 * Times an op with the device's own clock around each of its dispatches: what the host does is not in it.
 *
 * @throws GpuError when the adapter has no timestamp queries
 */
export async function benchOp(
  device: Device,
  { why, node, values }: OpCase,
  { peaks, circumstances }: Pick<Bench, "peaks" | "circumstances">,
  { samples = 40, seconds = 1 }: OpBenchOptions = {},
): Promise<OpRow> {
  const { op, inputs, outputs, sizes } = node;
  const kept = Object.entries(outputs).filter(([name]) => op.inPlace[name] === undefined);
  const updates = kept.length === 0 ? Object.values(outputs) : [];
  const graph = await compileGraph({ outputs: Object.fromEntries(kept), updates }, { device });
  try {
    let last: number | undefined;
    const run = async (k: number): Promise<number> => {
      const data: Record<string, Float32Array | Uint32Array> = {};
      for (const [name, value] of Object.entries(values(k))) {
        if (inputs[name]?.node.kind !== "variable") data[name] = value;
        else if (value instanceof Float32Array) graph.state.write(name, value);
      }
      const all = await graph.profile(data, runsBefore(last));
      last = all.reduce((sum, time) => sum + time, 0) / 1e3;
      return last;
    };
    await run(0); // compiles
    await run(1);
    const times: number[] = [];
    const end = performance.now() + 1e3 * seconds;
    while (times.length < Math.min(5, samples) || (times.length < samples && performance.now() < end))
      times.push(await run(times.length + 2));
    const time = spreadOf(times);
    const flops = op.flops(sizes);
    const bytes = bytesMoved({ node, epilogue: [] });
    return {
      op: op.name,
      case: why,
      shapes: mapValues(inputs, ({ shape }) => shape),
      kernels: graph.plan.steps.map(({ program }) => program.label),
      time,
      flops,
      bytes,
      gflops: flops / time.median / 1e3,
      gbPerSecond: bytes / time.median / 1e3,
      ...verdict({ flops, bytes, dispatches: graph.dispatchCount, microseconds: time.median }, peaks),
      peaks,
      circumstances,
    };
  } finally {
    graph.close();
  }
}

import { type Device, openDevice } from "../device";
import { DeviceLostError } from "../errors";
import type { Model } from "../nn/model";
import { type Bench, openBench } from "./bench";
import { benchNetwork, type NetworkBenchOptions } from "./network";
import { benchOp, type OpBenchOptions, type OpCase } from "./ops";
import type { BenchMode, NetworkRow, OpRow, Precision } from "./rows";

/** What a run of many rows tells while it goes on. */
export type BenchEvent<Row> =
  | { readonly kind: "adapter"; readonly bench: Bench }
  /** A row begins. */
  | { readonly kind: "start"; readonly title: string }
  | { readonly kind: "row"; readonly row: Row }
  /** A row, or a whole adapter, that could not be measured; the others go on. */
  | { readonly kind: "failure"; readonly title: string; readonly error: Error };

export interface RunOptions {
  /** As for `openBench`, one after the other; the system's choice alone if not given. */
  readonly adapters?: readonly (string | undefined)[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface NetworkRunOptions
  extends RunOptions,
    Omit<NetworkBenchOptions, "mode" | "batch" | "precision"> {
  readonly modes: readonly BenchMode[];
  readonly batches: readonly number[];
  readonly precisions?: readonly Precision[] | undefined;
}

/**
 * Times models in every combination of mode, precision and batch on every adapter. A combination that fails, because
 * its batch is too large for the adapter, say, leaves the others alone.
 *
 * @example
 * for await (const event of benchNetworks([resnet50(), vgg16()], { modes: ["train"], batches: [1, 8] }))
 *   if (event.kind === "row") console.log(event.row.model, event.row.batch, event.row.imagesPerSecond);
 * @throws the signal's reason; what `openBench` throws when there is but one adapter
 */
export async function* benchNetworks(
  models: readonly Model[],
  { modes, batches, precisions = ["float32"], adapters, ...options }: NetworkRunOptions,
): AsyncGenerator<BenchEvent<NetworkRow>, void, undefined> {
  const cases = models.flatMap((model) =>
    modes.flatMap((mode) =>
      precisions.flatMap((precision) =>
        batches.map((batch) => ({
          title: `${model.name} ${mode}, batch ${batch}, ${model.input[0]} px`,
          run: (bench: Bench) => benchNetwork(model, bench, { ...options, mode, precision, batch }),
        })),
      ),
    ),
  );
  for await (const bench of benches(adapters, options.signal)) {
    yield bench;
    if (bench.kind !== "adapter") continue;
    for (const { title, run } of cases) {
      yield { kind: "start", title };
      yield await attempt(title, options.signal, () => run(bench.bench));
    }
  }
}

/**
 * Times single ops on every adapter.
 *
 * @throws as `benchNetworks`
 */
export async function* benchOps(
  cases: readonly OpCase[],
  { adapters, signal, ...options }: RunOptions & OpBenchOptions = {},
): AsyncGenerator<BenchEvent<OpRow>, void, undefined> {
  for await (const bench of benches(adapters, signal)) {
    yield bench;
    if (bench.kind !== "adapter") continue;
    let device: Device | undefined;
    try {
      for (const case_ of cases) {
        const title = `${case_.node.op.name}: ${case_.why}`;
        yield { kind: "start", title };
        const event = await attempt(title, signal, async () => {
          device ??= await openDevice({ adapter: bench.bench.adapter });
          return benchOp(device, case_, bench.bench, options);
        });
        yield event;
        // The next op gets a device that works.
        if (event.kind === "failure" && event.error instanceof DeviceLostError) {
          device?.close();
          device = undefined;
        }
      }
    } finally {
      device?.close();
    }
  }
}

async function* benches(
  adapters: readonly (string | undefined)[] = [undefined],
  signal: AbortSignal | undefined,
): AsyncGenerator<BenchEvent<never>, void, undefined> {
  for (const adapter of adapters) {
    signal?.throwIfAborted();
    try {
      yield { kind: "adapter", bench: await openBench(adapter) };
    } catch (error) {
      if (adapters.length === 1 || !(error instanceof Error)) throw error;
      yield { kind: "failure", title: `adapter ${adapter ?? "by default"}`, error };
    }
  }
}

async function attempt<Row>(
  title: string,
  signal: AbortSignal | undefined,
  work: () => Promise<Row>,
): Promise<BenchEvent<Row>> {
  signal?.throwIfAborted();
  try {
    return { kind: "row", row: await work() };
  } catch (error) {
    if (signal?.aborted || !(error instanceof Error)) throw error;
    return { kind: "failure", title, error };
  }
}

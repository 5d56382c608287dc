import { listAdapters } from "../adapters";
import { openDevice } from "../device";
import { NoAdapterError } from "../errors";
import type { Peaks } from "../profile";
import { type Circumstances, circumstancesOf } from "./circumstances";
import { measurePeaks } from "./peaks";

/** An adapter on which work is timed, with what it can do at best. */
export interface Bench {
  /** The name or the index by which `openDevice` chooses it; the system's choice if not given. */
  readonly adapter: string | undefined;
  readonly peaks: Peaks;
  readonly circumstances: Circumstances;
}

/**
 * Measures an adapter's peaks and notes the circumstances: what figures on it are to be read against.
 *
 * @param adapter as for `openDevice`
 * @example
 * const bench = await openBench();
 * const row = await benchNetwork(resnet50(), bench, { mode: "train", batch: 8 });
 * console.log(row.imagesPerSecond, row.shareOfPeak);
 * @throws NoAdapterError, OutOfMemoryError
 */
export async function openBench(adapter?: string): Promise<Bench> {
  const device = await openDevice({ adapter });
  try {
    return { adapter, peaks: await measurePeaks(device), circumstances: await circumstancesOf(device) };
  } finally {
    device.close();
  }
}

/** What to open for each adapter of this machine. @throws NoAdapterError when there is none */
export async function everyAdapter(): Promise<string[]> {
  const found = await listAdapters();
  if (found.length === 0) throw new NoAdapterError("no WebGPU adapter found; see `striate devices`");
  return found.map((_, index) => String(index));
}

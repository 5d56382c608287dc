import type { Device } from "../device";
import { LimitError, OutOfMemoryError } from "../errors";
import { WindowError } from "../passes/window";
import { allocated, type Plan } from "../plan";

/** Batches to try below one that does not fit: each is answered with whether it fits. Returns the largest that does, or 0. */
function* smallerBatches(batch: number): Generator<number, number, boolean> {
  let fits = 0;
  for (let fails = batch; fails - fits > 1; ) {
    const next = fits + Math.floor((fails - fits) / 2);
    if (yield next) fits = next;
    else fails = next;
  }
  return fits;
}

/** The plan for a batch, or undefined where a tensor is past a limit. */
function planned(planFor: (batch: number) => Plan, batch: number): Plan | undefined {
  try {
    return planFor(batch);
  } catch (error) {
    if (error instanceof LimitError) return undefined;
    throw error;
  }
}

/** Makes a plan; where a tensor is past the adapter's limits, the error says which batch would fit. */
export function planOrSuggest(batch: number, planFor: (batch: number) => Plan): Plan {
  try {
    return planFor(batch);
  } catch (error) {
    if (!(error instanceof LimitError)) throw error;
    const search = smallerBatches(batch);
    let step = search.next();
    while (step.done !== true) step = search.next(planned(planFor, step.value) !== undefined);
    throw suggesting(error, batch, step.value);
  }
}

/** Compiles; where memory does not suffice or a tensor is past a limit, the error says which batch would fit. */
export async function compileOrSuggest<T>(
  device: Device,
  batch: number,
  planFor: (batch: number) => Plan,
  compile: () => Promise<T>,
): Promise<T> {
  try {
    return await compile();
  } catch (error) {
    if (!(error instanceof LimitError || error instanceof OutOfMemoryError)) throw error;
    const search = smallerBatches(batch);
    let step = search.next();
    while (step.done !== true) {
      const plan = planned(planFor, step.value);
      // How much memory there is, no adapter tells: it must be tried.
      const fits =
        plan !== undefined &&
        (error instanceof LimitError ||
          (await device.hasRoomFor(buffersOf(plan, device.limits.maxBufferSize))));
      step = search.next(fits);
    }
    throw suggesting(error, batch, step.value);
  }
}

/** The buffers that a plan takes, what is not activations put together. */
function buffersOf({ memory, bytes }: Plan, most: number): number[] {
  const sizes = memory.buffers.map(allocated);
  for (let rest = bytes.total - bytes.activations; rest > 0; rest -= most) sizes.push(Math.min(rest, most));
  return sizes;
}

function suggesting<E extends LimitError | OutOfMemoryError>(error: E, batch: number, fits: number) {
  const advice =
    fits > 0
      ? `batch ${batch} does not fit, batch ${fits} would`
      : batch > 1
        ? `batch ${batch} does not fit, nor does batch 1`
        : "not even batch 1 fits";
  const message = `${error.message}; ${advice}`;
  const options = { cause: error };
  if (error instanceof OutOfMemoryError)
    return new OutOfMemoryError(message, error.requestedBytes, error.liveBytes, error.peakBytes, options);
  const Kind = error instanceof WindowError ? WindowError : LimitError;
  return new Kind(message, error.neededBytes, error.limitBytes, options);
}

/** The share of a wait that its last look for the result may come late, and the most that it may, in milliseconds. */
const share = 1 / 16;
const longest = 2;
/** A sleep below this costs more than it saves. */
const shortest = 0.05;

let waits = 0;
let since = 0;
let isScheduled = false;
let cell: Int32Array | undefined;

/**
 * Waits for work of Dawn's, and leaves the core to others meanwhile. In Node, Dawn looks for finished work in every turn
 * of the event loop, as fast as the loop goes: that takes a whole core, of which a software adapter makes better use.
 * Here every turn sleeps for a moment too, the longer the wait has lasted; events and timers are served in between.
 *
 * @example await resting(staging.mapAsync(GPUMapMode.READ))
 */
export async function resting<T>(work: Promise<T>): Promise<T> {
  waits++;
  since = performance.now();
  if (!isScheduled) schedule();
  try {
    return await work;
  } finally {
    waits--;
  }
}

function schedule(): void {
  isScheduled = true;
  setImmediate(() => {
    isScheduled = false;
    if (waits === 0) return;
    const sleep = Math.min(share * (performance.now() - since), longest);
    cell ??= new Int32Array(new SharedArrayBuffer(4));
    if (sleep >= shortest) Atomics.wait(cell, 0, 0, sleep);
    schedule();
  });
}

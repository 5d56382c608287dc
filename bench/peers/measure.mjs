import { digestOf } from "./digest.mjs";
import { resting } from "./resting.mjs";

/**
 * A library that takes part. `prepare` throws where it cannot do a row; one whose first runs can take many minutes says
 * `isSlowToStart`.
 *
 * @typedef {{ name: string, version: string, isSlowToStart?: boolean, prepare(row: import("./work.mjs").Row): Promise<Job>,
 *   close(): Promise<void> }} Peer
 *
 * A row in one library. `run` enqueues the work once, `finish` resolves when the adapter has done all that was
 * submitted; `results` are those of the last run, in the layouts of work.mjs and parameters.mjs.
 *
 * @typedef {{ run(): void | Promise<void>, finish(): Promise<void>,
 *   results(): Promise<Record<string, ArrayLike<number>>>, close(): void | Promise<void> }} Job
 *
 * @typedef {{ median: number, low: number, high: number }} Spread median and quartiles
 *
 * @typedef {object} Measured one row of one library
 * @property {string} peer
 * @property {string} version
 * @property {string} [error] why it could not
 * @property {number} [first] milliseconds of the first run, compilation included
 * @property {number[]} times milliseconds a run, one a round
 * @property {Spread} [time]
 * @property {Spread} [ratio] its time over Striate's in the same round
 * @property {number} [difference] largest relative difference of its results from Striate's
 * @property {Record<string, import("./digest.mjs").Digest>} [digest] of Striate's results, for those of other processes
 * @property {Spread} [share] of the adapter's peak that bounds the row, measured in the same rounds
 *
 * @typedef {{ arithmetic: number, bandwidth: number }} Peaks additions and multiplications, bytes, a second
 *
 * @typedef {{ row: string, goal?: number, share?: { of: string, goal: number }, measured: Measured[], peaks: Peaks[] }}
 *   Result
 */

/** @param {readonly number[]} values @returns {Spread} */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q) => {
    const place = q * (sorted.length - 1);
    const below = sorted[Math.floor(place)];
    return below + (place % 1) * (sorted[Math.ceil(place)] - below);
  };
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}

/** ‖a − b‖ / ‖b‖, in the Euclidean norm: rounding errors in a different order must not look like wrong results. */
function relativeDifference(a, b) {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`);
  let error = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    error += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(error / size);
}

/**
 * The largest relative difference over the results that both have.
 *
 * @param {Record<string, ArrayLike<number>>} own
 * @param {Record<string, ArrayLike<number>>} reference
 */
export function compare(own, reference) {
  const names = Object.keys(own).filter((name) => name in reference);
  if (names.length === 0) throw new Error("no results in common");
  let worst = 0;
  for (const name of names) {
    const difference = relativeDifference(own[name], reference[name]);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

/** Milliseconds of `count` runs, from the first call to the completed queue, divided by `count`. */
async function sample(job, count, isNetwork = false) {
  const start = performance.now();
  await (isNetwork ? batches(job, count) : resting(runs(job, count)));
  return (performance.now() - start) / count;
}

/** A library that takes work without a pause may gather it: it is given none. */
async function runs(job, count) {
  for (let k = 0; k < count; k++) {
    const running = job.run();
    if (running !== undefined) await running;
  }
  await job.finish();
}

/** As in a program that reads batches: libraries get to know which of their buffers are free again. */
async function batches(job, count) {
  for (let k = 0; k < count; k++) {
    await job.run();
    await turn();
  }
  await resting(job.finish());
}

/** A turn of the event loop. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Every library's sample lasts long enough for the clock and for waking up. */
const wanted = 40;

/** A GPU that has waited runs at a third of its speed or less, and seems to need 0.1 to 0.25 s of work to leave that. */
const warming = 300;

/** Runs a library's work untimed, until a GPU has its clock again. */
async function keepBusy(job, count, isNetwork) {
  const start = performance.now();
  do await sample(job, count, isNetwork);
  while (performance.now() - start < warming);
}

/** How many runs make a sample: waking up is most of what a single short run takes, so that a few have to be timed. */
async function runsFor(job, isNetwork) {
  for (let count = 1; ; ) {
    const enough = Math.ceil(wanted / (await sample(job, count, isNetwork)));
    if (enough <= 2 * count) return enough;
    count = enough;
  }
}

/** Short rows take more rounds: a busy neighbour must not decide them. */
const mostRounds = 25;

/**
 * `refuse` says why a library should not be tried at all.
 *
 * @typedef {{ tolerance: number, isGpu: boolean, meter?: { sample(): Promise<Peaks> }, say: (text: string) => void,
 *   refuse: (peer: Peer, row: import("./work.mjs").Row) => Promise<string | undefined> }} Options
 */

/**
 * A row that is being measured. When it is opened, every library runs once and its results are compared with the first
 * one's (Striate). Then they take turns, A B C A B C, as often as told. The adapter's peaks are measured within each round,
 * right after Striate, because the machine drifts. On a GPU each sample comes after untimed work of the same library:
 * another's turn may leave it idle for most of a second.
 */
export class Measurement {
  #row;
  #options;
  /** @type {{ job: Job, measured: Measured, count: number }[]} */
  #taking = [];
  /** @type {Measured[]} */
  #all = [];
  /** @type {Peaks[]} */
  #peaks = [];

  /** @param {import("./work.mjs").Row} row @param {Options} options */
  constructor(row, options) {
    this.#row = row;
    this.#options = options;
  }

  /** @param {import("./work.mjs").Row} row @param {readonly Peer[]} peers @param {Options} options */
  static async open(row, peers, options) {
    const made = new Measurement(row, options);
    try {
      let reference;
      for (const peer of peers) {
        reference = await made.#admit(peer, reference);
        // Without Striate there is nothing to compare.
        if (reference === undefined) break;
      }
      for (const taker of made.#taking) {
        if (options.isGpu) await keepBusy(taker.job, 1, made.#isNetwork);
        taker.count = await runsFor(taker.job, made.#isNetwork);
      }
      return made;
    } catch (error) {
      await made.close();
      throw error;
    }
  }

  get #isNetwork() {
    return this.#row.kind === "network";
  }

  /** Lets a library take part if its results are those of the reference, or become it. Returns the reference. */
  async #admit(peer, reference) {
    const { tolerance, refuse, say } = this.#options;
    /** @type {Measured} */
    const measured = { peer: peer.name, version: peer.version, times: [] };
    this.#all.push(measured);
    say(`${this.#row.id}: ${peer.name}`);
    let job;
    try {
      const refusal = await refuse(peer, this.#row);
      if (refusal !== undefined) throw new Error(refusal);
      job = await peer.prepare(this.#row);
      measured.first = await sample(job, 1);
      const results = await job.results();
      if (reference === undefined) measured.digest = digestOf(results);
      measured.difference = compare(results, reference ?? results);
      if (!(measured.difference <= tolerance)) {
        throw new Error(
          `results differ by ${measured.difference.toPrecision(2)}, relative; at most ${tolerance}`,
        );
      }
      this.#taking.push({ job, measured, count: 1 });
      return reference ?? results;
    } catch (error) {
      measured.error = (error instanceof Error ? error.message : String(error)).split("\n")[0];
      await job?.close();
      return reference;
    }
  }

  /**
   * So many rounds at least, and more while they last less than so many seconds; all of them or one of `parts` that are to
   * come at different times.
   *
   * @param {{ rounds: number, seconds: number }} options @param {number} [parts]
   */
  async takeTurns({ rounds, seconds }, parts = 1) {
    const { isGpu, meter, say } = this.#options;
    const start = performance.now();
    for (let round = 0; round < mostRounds / parts; round++) {
      if (round >= rounds / parts && performance.now() - start > (1000 * seconds) / parts) break;
      for (const { job, measured, count } of this.#taking) {
        say(`${this.#row.id}: round ${measured.times.length + 1}, ${measured.peer}`);
        if (isGpu) await keepBusy(job, count, this.#isNetwork);
        measured.times.push(await sample(job, count, this.#isNetwork));
        if (measured === this.#all[0] && this.#row.share !== undefined)
          this.#peaks.push(await meter.sample());
      }
    }
  }

  /** What has been measured so far. @returns {Result} */
  result() {
    const { id: row, goal, share } = this.#row;
    summarize(this.#row, this.#all, this.#peaks);
    return { row, goal, share, measured: this.#all, peaks: this.#peaks };
  }

  async close() {
    for (const { job } of this.#taking) await job.close();
  }
}

/** @param {import("./work.mjs").Row} row @param {Measured[]} all @param {readonly Peaks[]} peaks */
export function summarize({ share, flops, bytes }, all, peaks) {
  const base = all[0].times;
  const work = share?.of === "arithmetic" ? flops : bytes;
  for (const measured of all) {
    const { times } = measured;
    if (times.length === 0) continue;
    measured.time = spread(times);
    if (base.length > 0) measured.ratio = spread(times.map((time, k) => time / base[k]));
    if (peaks.length > 0) {
      measured.share = spread(times.map((time, k) => (1000 * work) / time / peaks[k][share.of]));
    }
  }
}

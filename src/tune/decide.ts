import { spreadOf } from "../bench/statistics";

/** Times of a step's candidates by name, in microseconds. The k-th times of all were taken in the same round. */
export type RoundTimes = ReadonlyMap<string, readonly number[]>;

/** By how much a candidate's median must be below the heuristic's: less than that is as likely noise. */
const margin = 0.05;
/** In how many of the rounds it must be faster. */
const mostRounds = 0.75;

/**
 * The candidate to take: the heuristic's, unless another is faster by a clear margin and in most rounds. A close call
 * would change from one tuning to the next, and results with it.
 *
 * @example decide(new Map([["tiled64", [101, 99, 100]], ["tiled32", [80, 82, 81]]]), "tiled64") // "tiled32"
 */
export function decide(times: RoundTimes, heuristic: string): string {
  const base = times.get(heuristic);
  const median = (samples: readonly number[]) => spreadOf(samples).median;
  const order = [...times].sort(([, a], [, b]) => median(a) - median(b));
  if (base === undefined || base.length === 0) return order[0]?.[0] ?? heuristic;
  for (const [name, samples] of order) {
    if (name === heuristic) break;
    if (samples.length < base.length) continue; // given up early
    const wins = samples.filter((time, round) => time < (base[round] ?? Number.NEGATIVE_INFINITY)).length;
    if (median(samples) <= (1 - margin) * median(base) && wins >= mostRounds * samples.length) return name;
  }
  return heuristic;
}

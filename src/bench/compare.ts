import { type BenchRow, isOpRow, keyOfRow } from "./rows";
import { rankTest, type Spread } from "./statistics";

export type ChangeVerdict = "faster" | "slower" | "within the noise" | "too few samples";

/** A row against an older one of the same work on the same adapter. */
export interface Change {
  /** Median times, in the row's unit: milliseconds of a network's step, microseconds of an op. */
  readonly before: number;
  readonly after: number;
  /** Of the time: −0.1 takes a tenth less. */
  readonly change: number;
  /** Probability of so different samples, or more different ones, if nothing had changed. */
  readonly p: number;
  readonly verdict: ChangeVerdict;
  /** What else is not as it was, such as `driver`: the change may come from there. */
  readonly circumstances: readonly string[];
}

const fewest = 4;
const significant = 0.01;

/**
 * Compares a row with the newest of the old rows that has its key. A change counts when the samples differ in rank
 * beyond chance (p < 0.01) and the new median lies outside the old quartiles, which slow drift of a machine does not
 * easily pass.
 *
 * @returns undefined where the old rows have no such work on that adapter
 */
export function compareRow(row: BenchRow, old: readonly BenchRow[]): Change | undefined {
  const key = keyOfRow(row);
  const found = old.findLast((other) => keyOfRow(other) === key);
  if (found === undefined) return undefined;
  const [before, after] = [timesOf(found), timesOf(row)];
  const p = rankTest(before.samples, after.samples);
  return {
    before: before.median,
    after: after.median,
    change: after.median / before.median - 1,
    p,
    verdict: judge(before, after, p),
    circumstances: differing(found, row),
  };
}

const timesOf = (row: BenchRow): Spread => (isOpRow(row) ? row.time : row.step);

function judge(before: Spread, after: Spread, p: number): ChangeVerdict {
  if (Math.min(before.samples.length, after.samples.length) < fewest) return "too few samples";
  if (p >= significant) return "within the noise";
  if (after.median < before.low) return "faster";
  return after.median > before.high ? "slower" : "within the noise";
}

function differing({ circumstances: a }: BenchRow, { circumstances: b }: BenchRow): string[] {
  const names = ["driver", "backend", "os", "cpu", "node", "webgpu", "toggles"] as const;
  return names.filter((name) => String(a[name]) !== String(b[name]));
}

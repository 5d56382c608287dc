/** Times of repeated work: order statistics, because times have a floor and a long tail. */
export interface Spread {
  readonly median: number;
  /** 19 of 20 were at most this. */
  readonly p95: number;
  readonly min: number;
  /** First and third quartile. */
  readonly low: number;
  readonly high: number;
  /** All of them, in the order in which they were taken. */
  readonly samples: readonly number[];
}

/** The value below which a share `q` of the sorted values lies, between two of them by interpolation. */
export function quantile(sorted: readonly number[], q: number): number {
  const place = q * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (place % 1) * (above - below);
}

export function spreadOf(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    min: quantile(sorted, 0),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    samples,
  };
}

/**
 * Probability that two samples differ in rank as much as these, or more, if they came from one distribution: the
 * two-sided test of Mann & Whitney (1947), normal approximation with corrections for ties and continuity. It assumes
 * nothing about the distribution's form, which the tails of times would break.
 */
export function rankTest(a: readonly number[], b: readonly number[]): number {
  const all = [...a.map((value) => ({ value, isA: true })), ...b.map((value) => ({ value, isA: false }))];
  all.sort((x, y) => x.value - y.value);
  let ranksOfA = 0;
  let ties = 0;
  for (let from = 0; from < all.length; ) {
    let to = from + 1;
    while (to < all.length && all[to]?.value === all[from]?.value) to++;
    const rank = (from + 1 + to) / 2;
    for (let k = from; k < to; k++) if (all[k]?.isA) ranksOfA += rank;
    ties += (to - from) ** 3 - (to - from);
    from = to;
  }
  const [n, m] = [a.length, b.length];
  const total = n + m;
  const u = ranksOfA - (n * (n + 1)) / 2;
  const variance = ((n * m) / 12) * (total + 1 - ties / (total * (total - 1)));
  if (!(variance > 0)) return 1;
  const z = Math.max(0, Math.abs(u - (n * m) / 2) - 0.5) / Math.sqrt(variance);
  return Math.min(1, 2 * upperTail(z));
}

/** P(Z > z) for a normal Z and z ≥ 0, to 7.5e-8 (Abramowitz & Stegun 26.2.17). */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const polynomial =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
}

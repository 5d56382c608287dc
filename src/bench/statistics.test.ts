import { describe, expect, it } from "vitest";
import { quantile, rankTest, spreadOf } from "./statistics";

describe("spreadOf", () => {
  it("gives order statistics, whatever the order, and keeps the samples in theirs", () => {
    const samples = [5, 1, 4, 2, 3];
    expect(spreadOf(samples)).toEqual({ median: 3, min: 1, low: 2, high: 4, p95: 4.8, samples });
    expect(samples).toEqual([5, 1, 4, 2, 3]);
  });

  it("takes one sample for all of them", () => {
    expect(spreadOf([7])).toEqual({ median: 7, p95: 7, min: 7, low: 7, high: 7, samples: [7] });
  });

  it("interpolates as numpy does", () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([10, 20], 0.95)).toBeCloseTo(19.5, 12);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

// Expected figures: erfc(|z| / √2) in double precision, as scipy.stats.mannwhitneyu(a, b, method="asymptotic") has it.
describe("rankTest", () => {
  it("agrees with known values", () => {
    expect(rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])).toBeCloseTo(0.0121857804, 6);
    expect(rankTest([6, 7, 8, 9, 10], [1, 2, 3, 4, 5])).toBeCloseTo(0.0121857804, 6);
  });

  it("corrects for ties", () => {
    expect(rankTest([1, 1, 2, 2], [2, 3, 3, 4])).toBeCloseTo(0.051508336, 6);
  });

  it("finds nothing where there is nothing", () => {
    expect(rankTest([1, 2, 3], [1, 2, 3])).toBeCloseTo(1, 6);
    expect(rankTest([4, 4, 4], [4, 4, 4])).toBe(1);
    expect(rankTest([], [1, 2])).toBe(1);
  });

  it("does not care how far an outlier lies", () => {
    expect(rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 1e9])).toBe(rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]));
  });
});

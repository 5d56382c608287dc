import { describe, expect, it } from "vitest";
import { bestRate } from "./peaks";

/** A machine of so many units a second that takes a while to wake the host; `noise` multiplies the time of a run. */
function machine(unitsPerSecond: number, latency: number, noise: (run: number) => number = () => 1) {
  const amounts: number[] = [];
  const run = async (amount: number) => {
    amounts.push(amount);
    return {
      units: 1000 * amount,
      seconds: latency + (1000 * amount * noise(amounts.length)) / unitsPerSecond,
    };
  };
  return { amounts, run };
}

describe("bestRate", () => {
  it("grows the work until a fast machine's latency does not show", async () => {
    const { run, amounts } = machine(1e12, 50e-6);
    const rate = await bestRate(run);
    expect(rate).toBeGreaterThan(0.99e12);
    expect(rate).toBeLessThanOrEqual(1e12);
    expect(Math.max(...amounts)).toBeGreaterThan(1e7);
  });

  it("gives a slow machine no more than it can bear", async () => {
    const { run, amounts } = machine(2000, 0);
    expect(await bestRate(run)).toBeCloseTo(2000, 6);
    expect(Math.max(...amounts)).toBe(1);
    // Half a second a run: the time is up at once.
    expect(amounts.length).toBeLessThan(4);
  });

  it("takes the best of noisy runs", async () => {
    const { run } = machine(1e9, 0, (k) => (k % 3 === 0 ? 1 : 1.7));
    expect(await bestRate(run)).toBeCloseTo(1e9, -3);
  });

  it("keeps to the most that it may ask for", async () => {
    const { run, amounts } = machine(1e15, 1e-6);
    await bestRate(run, { most: 40 });
    expect(Math.max(...amounts)).toBe(40);
  });
});

import { describe, expect, it } from "vitest";
import { timeSteps } from "./step-timer";

/** A device whose steps take the given milliseconds, on a clock that only they and preparing move. */
function fakeDevice(costs: (step: number) => number) {
  let now = 0;
  let step = 0;
  const prepared: number[] = [];
  return {
    prepared,
    now: () => now,
    prepare: async (steps: number) => {
      prepared.push(steps);
      now += 1000;
    },
    run: async () => {
      now += costs(step++);
    },
  };
}

describe("timeSteps", () => {
  it("leaves warm-up and preparation out", async () => {
    const device = fakeDevice((step) => (step === 0 ? 500 : step < 3 ? 50 : 10 + step));
    const told: number[] = [];
    const { spread, first, stepsPerSample } = await timeSteps(device, {
      warm: 3,
      samples: 4,
      now: device.now,
      onProgress: (done) => told.push(done),
    });
    expect(first).toBe(500);
    expect(stepsPerSample).toBe(1);
    expect(spread.samples).toEqual([13, 14, 15, 16]);
    expect(told).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(device.prepared).toEqual(new Array(7).fill(1));
  });

  it("without warm-up the cold first step is a sample", async () => {
    const device = fakeDevice((step) => (step === 0 ? 500 : 20));
    const options = { warm: 0, now: device.now };
    expect(await timeSteps(device, { ...options, samples: 1 })).toMatchObject({
      first: 500,
      spread: { samples: [500] },
    });
    expect(device.prepared).toEqual([1]);
    const again = fakeDevice((step) => (step === 0 ? 500 : 20));
    const { spread } = await timeSteps(again, { warm: 0, samples: 3, now: again.now });
    expect(spread.samples).toEqual([500, 20, 20]);
  });

  it("times short steps several at a time, each with data of its own", async () => {
    const device = fakeDevice(() => 0.25);
    const { spread, stepsPerSample } = await timeSteps(device, { warm: 2, samples: 3, now: device.now });
    expect(stepsPerSample).toBe(8);
    expect(spread.samples).toEqual([0.25, 0.25, 0.25]);
    expect(device.prepared).toEqual([1, 1, 8, 8, 8]);
  });

  it("stops between two steps when asked to", async () => {
    const stop = new AbortController();
    const device = fakeDevice(() => 5);
    const timing = timeSteps(device, {
      warm: 1,
      samples: 10,
      now: device.now,
      signal: stop.signal,
      onProgress: (done) => done === 3 && stop.abort(new Error("enough")),
    });
    await expect(timing).rejects.toThrow("enough");
    expect(device.prepared).toHaveLength(3);
  });
});

import { describe, expect, it } from "vitest";
import { chromeTrace, groupProfile, type ProfileEntry, verdict } from "./profile";

const peaks = { gflops: 10, gbPerSecond: 2, launchUs: 5 };
const entry = (changes: Partial<ProfileEntry>): ProfileEntry => ({
  layer: "conv1",
  phase: "forward",
  op: "conv2d",
  kernel: "conv2d/direct",
  dispatches: 1,
  microseconds: 100,
  bytes: 0,
  flops: 0,
  ...changes,
});

describe("verdict", () => {
  it("names the limit that asks for the most time, and how much of the time it explains", () => {
    // 500,000 FLOP at 10 GFLOP/s are 50 µs, 40,000 B at 2 GB/s are 20 µs, a dispatch is 5 µs.
    const work = { flops: 500_000, bytes: 40_000, dispatches: 1, microseconds: 100 };
    expect(verdict(work, peaks)).toEqual({ bound: "arithmetic", share: 0.5 });
    expect(verdict({ ...work, bytes: 160_000 }, peaks)).toEqual({ bound: "bandwidth", share: 0.8 });
    expect(verdict({ ...work, dispatches: 12 }, peaks)).toEqual({ bound: "launches", share: 0.6 });
  });

  it("adds up work of different kinds", () => {
    const parts = [
      { flops: 300_000, bytes: 0, dispatches: 1, microseconds: 50 },
      { flops: 0, bytes: 80_000, dispatches: 1, microseconds: 50 },
    ];
    expect(verdict(parts, peaks)).toEqual({ bound: "bandwidth", share: 0.7 });
  });
});

describe("groupProfile", () => {
  const entries = [
    entry({ microseconds: 60, flops: 100, bytes: 10 }),
    entry({ layer: "relu1", op: "relu", microseconds: 20 }),
    entry({ phase: "backward", microseconds: 90 }),
    entry({ layer: "conv2", microseconds: 30, flops: 50, bytes: 20 }),
  ];

  it("adds up by op, forward and backward apart, in the order of the first", () => {
    const groups = groupProfile(entries, "op", peaks);
    expect(groups.map(({ name, phase, microseconds }) => [name, phase, microseconds])).toEqual([
      ["conv2d", "forward", 90],
      ["relu", "forward", 20],
      ["conv2d", "backward", 90],
    ]);
    expect(groups[0]).toMatchObject({ flops: 150, bytes: 30, dispatches: 2, shareOfTime: 0.45 });
  });

  it("adds up by layer", () => {
    const groups = groupProfile(entries, "layer", peaks);
    expect(groups.map(({ name, phase }) => `${name} ${phase}`)).toEqual([
      "conv1 forward",
      "relu1 forward",
      "conv1 backward",
      "conv2 forward",
    ]);
  });
});

describe("chromeTrace", () => {
  it("puts dispatches one behind the other, phases in threads, profiles in processes", () => {
    const entries = [entry({ microseconds: 60 }), entry({ layer: "", phase: "backward", microseconds: 40 })];
    const { traceEvents } = chromeTrace({ one: entries, two: entries }) as {
      traceEvents: Record<string, unknown>[];
    };
    const spans = traceEvents.filter(({ ph }) => ph === "X");
    expect(spans.map(({ pid, tid, ts, dur, name }) => [pid, tid, ts, dur, name])).toEqual([
      [1, 0, 0, 60, "conv1 conv2d"],
      [1, 1, 60, 40, "conv2d"],
      [2, 0, 0, 60, "conv1 conv2d"],
      [2, 1, 60, 40, "conv2d"],
    ]);
    const names = traceEvents.filter(({ name }) => name === "process_name").map(({ args }) => args);
    expect(names).toEqual([{ name: "one" }, { name: "two" }]);
  });
});

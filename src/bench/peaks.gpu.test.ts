import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../device";
import { measurePeaks } from "./peaks";

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(() => device?.close());

test("an adapter's peaks are plausible, take seconds, and leave no memory behind", async () => {
  const start = performance.now();
  const peaks = await measurePeaks(device);
  const seconds = (performance.now() - start) / 1e3;
  console.log(device.adapter.name, peaks, `${seconds.toFixed(1)} s`);
  // Between a toy and the largest machine that there is.
  expect(peaks.gflops).toBeGreaterThan(0.5);
  expect(peaks.gflops).toBeLessThan(500_000);
  expect(peaks.gbPerSecond).toBeGreaterThan(0.2);
  expect(peaks.gbPerSecond).toBeLessThan(20_000);
  expect(peaks.launchUs).toBeGreaterThan(0);
  expect(peaks.launchUs).toBeLessThan(10_000);
  expect(seconds).toBeLessThan(30);
  expect(device.liveBytes).toBe(0);
});

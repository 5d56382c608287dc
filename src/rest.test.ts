import { expect, test } from "vitest";
import { resting } from "./rest";

const after = (ms: number) => new Promise<number>((resolve) => setTimeout(() => resolve(ms), ms));

/** Turns of the event loop while a wait lasts, something being due in each as with Dawn. */
async function turnsDuring(wait: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await wait;
  isOver = true;
  return turns;
}

test("a long wait leaves the core to others", async () => {
  // A busy loop has tens of thousands of turns in this time.
  expect(await turnsDuring(resting(after(300)))).toBeLessThan(1500);
});

test("waits that overlap share their sleeps, and what comes after them is not slowed", async () => {
  const turns = await turnsDuring(
    Promise.all([resting(after(100)), resting(after(200)), resting(after(300))]),
  );
  expect(turns).toBeGreaterThan(100);
  const before = performance.now();
  for (let k = 0; k < 1000; k++) await new Promise<void>((resolve) => setImmediate(resolve));
  expect(performance.now() - before).toBeLessThan(500);
});

test("gives the result, or the failure", async () => {
  expect(await resting(after(5))).toBe(5);
  await expect(resting(Promise.reject(new Error("lost")))).rejects.toThrow("lost");
});

test("timers are served while it waits", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  await resting(after(300));
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(10);
});

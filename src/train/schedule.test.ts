import { expect, test } from "vitest";
import { constantRate, cosineDecay, scheduleOf, stepDecay, warmUp } from "./schedule";

test("a constant rate stays", () => {
  expect([0, 1, 1e6].map(constantRate(0.1))).toEqual([0.1, 0.1, 0.1]);
});

test("step decay multiplies at every boundary, not before it", () => {
  const rate = stepDecay(1, { every: 10, gamma: 0.5 });
  expect([0, 9, 10, 19, 20, 35].map(rate)).toEqual([1, 1, 0.5, 0.5, 0.25, 0.125]);
});

test("a cosine begins at the rate, is half way at the middle, ends at the floor and stays there", () => {
  const rate = cosineDecay(2, { iterations: 100, floor: 1 });
  expect(rate(0)).toBe(2);
  expect(rate(50)).toBeCloseTo(1.5, 12);
  expect(rate(100)).toBe(1);
  expect(rate(1000)).toBe(1);
});

test("warm-up rises in equal steps to the first rate, then the schedule begins at its beginning", () => {
  const rate = warmUp(stepDecay(1, { every: 2, gamma: 0.1 }), 4);
  expect([0, 1, 2, 3].map(rate)).toEqual([0.2, 0.4, 0.6, 0.8]);
  expect([4, 5, 6].map(rate)).toEqual([1, 1, 0.1]);
});

test("a schedule by name counts the warm-up into its length", () => {
  const rate = scheduleOf({
    name: "cosine",
    lr: 1,
    iterations: 110,
    warmUpIterations: 10,
    every: 1,
    gamma: 1,
  });
  expect(rate(10)).toBe(1);
  expect(rate(60)).toBeCloseTo(0.5, 12);
  expect(rate(110)).toBe(0);
});

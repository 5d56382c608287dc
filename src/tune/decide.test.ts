import { expect, test } from "vitest";
import { decide } from "./decide";

const around = (value: number, rounds = 6) => Array.from({ length: rounds }, (_, k) => value + (k % 3) - 1);

test("the fastest by a clear margin is taken", () => {
  const times = { tiled64: around(100), tiled32: around(70), tiled128: around(80) };
  expect(decide(new Map(Object.entries(times)), "tiled64")).toBe("tiled32");
});

test("the heuristic's choice stays where another is hardly faster, or slower", () => {
  expect(decide(new Map(Object.entries({ a: around(100), b: around(96) })), "a")).toBe("a");
  expect(decide(new Map(Object.entries({ a: around(100), b: around(94) })), "a")).toBe("b");
  expect(decide(new Map(Object.entries({ a: around(100), b: around(130) })), "a")).toBe("a");
});

test("a median that few rounds bear out is noise", () => {
  const a = [100, 100, 100, 60, 60, 60];
  const b = [90, 90, 90, 61, 61, 61];
  expect(decide(new Map(Object.entries({ a, b })), "a")).toBe("a");
});

test("what was given up early cannot win by its lucky first times", () => {
  expect(decide(new Map(Object.entries({ a: around(100), b: [10, 10] })), "a")).toBe("a");
});

test("where the heuristic's own choice could not run, the fastest is taken", () => {
  expect(decide(new Map(Object.entries({ b: around(9), c: around(5) })), "a")).toBe("c");
});

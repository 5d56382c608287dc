import { expect, test } from "vitest";
import { guaranteed } from "../nn/compile";
import { relu } from "../ops/activations";
import { matmul } from "../ops/matmul";
import { planGraph } from "../plan";
import { input } from "../tensor";
import { memoryTimeline } from "./memory-timeline";

test("a value counts from the step that makes it to the last that reads it, an output to the end", () => {
  const x = input("x", [64, 64]);
  const a = matmul({ a: x, b: x }).y; // made in step 1, read in 2 and 3
  const b = matmul({ a, b: x }).y;
  const c = matmul({ a: b, b: a }).y;
  const d = matmul({ a: c, b: x }).y;
  const plan = planGraph({ outputs: { b, d: relu({ x: d }).y } }, guaranteed, guaranteed.limits);
  const each = 64 * 64 * 4;
  const { steps, bytes } = memoryTimeline(plan);
  // a; a b; a b c; b c d: relu is fused into the last.
  expect(steps.map(({ live }) => live / each)).toEqual([1, 2, 3, 3]);
  expect(steps.map(({ op }) => op)).toEqual(new Array(4).fill("matmul"));
  expect(bytes.activations).toBe(3 * each);
});

import { expect, test } from "vitest";
import { sizeOf } from "../src/tensor";
import { benchCases } from "./bench-cases";
import { specs } from "./specs";

test("every op has something to time, as large as in a network where that matters", () => {
  const cases = benchCases(specs);
  expect(new Set(cases.map(({ node }) => node.op.name))).toEqual(new Set(Object.keys(specs)));
  const titles = cases.map(({ node, why }) => `${node.op.name}: ${why}`);
  expect(new Set(titles).size).toBe(titles.length);
  const conv = cases.filter(({ node }) => node.op.name === "conv2dGradW");
  expect(conv.length).toBeGreaterThan(2);
  for (const { node } of conv) expect(sizeOf(node.inputs.x?.shape ?? [])).toBeGreaterThan(100_000);
});

test("a pattern chooses ops by name", () => {
  const names = benchCases(specs, /^matmul/).map(({ node }) => node.op.name);
  expect(new Set(names)).toEqual(new Set(["matmul", "matmulNT", "matmulTN"]));
  expect(benchCases(specs, /no such op/)).toEqual([]);
});

test("no run has the data of the one before it, and none has zeros", () => {
  const [softmax] = benchCases(specs, /^softmax$/);
  const [first, second, , fourth] = [0, 1, 2, 3].map((run) => softmax?.values(run).x);
  expect(first).toHaveLength(256_000);
  expect(first).not.toEqual(second);
  expect(fourth).toBe(first);
  expect(first?.filter((v) => v === 0).length).toBeLessThan(10);
});

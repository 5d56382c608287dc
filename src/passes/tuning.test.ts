import { expect, test } from "vitest";
import { isLowering, type Kernel } from "../kernel";
import { guaranteed } from "../nn/compile";
import { relu } from "../ops/activations";
import { biasAdd } from "../ops/bias-add";
import { conv2d, conv2dGradW } from "../ops/conv2d";
import { matmul } from "../ops/matmul";
import { fusedSteps, type GraphSpec, planGraph } from "../plan";
import { input, type Shape } from "../tensor";
import { candidatesOf, heuristicOf } from "./select";
import type { Step } from "./step";
import { isTunable, sourcesOf, stepKey, type TunedChoice } from "./tuning";

const stepsOf = (spec: GraphSpec) => fusedSteps(spec, guaranteed.limits);
const firstOf = (spec: GraphSpec): Step => {
  const [first] = stepsOf(spec);
  if (first === undefined) throw new Error("no step");
  return first;
};
const conv = (x: Shape = [1, 8, 8, 4], pad = 1): GraphSpec => {
  const { y } = conv2d({ x: input("x", x), w: input("w", [8, 3, 3, 4]), pad });
  return { outputs: { y: relu({ x: biasAdd({ x: y, b: input("b", [8]) }).y }).y } };
};
const planWith = (spec: GraphSpec, choices: Readonly<Record<string, TunedChoice>>) =>
  planGraph(spec, guaranteed, guaranteed.limits, { tuning: new Map(Object.entries(choices)) });
const choiceOf = (step: Step, kernel: string): Record<string, TunedChoice> => ({
  [stepKey(step)]: { kernel, sources: sourcesOf(step, guaranteed) },
});

test("a key says all that the work depends on, and nothing of where it stands", () => {
  expect(stepKey(firstOf(conv()))).toBe(
    "conv2d(x f32[1, 8, 8, 4], w f32[8, 3, 3, 4], stride=1,1, pad=1,1, dilation=1,1, groups=1) + biasAdd(x, b f32[8]) + relu(x)",
  );
  const keys = [conv(), conv([2, 8, 8, 4]), conv([1, 8, 8, 4], 0)].map((spec) => stepKey(firstOf(spec)));
  expect(new Set(keys).size).toBe(3);
  expect(stepKey(firstOf(conv()))).toBe(keys[0]);
});

test("the fingerprint changes with the kernels that there are to choose from", () => {
  const step = firstOf(conv());
  const same = sourcesOf(firstOf(conv()), guaranteed);
  expect(sourcesOf(step, guaranteed)).toBe(same);
  const small = { ...guaranteed, limits: { ...guaranteed.limits, maxComputeInvocationsPerWorkgroup: 64 } };
  expect(sourcesOf(step, small)).not.toBe(same);
});

test("a measured choice is taken, and the plan tells so", () => {
  const spec = conv();
  const step = firstOf(spec);
  const byRule = heuristicOf(step, guaranteed);
  const other = candidatesOf(step, guaranteed).find(
    (variant) => variant.name !== byRule && !isLowering(variant),
  );
  const plain = planWith(spec, {});
  expect(plain.steps.map(({ kernel, origin }) => [kernel.name, origin])).toEqual([[byRule, "heuristic"]]);
  const tuned = planWith(spec, choiceOf(step, other?.name ?? ""));
  expect(tuned.steps.map(({ kernel, origin }) => [kernel.name, origin])).toEqual([[other?.name, "tuned"]]);
  expect([...tuned.tuned.keys()]).toEqual([stepKey(step)]);
  expect(plain.tuned.size).toBe(0);
});

test("a lowering can be chosen, and what it lowers to has choices of its own", () => {
  const spec = conv();
  const step = firstOf(spec);
  const { steps } = planWith(spec, choiceOf(step, "im2col"));
  expect(steps.map(({ node, origin }) => [node.op.name, origin])).toEqual([
    ["im2col", "tuned"],
    ["matmulNT", "tuned"],
  ]);
  const product = steps[1] as Step;
  const both = planWith(spec, { ...choiceOf(step, "im2col"), ...choiceOf(product, "direct") });
  expect(both.steps.map(({ program }) => program.label)[1]).toMatch(/^matmulNT\/direct/);
  expect(both.tuned.size).toBe(2);
});

test.each([
  ["a kernel that there is not", (step: Step) => choiceOf(step, "nonesuch")],
  ["a kernel that the step cannot use", (step: Step) => choiceOf(step, "large")],
  [
    "a choice among other sources",
    (step: Step) => ({ [stepKey(step)]: { kernel: "direct", sources: "0123456789abcdef" } }),
  ],
  ["another shape's choice", () => choiceOf(firstOf(conv([3, 8, 8, 4])), "direct")],
])("%s is ignored", (_, choices) => {
  const spec = conv();
  const plan = planWith(spec, choices(firstOf(spec)));
  expect(plan.steps.map(({ origin }) => origin)).toEqual(["heuristic"]);
  expect(plan.tuned.size).toBe(0);
});

test("elementwise ops and what has one candidate are not measured", () => {
  const x = input("x", [1, 8, 8, 4]);
  expect(isTunable(firstOf({ outputs: { y: relu({ x }).y } }), guaranteed)).toBe(false);
  const dw = conv2dGradW({ dy: input("dy", [1, 8, 8, 8]), x, R: 5, S: 5, pad: 2 }).dw;
  expect(isTunable(firstOf({ outputs: { dw } }), guaranteed)).toBe(false);
  expect(isTunable(firstOf(conv()), guaranteed)).toBe(true);
});

test("the rules take the tile that keeps a GPU's busiest core shortest", () => {
  const kernelFor = (m: number, n: number, limits = {}) => {
    const spec = { outputs: matmul({ a: input("a", [m, 64]), b: input("b", [64, n]) }) };
    const all = { ...guaranteed.limits, ...limits };
    return planGraph(spec, { ...guaranteed, limits: all }, all).steps[0]?.kernel.name;
  };
  expect(kernelFor(4096, 4096, { maxComputeWorkgroupStorageSize: 32768 })).toBe("tiled128");
  expect(kernelFor(4096, 4096)).toBe("tiled64x128");
  expect(kernelFor(32768, 64)).toBe("tiled64");
  // 98 of the largest tiles leave a quarter of 132 cores idle.
  expect(kernelFor(6272, 256, { maxComputeWorkgroupStorageSize: 32768 })).toBe("tiled96x64");
  expect(kernelFor(1024, 512)).toBe("tiled64");
  expect(kernelFor(256, 256)).toBe("tiled32");
  // Few results, whose long sums the parts of a workgroup share where there is memory for it.
  expect(kernelFor(256, 256, { maxComputeWorkgroupStorageSize: 32768 })).toBe("dealt32");
  expect(kernelFor(65536, 24, { maxComputeWorkgroupStorageSize: 32768 })).toBe("tiled32");
  expect(kernelFor(65536, 24)).toBe("tiled32");
  expect(kernelFor(4096, 4095)).toBe("tiled64Scalar");
  expect(kernelFor(4096, 4096, { maxComputeInvocationsPerWorkgroup: 64 })).toBe("tiled32");
  expect(kernelFor(4096, 4096, { maxComputeWorkgroupStorageSize: 5000 })).toBe("tiled32");
});

test("matrix kernels come first where the adapter names what its matrix units compute", () => {
  const step = firstOf({ outputs: matmul({ a: input("a", [64, 64]), b: input("b", [64, 64]) }) });
  const { op } = step.node;
  const plain = op.kernels.at(-1) as Kernel;
  const matrix: Kernel = { ...plain, name: "matrix", family: "matrix" };
  const withMatrix: Step = {
    ...step,
    node: { ...step.node, op: Object.assign(Object.create(op), { kernels: [matrix, ...op.kernels] }) },
  };
  const config = { M: 16, N: 16, K: 16, componentType: "f16", resultComponentType: "f32" };
  expect(heuristicOf(withMatrix, { ...guaranteed, matrixConfigs: [config] })).toBe("matrix");
  expect(candidatesOf(withMatrix, guaranteed).map(({ name }) => name)).not.toContain("matrix");
});

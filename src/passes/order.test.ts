import { expect, test } from "vitest";
import { guaranteed } from "../nn/compile";
import { relu } from "../ops/activations";
import { add } from "../ops/add";
import { batchNorm } from "../ops/batch-norm";
import { biasAdd } from "../ops/bias-add";
import { movingAverage } from "../ops/moving-average";
import { sgdUpdate } from "../ops/optimizers";
import { planGraph } from "../plan";
import { input, type Tensor, variable, zeros } from "../tensor";
import { readsOf, writesOf } from "./step";

const channels = (name: string) => variable(name, [8], zeros);
const planned = (outputs: Record<string, Tensor>, updates: readonly Tensor[] = []) =>
  planGraph({ outputs, updates }, guaranteed, guaranteed.limits).steps;

/** Names of tensors that a step reads before any step made them. */
function readTooEarly(steps: ReturnType<typeof planned>): string[] {
  const made = new Set<number>();
  return steps.flatMap((step) => {
    const early = readsOf(step).filter((t) => t.node.kind === "op" && !made.has(t.id));
    for (const t of writesOf(step)) made.add(t.id);
    return early.map((t) => `${step.node.op.name} ${t.output}`);
  });
}

test("what reads a batch norm's statistics runs after it, however late its last fused node was declared", () => {
  const x = input("x", [2, 4, 4, 8]);
  const { y, mean, variance } = batchNorm({ x, gamma: channels("gamma"), beta: channels("beta") });
  const runningMean = variable("running_mean", [8], zeros, { role: "statistic" });
  const runningVariance = variable("running_var", [8], zeros, { role: "statistic" });
  const updates = [
    movingAverage({ average: runningMean, value: mean }).average,
    movingAverage({ average: runningVariance, value: variance }).average,
  ];
  const steps = planned({ z: relu({ x: y }).y }, updates);
  expect(steps.some(({ epilogue }) => epilogue.length > 0)).toBe(true);
  expect(readTooEarly(steps)).toEqual([]);
});

test("a node is not fused behind one whose other output it needs", () => {
  const x = input("x", [2, 4, 4, 8]);
  const { y, mean } = batchNorm({ x, gamma: channels("gamma"), beta: channels("beta") });
  const shifted = biasAdd({ x: relu({ x }).y, b: mean }).y;
  const steps = planned({ z: add({ a: y, b: shifted }).y });
  expect(readTooEarly(steps)).toEqual([]);
});

test("a variable is read before it is overwritten", () => {
  const x = input("x", [2, 8]);
  const p = channels("p");
  const { p: updated } = sgdUpdate({ p, g: channels("g"), lr: input("lr", []) });
  const steps = planned({ z: biasAdd({ x, b: p }).y }, [updated]);
  expect(steps.at(-1)?.node.op.name).toBe("sgdUpdate");
});

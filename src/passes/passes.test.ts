import { expect, test } from "vitest";
import { gradients } from "../autodiff";
import { guaranteed } from "../nn/compile";
import { relu } from "../ops/activations";
import { add } from "../ops/add";
import { biasAdd } from "../ops/bias-add";
import { columnSum } from "../ops/column-sum";
import { conv2d, conv2dGradW } from "../ops/conv2d";
import { maxPool } from "../ops/max-pool";
import { sgdMomentumUpdate } from "../ops/optimizers";
import { flatten } from "../ops/reshape";
import { sum } from "../ops/sum";
import { type GraphSpec, type PlanOptions, planGraph } from "../plan";
import { input, type Tensor, variable, zeros } from "../tensor";

const planOf = (spec: GraphSpec, options: PlanOptions = {}, limits = {}) =>
  planGraph(spec, guaranteed, { ...guaranteed.limits, ...limits }, options);
const labels = (spec: GraphSpec, options: PlanOptions = {}) =>
  planOf(spec, options).steps.map(({ program }) => program.label);

function layer() {
  const x = input("x", [2, 8, 8, 4]);
  const w = variable("w", [8, 3, 3, 4], zeros);
  const b = variable("b", [8], zeros);
  const y = conv2d({ x, w, pad: 1 }).y;
  return { x, w, b, y, biased: biasAdd({ x: y, b }).y };
}

test("elementwise ops are fused behind the convolution that makes their operand", () => {
  const { biased } = layer();
  const [only, ...others] = planOf({ outputs: { y: relu({ x: biased }).y } }).steps;
  expect(others).toEqual([]);
  expect(only?.epilogue.map(({ op }) => op.name)).toEqual(["biasAdd", "relu"]);
});

test("a value that somebody else reads, or that is an output, goes through memory", () => {
  const { y, biased } = layer();
  expect(labels({ outputs: { y, z: biased } })).toHaveLength(2);
  const { biased: other } = layer();
  const both = add({ a: relu({ x: other }).y, b: other }).y;
  expect(planOf({ outputs: { both } }).steps[0]?.epilogue.map(({ op }) => op.name)).toEqual(["biasAdd"]);
});

test("max pooling records places only for a gradient, or where they are asked for", () => {
  const x = input("x", [2, 8, 8, 4]);
  const { y, index } = maxPool({ x });
  const ops = (spec: GraphSpec, options?: PlanOptions) =>
    planOf(spec, options).steps.map(({ node }) => node.op.name);
  expect(ops({ outputs: { y } })).toEqual(["maxPoolValues"]);
  expect(ops({ outputs: { y: relu({ x: y }).y } }, { fuse: false })).toEqual(["maxPoolValues", "relu"]);
  expect(ops({ outputs: { y, index } })).toEqual(["maxPool"]);
  const [dx] = gradients(sum({ x: y }).y, [x]);
  if (dx === undefined) throw new Error("x has no gradient");
  expect(ops({ outputs: { y, dx } })).toContain("maxPool");
});

test("a GPU adds up many slices of a weight gradient before the filters' transform, whose threads are few", () => {
  const [dy, x] = [input("dy", [8, 56, 56, 64]), input("x", [8, 56, 56, 64])];
  const { dw } = conv2dGradW({ dy, x, R: 3, S: 3, pad: 1 });
  const { steps } = planOf({ outputs: { dw } });
  expect(steps.map(({ node }) => node.op.name).slice(-3)).toEqual([
    "batchedMatmulTNSlices",
    "sumSlices",
    "winogradFilter",
  ]);
  expect(steps.at(-1)?.node.inputs.m?.shape).toEqual([1, 36, 64, 64]);
});

test("a residual is added by the later of its two producers", () => {
  const x = input("x", [1, 6, 6, 4]);
  const branch = (name: string) => conv2d({ x, w: variable(name, [4, 3, 3, 4], zeros), pad: 1 }).y;
  const plan = planOf({ outputs: { y: add({ a: branch("first"), b: branch("second") }).y } });
  expect(plan.steps.map(({ epilogue }) => epilogue.length)).toEqual([0, 1]);
});

test("fusing stops at the storage buffers that a shader may bind", () => {
  const { biased } = layer();
  const chain = Array.from({ length: 10 }, (_, k) => input(`i${k}`, [2, 8, 8, 8])).reduce(
    (a, b) => add({ a, b }).y,
    biased,
  );
  const plan = planOf({ outputs: { chain } });
  for (const { program } of plan.steps)
    expect(program.bindings.length).toBeLessThanOrEqual(guaranteed.limits.maxStorageBuffersPerShaderStage);
  expect(plan.steps.length).toBeGreaterThan(1);
});

test("views cost nothing", () => {
  const { biased } = layer();
  expect(labels({ outputs: { y: flatten(biased) } })).toHaveLength(1);
});

test("updates of neighbouring parameters become one dispatch, after everything that reads them", () => {
  const { x, w, b, biased } = layer();
  const loss = sum({ x: relu({ x: biased }).y }).y;
  const lr = input("lr", []);
  const updates = gradients(loss, [w, b]).map((g, k) => {
    const p = [w, b][k] as Tensor;
    const m = variable(`slot${k}.momentum`, p.shape, zeros, { role: "slot" });
    return sgdMomentumUpdate({ p, g: g as Tensor, m, lr, momentum: 0.9 }).p;
  });
  const plan = planOf({ outputs: { loss }, updates });
  const last = plan.steps.at(-1);
  expect(last?.node.op.name).toBe("sgdMomentumUpdate");
  expect(last?.merged).toHaveLength(1);
  expect(plan.steps.filter(({ node }) => node.op.name === "sgdMomentumUpdate")).toHaveLength(1);
  expect(x.shape).toEqual([2, 8, 8, 4]);
});

test("gradients sum over fan-out and skip what is not asked for", () => {
  const x = input("x", [3, 4]);
  const y = add({ a: x, b: x }).y;
  const [g] = gradients(sum({ x: add({ a: y, b: x }).y }).y, [x]);
  expect(g?.shape).toEqual([3, 4]);
  const { x: image, w, biased } = layer();
  const loss = sum({ x: biased }).y;
  const [gw] = gradients(loss, [w]);
  expect(labels({ outputs: { gw: gw as Tensor } }).some((l) => l.startsWith("conv2dGradX"))).toBe(false);
  expect(gradients(loss, [input("unrelated", [1])])).toEqual([undefined]);
  expect(image.shape).toHaveLength(4);
});

test("a scalar is wanted where gradients start", () => {
  const x = input("x", [3, 4]);
  expect(() => gradients(x, [x])).toThrow(/the loss has shape \[3, 4\], expected a scalar/);
});

test("a variant can be asked for by name, and one that does not exist says why", () => {
  const { y } = layer();
  const choose = (name: string) => ({
    choose: (node: { op: { name: string } }) => (node.op.name === "conv2d" ? name : undefined),
  });
  expect(labels({ outputs: { y } }, choose("direct"))).toEqual(["conv2d/direct"]);
  expect(() => labels({ outputs: { y } }, choose("nonesuch"))).toThrow(/conv2d: no kernel named nonesuch/);
});

test("the plan is the same each time", () => {
  const text = () => {
    const x = input("x", [5, 12]);
    return planOf({ outputs: { y: columnSum({ x: add({ a: x, b: x }).y }).y } }).steps.map(
      ({ program }) => program.source,
    );
  };
  expect(text()).toEqual(text());
});

test("the pipeline's identity does not contain sizes", () => {
  const source = (n: number) => {
    const x = input("x", [n, 8, 8, 4]);
    return planOf({ outputs: { y: relu({ x }).y } }).steps[0]?.program.source;
  };
  expect(source(2)).toBe(source(7));
});

test("what cannot be bound even in windows says so with figures", () => {
  const x = input("x", [1, 4096]);
  const w = variable("w", [2048, 4096], zeros);
  const y = columnSum({ x: w }).y;
  expect(() =>
    planOf({ outputs: { y, z: add({ a: x, b: x }).y } }, {}, { maxStorageBufferBindingSize: 1024 }),
  ).toThrow(/needs .* and the adapter binds 1\.0 KiB at a time; .* use a smaller batch/);
});

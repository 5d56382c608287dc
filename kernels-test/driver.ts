import { expect } from "vitest";
import { elementwiseKernels } from "../shaders/elementwise";
import { gradients } from "../src/autodiff";
import type { Device } from "../src/device";
import { compileGraph, type Executable } from "../src/executor";
import { defineOp } from "../src/op";
import { contextOf, refusal, type Target } from "../src/passes/select";
import { streamOf, uniforms } from "../src/random";
import { formatShape, input, type OpNode, sizeOf, type Tensor } from "../src/tensor";
import type { Spec, Tolerance, Values } from "./spec";
import { type Trial, trialOf, typed } from "./trial";

/** A quiet NaN that no computation makes: what is left of it was not written. */
const poison = 0x7fc5a5a5;
const guard = 256;
/** Under this limit the variants for matrices past the binding limit are reached with small ones. */
const tight = { maxStorageBufferBindingSize: 32768 };
const limitsFor = (variant: string) => (variant === "large" ? tight : undefined);

/** Any elementwise op with an operand along the last axis: behind a kernel it shows whether `store` is told the truth. */
const perChannel = defineOp({
  name: "perChannel",
  inputs: { x: "...", b: "C" },
  outputs: { y: "..." },
  elementwise: { out: { y: "x + b" } },
  kernels: elementwiseKernels,
});

/** The variants of an op that accept a case. */
export function variantsFor(node: OpNode, target: Target): string[] {
  const contextFor = (variant: string) => {
    // A device's limits are getters, which a spread would lose.
    const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize, maxStorageBufferBindingSize } =
      target.limits;
    const limits = {
      maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupStorageSize,
      maxStorageBufferBindingSize,
      ...limitsFor(variant),
    };
    return contextOf({ node, epilogue: [] }, { ...target, limits });
  };
  return node.op.kernels
    .filter((k) => refusal(k, node, contextFor(k.name)) === undefined)
    .map(({ name }) => name);
}

async function runPoisoned(
  graph: Executable,
  { node, values }: Trial,
  extra: Readonly<Record<string, Float32Array>> = {},
) {
  const data: Record<string, Float32Array | Uint32Array> = { ...extra };
  for (const [name, t] of Object.entries(node.inputs)) {
    const own = typed(values[name] as Values, t);
    if (t.node.kind === "variable") graph.state.write(name, own as Float32Array);
    else data[name] = own;
  }
  graph.poison(poison);
  const results = await graph.run(data);
  expect(await graph.trespasses(poison)).toEqual([]);
  return results;
}

/** Runs one variant on one case and compares every output with the reference. */
export async function checkVariant(device: Device, spec: Spec, trial: Trial, variant: string): Promise<void> {
  const { node } = trial;
  const outputs = Object.entries(node.outputs).filter(([name]) => node.op.inPlace[name] === undefined);
  const updates = outputs.length === 0 ? Object.values(node.outputs) : [];
  const graph = await compileGraph(
    { outputs: Object.fromEntries(outputs), updates },
    { device, guard, limits: limitsFor(variant), choose: (n) => (n === node ? variant : undefined) },
  );
  try {
    const results: Record<string, ArrayLike<number>> = await runPoisoned(graph, trial);
    for (const [name, overwritten] of Object.entries(node.op.inPlace))
      results[name] = await graph.state.read(overwritten);
    const expected = spec.reference(trial.values, trial.sizes);
    for (const [name, t] of Object.entries(node.outputs)) {
      compare(spec, trial, name, results[name] ?? [], expected[name] ?? [], t, `${node.op.name}/${variant}`);
    }
  } finally {
    graph.close();
  }
}

/** Runs one variant with an elementwise op fused behind it. */
export async function checkEpilogue(
  device: Device,
  spec: Spec,
  trial: Trial,
  variant: string,
): Promise<void> {
  const { node } = trial;
  const [name, t] = Object.entries(node.outputs)[0] ?? [];
  if (
    name === undefined ||
    t === undefined ||
    t.dtype !== "f32" ||
    t.shape.length === 0 ||
    Object.keys(node.op.inPlace).length > 0
  )
    return;
  const channels = t.shape.at(-1) ?? 1;
  const b = input("epilogue", [channels]);
  const { y } = perChannel({ x: t, b });
  const graph = await compileGraph(
    { outputs: { y } },
    { device, guard, limits: limitsFor(variant), choose: (n) => (n === node ? variant : undefined) },
  );
  try {
    const offsets = Float32Array.from({ length: channels }, (_, c) => c + 1);
    expect(graph.plan.steps.some(({ epilogue }) => epilogue.length === 1)).toBe(true);
    const results = await runPoisoned(graph, trial, { epilogue: offsets });
    const expected = Float64Array.from(
      spec.reference(trial.values, trial.sizes)[name] ?? [],
      (v, i) => v + (offsets[i % channels] ?? 0),
    );
    const got = results.y ?? [];
    for (let i = 0; i < expected.length; i++) {
      const want = expected[i] ?? 0;
      if (!(Math.abs((got[i] ?? Number.NaN) - want) <= 1e-4 * (1 + Math.abs(want)))) {
        throw new Error(
          `${node.op.name}/${variant} with an epilogue: element ${i} of ${formatShape(t.shape)} is ${got[i]}, expected ${want}`,
        );
      }
    }
  } finally {
    graph.close();
  }
}

function compare(
  spec: Spec,
  trial: Trial,
  name: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  t: Tensor,
  what: string,
) {
  const count = sizeOf(t.shape);
  if (got.length !== count || expected.length !== count) {
    throw new Error(
      `${what}: ${name} has ${got.length} values, the reference ${expected.length}, its shape ${count}`,
    );
  }
  const allowed = t.dtype === "u32" ? () => 0 : allowance(spec, trial, name, expected);
  let worst = { i: -1, excess: 0 };
  for (let i = 0; i < count; i++) {
    const error = Math.abs((got[i] ?? Number.NaN) - (expected[i] ?? 0));
    const excess = error / Math.max(allowed(i), Number.MIN_VALUE);
    if (!(error <= allowed(i)) && !(excess <= worst.excess)) worst = { i, excess };
  }
  if (worst.i >= 0) {
    throw new Error(
      `${what}: ${name}[${worst.i}] of ${formatShape(t.shape)} is ${got[worst.i]}, the reference ${expected[worst.i]}, allowed error ${allowed(worst.i)}`,
    );
  }
}

const relative: Readonly<
  Record<Exclude<Tolerance, "copy" | "ulp1" | "ulp3" | "gemm">, readonly [rtol: number, atol: number]>
> = {
  transcendental: [1e-5, 1e-6],
  statistics: [1e-5, 1e-5],
  average: [1e-5, 1e-6],
};

function allowance(
  spec: Spec,
  { values, sizes }: Trial,
  name: string,
  expected: ArrayLike<number>,
): (i: number) => number {
  const at = (i: number) => Math.abs(expected[i] ?? 0);
  const { tolerance } = spec;
  if (tolerance === "copy") return () => 0;
  if (tolerance === "ulp1" || tolerance === "ulp3") {
    const ulps = tolerance === "ulp1" ? 1 : 3;
    return (i) => ulps * 2 ** (Math.floor(Math.log2(Math.max(at(i), 2 ** -126))) - 23);
  }
  if (tolerance === "gemm") {
    const absolute = Object.fromEntries(Object.entries(values).map(([k, v]) => [k, v.map(Math.abs)]));
    const sums = (spec.magnitude?.(values, sizes) ?? spec.reference(absolute, sizes))[name] ?? [];
    const k = spec.reduction?.(sizes) ?? 1;
    return (i) => (8 * Math.sqrt(k) + 8) * 2 ** -24 * (sums[i] ?? 0);
  }
  const [rtol, atol] = relative[tolerance];
  return (i) => atol + rtol * at(i);
}

/** Elements of each input whose gradient is compared: finite differences cost two references each. */
const samples = 24;

/** The gradient that the GPU computes against central differences of the f64 reference. */
export async function checkGradient(device: Device, spec: Spec, case_: Spec["cases"][number]): Promise<void> {
  const trial = trialOf(spec, case_);
  const { node, values, sizes } = trial;
  const wanted = Object.keys(node.inputs).filter(
    (name) => spec.gradient === undefined || (spec.gradient as readonly string[]).includes(name),
  );
  const through = spec.gradientOutputs ?? Object.keys(node.outputs).slice(0, 1);
  const cotangents = through.map((name) => {
    const t = node.outputs[name] as Tensor;
    return {
      name,
      t,
      values: uniforms(2, streamOf(`${spec.op.name}/${name}`), sizeOf(t.shape)).map((u) => 2 * u - 1),
    };
  });
  const found: Record<string, Tensor> = {};
  for (const [k, { t, name }] of cotangents.entries()) {
    const seed = input(`cotangent_${name}`, t.shape);
    gradients(
      t,
      wanted.map((w) => node.inputs[w] as Tensor),
      seed,
    ).forEach((g, w) => {
      if (g !== undefined) found[`${k}_${wanted[w]}`] = g;
    });
  }
  if (spec.gradient !== undefined && spec.gradient !== false) {
    for (const name of spec.gradient)
      expect(
        Object.keys(found).some((key) => key.endsWith(`_${name}`)),
        `${spec.op.name}: gradient of ${name}`,
      ).toBe(true);
  }
  expect(Object.keys(found).length, `${spec.op.name} declares gradients`).toBeGreaterThan(0);
  const graph = await compileGraph({ outputs: found }, { device, guard });
  try {
    const extra = Object.fromEntries(cotangents.map(({ name, values: v }) => [`cotangent_${name}`, v]));
    const used = new Set(graph.plan.inputs.map((n) => n.name));
    const results = await runPoisoned(
      graph,
      {
        ...trial,
        node: {
          ...node,
          inputs: Object.fromEntries(Object.entries(node.inputs).filter(([n]) => used.has(n))),
        },
      },
      extra,
    );
    const objective = (k: number, inputs: Readonly<Record<string, Values>>) => {
      const { name, values: v } = cotangents[k] ?? { name: "", values: [] };
      const y = spec.reference(inputs, sizes)[name] ?? [];
      let sum = 0;
      for (let i = 0; i < y.length; i++) sum += (y[i] ?? 0) * (v[i] ?? 0);
      return sum;
    };
    for (const [key, got] of Object.entries(results)) {
      const [k = "0", ...rest] = key.split("_");
      const name = rest.join("_");
      const own = values[name] as Values;
      const scale = Math.max(1, ...Array.from(got, Math.abs));
      const step = Math.max(1, Math.floor(own.length / samples));
      for (let i = 0; i < own.length; i += step) {
        const h = 1e-4;
        const moved = (by: number) => ({ ...values, [name]: own.map((v, j) => (j === i ? v + by : v)) });
        const slope = (objective(Number(k), moved(h)) - objective(Number(k), moved(-h))) / (2 * h);
        const error = Math.abs((got[i] ?? Number.NaN) - slope);
        if (!(error <= 1e-4 * Math.abs(slope) + 2e-5 * scale)) {
          throw new Error(
            `${spec.op.name}: the gradient of ${name}[${i}] is ${got[i]}, finite differences give ${slope} (${case_.why})`,
          );
        }
      }
    }
  } finally {
    graph.close();
  }
}

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../src/device";
import { compileGraph } from "../src/executor";
import { toFile } from "../src/io/layout";
import { modelNamed } from "../src/models";
import { crossEntropy } from "../src/nn/losses";
import type { Model, ModelOptions } from "../src/nn/model";
import { networkGraph } from "../src/nn/network-graph";
import { type Optimizer, sgd } from "../src/nn/optimizers";
import type { OutputData } from "../src/read-back";
import type { State } from "../src/state";
import type { Tensor, VariableRole } from "../src/tensor";
import {
  type Golden,
  type GoldenPhase,
  type GoldenSetup,
  missedOutputs,
  missedTensors,
  readGolden,
} from "./golden/figures";
import { goldenImage } from "./golden/generator";
import { writeGolden } from "./golden/start";

/** A network of ours and the fixture that PyTorch computed of the same. */
export interface ParityCase {
  readonly model: string;
  readonly fixture: string;
  readonly options?: ModelOptions;
}

/** Torchvision's names of what an auxiliary classifier gives, by ours. */
const auxiliaryNames: Readonly<Record<string, string>> = {
  aux1: "aux_logits1",
  aux2: "aux_logits2",
  AuxLogits: "aux_logits",
};

/** One test a network: outputs, gradients, statistics and parameters of a few training steps, against PyTorch's f64. */
export function testParity(cases: readonly ParityCase[]): void {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
    console.log(`adapter: ${device.adapter.name}`);
  });
  afterAll(() => device?.close());

  test.each(cases)(
    "$fixture equals PyTorch",
    async ({ model, fixture, options }) => {
      const golden = readGolden(fixture);
      const { image, classes } = golden.setup;
      const net = modelNamed(model, { classes, imageSize: image[3], ...options });
      expect(await missed(device, net, golden)).toEqual([]);
    },
    600_000,
  );
}

/** One line for every figure that a network misses. */
async function missed(device: Device, net: Model, golden: Golden): Promise<string[]> {
  const { setup, first, inference, after } = golden;
  const { seed, lr, momentum, steps } = setup;
  const batch = setup.image[0];
  const { spec, heads, gradients } = trainingGraph(net, batch, sgd({ lr, momentum }));
  const step = await compileGraph(spec, { device });
  const { state } = step;
  const misses: string[] = [];
  const note = (phase: string, lines: readonly string[]) => {
    misses.push(...lines.map((line) => `${phase}: ${line}`));
  };
  const inputs = {
    image: channelsLast(goldenImage(setup.image, seed), setup.image),
    label: Uint32Array.from(setup.labels),
    lr: Float32Array.of(lr),
  };
  const run = async (
    phase: keyof Golden,
    expected?: GoldenPhase,
    more: readonly string[] = [],
    graph = step,
  ) => {
    const results = await graph.run(inputs, [...heads, ...more]);
    const outputs = new Map(heads.map((name) => [name, results[name] ?? []]));
    if (expected !== undefined) note(phase, missedOutputs(expected.outputs, outputs));
    return results;
  };
  try {
    const start = writeGolden(state, setup);
    const results = await run("first", first, [...gradients.values()]);
    const found = new Map<string, Float32Array>();
    for (const [name, output] of gradients) found.set(name, inFile(state, name, results[output]));
    note("first", missedTensors(first.gradients ?? {}, found, { seed }));
    note("first", missedTensors(first.statistics ?? {}, await valuesOf(state, "statistic"), { seed }));
    if (steps === 0) return misses;

    await run("step 2", golden["step 2"]);
    await run("step 3", golden["step 3"]);
    const parameters = await valuesOf(state, "parameter");
    note("after", missedTensors(after?.parameters ?? {}, parameters, { seed, start }));
    note("after", missedTensors(after?.statistics ?? {}, await valuesOf(state, "statistic"), { seed }));
    using infer = await compileGraph(networkGraph(net, { batch }).spec, { device, state });
    const { logits = [] } = await infer.run({ image: inputs.image }, ["logits"]);
    note("inference", missedOutputs(inference?.outputs ?? {}, new Map([["logits", logits]])));
    // Nothing of the backward pass is left where no parameter is updated.
    const outputs = Object.fromEntries(Object.entries(spec.outputs).filter(([name]) => heads.includes(name)));
    using forward = await compileGraph({ outputs }, { device, state });
    await run("after", after, [], forward);
    return misses;
  } finally {
    step.close();
  }
}

/** A training step whose gradients and auxiliary logits are outputs as well. */
function trainingGraph(net: Model, batch: number, optimizer: Optimizer) {
  const { spec, trace } = networkGraph(net, { batch, loss: crossEntropy(), optimizer });
  const outputs: Record<string, Tensor> = { ...spec.outputs };
  for (const { name, logits } of trace.auxiliaryOutputs) outputs[auxiliaryNames[name] ?? name] = logits;
  const heads = Object.keys(outputs);
  const gradients = new Map<string, string>();
  for (const { node } of spec.updates ?? []) {
    if (node.kind !== "op" || node.inputs.g === undefined || node.inputs.p?.node.kind !== "variable")
      continue;
    const { name } = node.inputs.p.node;
    gradients.set(name, `gradient of ${name}`);
    outputs[`gradient of ${name}`] = node.inputs.g;
  }
  return { spec: { ...spec, outputs }, heads, gradients };
}

const isFloats = (data: OutputData | undefined): data is Float32Array => data instanceof Float32Array;

function inFile(state: State, name: string, values: OutputData | undefined): Float32Array {
  const info = state.variables().find((variable) => variable.name === name);
  if (info === undefined || !isFloats(values)) throw new Error(`${name}: there are no values`);
  return toFile(values, info.shape, info.layout).data;
}

async function valuesOf(state: State, role: VariableRole): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name } of state.variables(role)) values.set(name, inFile(state, name, await state.read(name)));
  return values;
}

/** From N C H W to N H W C. */
function channelsLast(image: Float32Array, [N, C, H, W]: GoldenSetup["image"]): Float32Array {
  const places = H * W;
  return new Float32Array(N * places * C).map((_, i) => {
    const [n, place, c] = [Math.floor(i / (places * C)), Math.floor(i / C) % places, i % C];
    return image[(n * C + c) * places + place] ?? 0;
  });
}

import type { Device } from "../../src/device";
import { modelNamed } from "../../src/models";
import { compile } from "../../src/nn/compile";
import { crossEntropy } from "../../src/nn/losses";
import type { Model, ModelOptions } from "../../src/nn/model";
import { sgd } from "../../src/nn/optimizers";
import { type Place, readPlace, type State } from "../../src/state";

/** A row of work.mjs that is a network. */
export interface NetworkRow {
  readonly kind: string;
  readonly part: string;
  readonly net: string;
  readonly size: number;
  readonly batch: number;
}

interface Declared {
  readonly model: string;
  readonly options?: ModelOptions;
  /** Parameters whose first update is compared. */
  readonly watch: readonly string[];
}

interface Parameter {
  readonly name: string;
}

/** What networks.mjs and parameters.mjs hold: every side is given the same. */
export interface Shared {
  readonly networks: Readonly<Record<string, Declared>>;
  readonly training: { readonly learningRate: number; readonly momentum: number };
  parametersOf(net: string, size: number): readonly Parameter[];
  valuesOf(parameter: Parameter): Float32Array;
  batchOf(row: NetworkRow, number: number): { readonly image: Float32Array; readonly label: Uint32Array };
}

/** A network of networks.mjs as Striate's own model. */
export function modelOf(net: string, size: number, { networks }: Shared): Model {
  const { model, options } = declared(net, networks);
  return modelNamed(model, { ...options, imageSize: size });
}

function declared(net: string, networks: Shared["networks"]): Declared {
  const found = networks[net];
  if (found === undefined) throw new Error(`there is no network ${net}`);
  return found;
}

function fill(state: State, { net, size }: NetworkRow, { parametersOf, valuesOf }: Shared): void {
  const names = new Set(state.variables().map(({ name }) => name));
  for (const parameter of parametersOf(net, size)) {
    if (!names.delete(parameter.name)) throw new Error(`${net} has no variable ${parameter.name}`);
    state.write(parameter.name, valuesOf(parameter));
  }
  const rest = [...names].filter((name) => !name.startsWith("optimizer."));
  if (rest.length > 0) throw new Error(`${net}: nobody gives values to ${rest.join(", ")}`);
}

async function floats(device: Device, place: Place, count: number): Promise<Float32Array> {
  return new Float32Array(await readPlace(device, place)).subarray(0, count);
}

/** Forward passes of a network, each of a batch of its own that is uploaded for it. */
export async function forwardJob(row: NetworkRow, device: Device, shared: Shared) {
  const { net, size, batch } = row;
  const network = await compile(modelOf(net, size, shared), { device, batch });
  const { executable } = network;
  fill(network.state, row, shared);
  let number = 0;
  return {
    run: async () => void (await executable.run({ image: shared.batchOf(row, number++).image }, [])),
    finish: () => device.finish(),
    results: async () => ({ logits: await floats(device, executable.output("logits"), batch * 1000) }),
    close: () => network.close(),
  };
}

/** Training steps of a network: forward, loss, backward, update. */
export async function trainingJob(row: NetworkRow, device: Device, shared: Shared) {
  const { net, size, batch } = row;
  const { learningRate, momentum } = shared.training;
  const network = await compile(modelOf(net, size, shared), {
    device,
    batch,
    loss: crossEntropy(),
    optimizer: sgd({ lr: learningRate, momentum }),
  });
  const { executable, state } = network;
  // At a cold start the first values are the engine's own, as a user's are.
  if (row.kind !== "cold") fill(state, row, shared);
  const lr = Float32Array.of(learningRate);
  let number = 0;
  return {
    run: async () => void (await executable.run({ ...shared.batchOf(row, number++), lr }, [])),
    finish: () => device.finish(),
    async results() {
      const loss = await floats(device, executable.output("loss"), 1);
      const found: Record<string, Float32Array> = { loss };
      const { watch } = declared(net, shared.networks);
      for (const parameter of shared.parametersOf(net, size)) {
        if (!watch.includes(parameter.name)) continue;
        const before = shared.valuesOf(parameter);
        const after = await state.read(parameter.name);
        found[parameter.name] = after.map((value, k) => value - (before[k] ?? Number.NaN));
      }
      return found;
    },
    close: () => network.close(),
  };
}

import { gradients } from "../../src/autodiff";
import { type Device, openDevice } from "../../src/device";
import { compileGraph } from "../../src/executor";
import { relu } from "../../src/ops/activations";
import { add } from "../../src/ops/add";
import { batchNorm } from "../../src/ops/batch-norm";
import { conv2d, conv2dGradW, conv2dGradX } from "../../src/ops/conv2d";
import { depthwiseConv2d, depthwiseConv2dGradW, depthwiseConv2dGradX } from "../../src/ops/depthwise-conv2d";
import { matmul } from "../../src/ops/matmul";
import { maxPool, maxPoolGrad } from "../../src/ops/max-pool";
import { constant, type Tensor, variable } from "../../src/tensor";
import { openPeaks } from "./peaks";
import { forwardJob, type NetworkRow, type Shared, trainingJob } from "./striate-network";

interface OpRow extends NetworkRow {
  readonly id: string;
  readonly kind: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly stride: number;
  readonly pad: number;
  readonly made?: readonly number[];
}

/** Striate on an adapter; `inputsOf` gives an op row's values, `shared` those of the networks. */
export async function openStriate(
  adapter: string | undefined,
  inputsOf: (row: OpRow) => Record<string, Float32Array>,
  shared: Shared,
) {
  const device = await openDevice({ adapter });
  return {
    name: "Striate",
    version: "checkout",
    adapter: device.adapter.name,
    isGpu: device.adapterClass === "gpu",
    /** The adapter's own description, which most drivers put their version in. */
    driver: device.adapter.description,
    /** What Dawn is to be asked for to get the same adapter. */
    dawnName: adapter === undefined ? undefined : device.adapter.name,
    async prepare(row: OpRow) {
      if (row.kind !== "network" && row.kind !== "cold") return opJob(row, device, inputsOf(row));
      return (row.part === "train" ? trainingJob : forwardJob)(row, device, shared);
    },
    openPeaks: () => openPeaks(device),
    close: async () => device.close(),
  };
}

async function opJob(row: OpRow, device: Device, values: Readonly<Record<string, Float32Array>>) {
  // Variables stay on the device, so that no run pays for an upload.
  const given = Object.fromEntries(
    Object.entries(row.inputs).map(([name, shape]) => [
      name,
      variable(name, shape, () => values[name] ?? new Float32Array()),
    ]),
  );
  const isPoolGradient = row.kind === "maxPool" && row.part === "dx";
  const outputs = isPoolGradient ? await poolGradient(row, device, given) : declareOp(row, given);
  const graph = await compileGraph({ outputs }, { device });
  let failure: unknown;
  return {
    // Not awaited, so that runs may share a submit, as those of the peers do.
    run: () =>
      void graph.run({}, []).catch((error) => {
        failure ??= error;
      }),
    async finish() {
      await device.finish();
      if (failure !== undefined) throw failure;
    },
    results: () => graph.run({}),
    close: () => graph.close(),
  };
}

/** The backward pass alone: the indices that the forward pass records are made before. */
async function poolGradient(row: OpRow, device: Device, { x, dy }: Record<string, Tensor>) {
  if (x === undefined || dy === undefined) throw new Error("max pool needs x and dy");
  const own = { window: 3, stride: row.stride, pad: row.pad };
  const forward = await compileGraph({ outputs: { index: maxPool({ x, ...own }).index } }, { device });
  const { index } = await forward.run();
  forward.close();
  if (index === undefined) throw new Error("max pool recorded no indices");
  const [, H = 0, W = 0] = x.shape;
  return { dx: maxPoolGrad({ dy, index: constant(index, dy.shape), H, W, ...own }).dx };
}

function declareOp({ kind, part, stride, pad, made = [] }: OpRow, given: Record<string, Tensor>) {
  const get = (name: string): Tensor => {
    const tensor = given[name];
    if (tensor === undefined) throw new Error(`${kind}: there is no input ${name}`);
    return tensor;
  };
  const [, H = 0, W = 0] = made;
  const one = (tensor: Tensor | undefined) => {
    if (tensor === undefined) throw new Error(`${kind}: there is no gradient`);
    return tensor;
  };
  const own = { stride, pad };
  if (kind === "gemm") return { y: matmul({ a: get("a"), b: get("b") }).y };
  if (kind === "add") return { y: add({ a: get("a"), b: get("b") }).y };
  if (kind === "conv2d") {
    if (part === "y") return { y: conv2d({ x: get("x"), w: get("w"), ...own }).y };
    if (part === "dx") return { dx: conv2dGradX({ dy: get("dy"), w: get("w"), H, W, ...own }).dx };
    return { dw: conv2dGradW({ dy: get("dy"), x: get("x"), R: made[1] ?? 0, S: made[2] ?? 0, ...own }).dw };
  }
  if (kind === "depthwise") {
    if (part === "y") return { y: depthwiseConv2d({ x: get("x"), w: get("w"), ...own }).y };
    if (part === "dx") return { dx: depthwiseConv2dGradX({ dy: get("dy"), w: get("w"), H, W, ...own }).dx };
    return { dw: depthwiseConv2dGradW({ dy: get("dy"), x: get("x"), ...filter(made), ...own }).dw };
  }
  if (kind === "maxPool") return { y: maxPool({ x: get("x"), window: 3, ...own }).y };
  if (kind === "batchNorm") {
    const { y } = batchNorm({ x: get("x"), gamma: get("gamma"), beta: get("beta") });
    const [dx, dgamma, dbeta] = gradients(y, [get("x"), get("gamma"), get("beta")], get("dy"));
    // y is an output too: else the forward pass would be left out, which the peers do compute.
    return { y, dx: one(dx), dgamma: one(dgamma), dbeta: one(dbeta) };
  }
  if (kind === "relu") {
    const { y } = relu({ x: get("x") });
    return { y, dx: one(gradients(y, [get("x")], get("dy"))[0]) };
  }
  throw new Error(`${kind} is not measured yet`);
}

/** A depthwise filter's sizes. */
const filter = ([R = 0, S = 0]: readonly number[]) => ({ R, S });

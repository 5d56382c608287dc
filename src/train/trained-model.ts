import type { Device } from "../device";
import { InputError } from "../io/errors";
import { modelNamed } from "../models";
import { compile, type InferenceNetwork } from "../nn/compile";
import { declareModel } from "../nn/model";
import { networkGraph } from "../nn/network-graph";
import { loadWeights, readCheckpoint } from "./checkpoint";
import type { CheckpointInfo } from "./checkpoint-info";
import { type Tuner, tuningOf } from "./run-tuning";

/** A network that classifies, as training left it. */
export interface TrainedModel {
  readonly network: InferenceNetwork;
  readonly info: CheckpointInfo;
}

export interface TrainedModelOptions {
  readonly device: Device;
  /** Images at a time; as in training if not given. */
  readonly batch?: number | undefined;
  /** Chooses kernels by measuring; if not given, those of the training run are used where they hold. */
  readonly tune?: Tuner | undefined;
}

/**
 * Makes the network that a checkpoint describes, with its weights: nothing but the file is needed.
 *
 * @throws InputError for a file that is no checkpoint of Striate's, or whose tensors are not its model's
 * @example
 * const { network, info } = await openTrainedModel("checkpoints/digits-lenet5/last.safetensors", { device, batch: 1 });
 */
export async function openTrainedModel(
  file: string,
  { device, batch, tune }: TrainedModelOptions,
): Promise<TrainedModel> {
  const checkpoint = await readCheckpoint(file);
  const { info } = checkpoint;
  if (info === undefined)
    throw new InputError(
      `${file}: it holds weights but does not say of which model; checkpoints of \`striate train\` do`,
    );
  const model = modelNamed(info.model, info.options);
  // Auxiliary classifiers are saved but take no part in classifying.
  const all = declareModel(model, 1, { auxiliaries: true }).trace.variables;
  const use = { batch: batch ?? info.settings.batch };
  const tuning = tune === undefined ? tuningOf(info, device) : await tune([networkGraph(model, use).spec]);
  const network = await compile(model, { ...use, device, tuning });
  try {
    loadWeights(checkpoint, network.state, { unused: (name) => all.has(name) });
  } catch (error) {
    network.close();
    throw error;
  }
  return { network, info };
}

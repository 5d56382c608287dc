import type { Device } from "../device";
import { InputError } from "../io/errors";
import { modelNamed } from "../models";
import { compile, type InferenceNetwork } from "../nn/compile";
import { declareModel } from "../nn/model";
import { loadWeights, readCheckpoint } from "./checkpoint";
import type { CheckpointInfo } from "./checkpoint-info";

/** A network that classifies, as training left it. */
export interface TrainedModel {
  readonly network: InferenceNetwork;
  readonly info: CheckpointInfo;
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
  { device, batch }: { readonly device: Device; readonly batch?: number | undefined },
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
  const network = await compile(model, { device, batch: batch ?? info.settings.batch });
  try {
    loadWeights(checkpoint, network.state, { unused: (name) => all.has(name) });
  } catch (error) {
    network.close();
    throw error;
  }
  return { network, info };
}

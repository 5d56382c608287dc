import type { Tuning } from "../passes/tuning";
import { type TuneOptions, tuneGraphs } from "../tune/tune";
import type { Model } from "./model";
import { type NetworkOptions, networkGraph } from "./network-graph";

/**
 * Measures on the device which kernels are fastest for a model at a batch size, each distinct shape once. It takes
 * seconds on a GPU; `striate/node` keeps the result on disk.
 *
 * @param options as for `compile`: the kernels of a training step are those of its loss and optimizer, too
 * @example
 * const use = { device, batch: 64, loss: crossEntropy(), optimizer: sgd({ lr: 0.1 }) };
 * const step = await compile(net, { ...use, tuning: await tune(net, use) });
 * @throws ShapeError naming the layer whose sizes do not fit; DeviceLostError
 */
export const tune = (model: Model, options: NetworkOptions & TuneOptions): Promise<Tuning> =>
  tuneGraphs([networkGraph(model, options).spec], options);

import type { Command } from "commander";
import { formatBytes } from "../errors";
import { plan } from "../nn/compile";
import { describe } from "../nn/describe";
import { crossEntropy } from "../nn/losses";
import type { Model } from "../nn/model";
import { sgd } from "../nn/optimizers";
import type { PlanBytes } from "../plan";
import { ShapeError } from "../tensor";
import { globalsOf } from "./globals";
import { addModelOptions, type ModelFlags, modelOf } from "./model-options";
import { whole } from "./numbers";
import { grouped, scaled, Terminal, table } from "./terminal";

export function addSummary(program: Command): void {
  const command = program
    .command("summary")
    .description("layers, shapes, parameters, multiply-adds and memory of a network; needs no GPU")
    .argument("<model>")
    .option("--batch-size <n>", "for the figures about memory", whole(1), 1)
    .action((name: string, flags: ModelFlags & { batchSize: number }, self: Command) => {
      const terminal = new Terminal(globalsOf(self));
      const model = modelOf(name, flags);
      const { layers, parameters, parametersWithoutAuxiliaries, macs, input, classes } = describe(model);
      const batch = flags.batchSize;
      const inference = plan(model, { batch }).bytes;
      const training = trainingBytes(model, batch);
      terminal.object({
        model: name,
        input,
        classes,
        parameters,
        parametersWithoutAuxiliaries,
        macs,
        batch,
        memory: { inference, training: training.bytes },
        layers,
      });
      terminal.result(
        table(
          ["layer", "kind", "output", "parameters", "MACs"],
          layers.map(({ layer, kind, output, parameters, macs }) => [
            layer,
            kind,
            output.slice(1).join("×"),
            grouped(parameters),
            scaled(macs),
          ]),
        ),
      );
      const alone =
        parametersWithoutAuxiliaries === parameters
          ? ""
          : ` (${grouped(parametersWithoutAuxiliaries)} without auxiliary classifiers)`;
      terminal.result(
        `${name}: input ${input.join("×")}, ${classes} classes, ${grouped(parameters)} parameters${alone}, ${scaled(macs)} MACs an image\n` +
          `memory at batch ${batch}: ${formatBytes(inference.total)} for inference, ` +
          (training.bytes === null
            ? `no training (${training.reason})`
            : `${formatBytes(training.bytes.total)} for training (SGD with momentum)`),
      );
    });
  addModelOptions(command);
}

/**
 * What training steps take, or why there are none: a batch norm behind a global pooling cannot train on one image
 * (Inception v3's auxiliary classifier), and the network is worth describing all the same.
 */
function trainingBytes(
  model: Model,
  batch: number,
): { readonly bytes: PlanBytes } | { readonly bytes: null; readonly reason: string } {
  try {
    const optimizer = sgd({ lr: 0.1, momentum: 0.9 });
    return { bytes: plan(model, { batch, loss: crossEntropy(), optimizer }).bytes };
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    return { bytes: null, reason: error.message };
  }
}

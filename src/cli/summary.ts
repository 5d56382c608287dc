import type { Command } from "commander";
import { formatBytes } from "../errors";
import { plan } from "../nn/compile";
import { describe } from "../nn/describe";
import { crossEntropy } from "../nn/losses";
import { sgd } from "../nn/optimizers";
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
      const { layers, parameters, macs, input, classes } = describe(model);
      const batch = flags.batchSize;
      const inference = plan(model, { batch }).bytes;
      const training = plan(model, {
        batch,
        loss: crossEntropy(),
        optimizer: sgd({ lr: 0.1, momentum: 0.9 }),
      }).bytes;
      terminal.object({
        model: name,
        input,
        classes,
        parameters,
        macs,
        batch,
        memory: { inference, training },
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
      terminal.result(
        `${name}: input ${input.join("×")}, ${classes} classes, ${grouped(parameters)} parameters, ${scaled(macs)} MACs an image\n` +
          `memory at batch ${batch}: ${formatBytes(inference.total)} for inference, ${formatBytes(training.total)} for training (SGD with momentum)`,
      );
    });
  addModelOptions(command);
}

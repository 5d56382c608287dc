import type { Command } from "commander";
import { classifyImages } from "../train/classify";
import { openTrainedModel } from "../train/trained-model";
import { withDevice } from "./device";
import { globalsOf } from "./globals";
import { whole } from "./numbers";
import { percent, Terminal, table } from "./terminal";

export function addClassify(program: Command): void {
  program
    .command("classify")
    .description("say what images show")
    .argument("<image...>", "JPEG, PNG, WebP, GIF or TIFF")
    .requiredOption("--checkpoint <file>", "left by `striate train`")
    .option("--top-k <n>", "classes to name", whole(1), 5)
    .action(async (files: string[], flags: { checkpoint: string; topK: number }, command: Command) => {
      const globals = globalsOf(command);
      const terminal = new Terminal(globals);
      await withDevice(globals, async (device) => {
        const { network, info } = await openTrainedModel(flags.checkpoint, { device, batch: 1 });
        try {
          const rows: string[][] = [];
          for await (const { file, predictions } of classifyImages(network, info, files, flags.topK)) {
            terminal.object({ file, predictions });
            for (const { label, probability } of predictions) rows.push([file, label, percent(probability)]);
          }
          terminal.result(table(["image", "class", "probability"], rows));
        } finally {
          network.close();
        }
      });
    });
}

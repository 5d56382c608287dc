import type { Command } from "commander";
import { openDataset } from "../data/open-dataset";
import { evaluate } from "../train/evaluate";
import { checkSameData } from "../train/open-training";
import { openTrainedModel } from "../train/trained-model";
import { withDevice } from "./device";
import { globalsOf } from "./globals";
import { whole } from "./numbers";
import { grouped, percent, Terminal, table } from "./terminal";
import { addTuneOptions, type TuningFlags, tunerOf } from "./tuning";

interface EvalFlags extends TuningFlags {
  readonly checkpoint: string;
  readonly batchSize?: number;
  readonly confusion: boolean;
  readonly onBadImage: "fail" | "skip";
}

export function addEval(program: Command): void {
  const command = program
    .command("eval")
    .description("judge a checkpoint by the test images of a data set")
    .argument("[data]", "data set; the one of the training if not given")
    .requiredOption("--checkpoint <file>", "left by `striate train`")
    .option("--batch-size <n>", "images at a time (default: as in training)", whole(1))
    .option("--confusion", "count images by true and predicted class", false)
    .option("--on-bad-image <what>", "fail or skip", "fail")
    .action((data: string | undefined, flags: EvalFlags, command: Command) =>
      evalCommand(data, flags, command),
    );
  addTuneOptions(command);
}

async function evalCommand(data: string | undefined, flags: EvalFlags, command: Command): Promise<void> {
  const globals = globalsOf(command);
  const terminal = new Terminal(globals);
  await withDevice(globals, async (device) => {
    const { network, info } = await openTrainedModel(flags.checkpoint, {
      device,
      batch: flags.batchSize,
      tune: tunerOf(flags, device, terminal),
    });
    try {
      const { classes, images } = info;
      const set = await openDataset(data ?? info.data, {
        shape: images.source,
        classes: classes.length,
        onBadImage: flags.onBadImage,
        onSkip: (error) => terminal.note(`left out: ${error.message}`),
      });
      checkSameData(info, set);
      const metrics = await evaluate(network, set.test, {
        batch: network.batch,
        classes: classes.length,
        images,
      });
      if (metrics === undefined) return;
      const { top1, top5, loss, images: count } = metrics.summary();
      const { skipped } = set.test;
      const confusion = flags.confusion ? metrics.confusion() : undefined;
      terminal.object({
        event: "result",
        model: info.model,
        data: set.name,
        accuracy: top1,
        top5,
        loss,
        images: count,
        skipped,
        checkpoint: flags.checkpoint,
        ...(confusion === undefined ? {} : { classes, confusion }),
      });
      if (confusion !== undefined)
        terminal.result(
          table(
            ["true \\ said", ...classes],
            confusion.map((row, k) => [classes[k] ?? "", ...row]),
          ),
        );
      terminal.result(
        `${grouped(count)} images, loss ${loss.toFixed(4)}${top5 === undefined ? "" : `, top-5 ${percent(top5)}`}`,
      );
      if (skipped > 0) terminal.result(`${grouped(skipped)} images left out`);
      terminal.result(`test accuracy ${percent(top1)}`);
    } finally {
      network.close();
    }
  });
}

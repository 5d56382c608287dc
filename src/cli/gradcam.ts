import { basename, extname } from "node:path";
import type { Command } from "commander";
import { compileGradCam } from "../explain/grad-cam";
import { peakOf } from "../explain/heat-map";
import { writeFileAtomic } from "../io/atomic-file";
import { explainImage } from "../train/explain-image";
import { openTrainedModel } from "../train/trained-model";
import { withDevice } from "./device";
import { UsageError } from "./failure";
import { globalsOf } from "./globals";
import { percent, Terminal } from "./terminal";

interface GradCamFlags {
  readonly checkpoint: string;
  readonly class?: string;
  readonly layer?: string;
  readonly out?: string;
}

export function addGradCam(program: Command): void {
  program
    .command("gradcam")
    .description("show where in an image a network sees a class (Grad-CAM), as a PNG picture")
    .argument("<image>", "JPEG, PNG, WebP, GIF or TIFF")
    .requiredOption("--checkpoint <file>", "left by `striate train`")
    .option("--class <name>", "name or number of the class (default: the most probable one)")
    .option(
      "--layer <name>",
      "layer to look at, as `striate summary` names it (default: the last convolution, with its activation)",
    )
    .option("-o, --out <file>", "PNG file to write (default: IMAGE-gradcam.png in this folder)")
    .action((file: string, flags: GradCamFlags, command: Command) => gradCam(file, flags, command));
}

async function gradCam(file: string, flags: GradCamFlags, command: Command): Promise<void> {
  const globals = globalsOf(command);
  const terminal = new Terminal(globals);
  const out = flags.out ?? `${basename(file, extname(file))}-gradcam.png`;
  await withDevice(globals, async (device) => {
    const { network, info } = await openTrainedModel(flags.checkpoint, { device, batch: 1 });
    try {
      const wanted = flags.class === undefined ? undefined : classNumber(flags.class, info.classes);
      const { model, state } = network;
      using maps = await compileGradCam(model, { device, state, layer: flags.layer });
      const { class: k, label, probability, map, png } = await explainImage(maps, info, file, wanted);
      await writeFileAtomic(out, png);
      const { row, column, value } = peakOf(map);
      const { height, width } = map;
      terminal.object({
        file,
        class: k,
        label,
        probability,
        layer: maps.layer,
        map: { height, width, values: [...map.values] },
        peak: { row, column, value },
        out,
      });
      terminal.result(
        `${label} (${percent(probability)}), seen by ${maps.layer} (${height}×${width}): ${out}`,
      );
      if (value === 0)
        terminal.note(`nothing in ${maps.layer} speaks for ${label}: the map is zero everywhere`);
    } finally {
      network.close();
    }
  });
}

/** A class by its name, or else by its number. */
function classNumber(text: string, classes: readonly string[]): number {
  const named = classes.indexOf(text);
  const k = named >= 0 || !/^\d+$/.test(text) ? named : Number(text);
  if (k < 0 || k >= classes.length)
    throw new UsageError(
      `gradcam: there is no class "${text}"; there are ${classes.slice(0, 10).join(", ")}${classes.length > 10 ? ` and ${classes.length - 10} more` : ""}`,
    );
  return k;
}

import type { Command } from "commander";
import type { Device } from "../device";
import type { Tuning } from "../passes/tuning";
import type { GraphSpec } from "../plan";
import { readTuning, writeTuning } from "../tune/cache";
import { type TunedShape, tuneGraphs } from "../tune/tune";
import type { Terminal } from "./terminal";

export interface TuningFlags {
  readonly tune?: boolean;
  readonly tuningCache?: string;
}

/** `--tune`, for commands that run networks. */
export const addTuneOptions = (command: Command): Command =>
  addTuningCache(
    command.option(
      "--tune",
      "measure which kernels are fastest here, where that is not known yet, and use them",
    ),
  );

export const addTuningCache = (command: Command): Command =>
  command.option(
    "--tuning-cache <folder>",
    "where measured choices are kept (default: STRIATE_TUNING, else the user's cache)",
  );

/** The choices that were measured on this adapter before. */
export const knownTuning = (
  device: Device,
  terminal: Terminal,
  { tuningCache }: TuningFlags,
): Promise<Tuning> =>
  readTuning(device.adapter, { folder: tuningCache, onProblem: (problem) => terminal.note(problem) });

export interface MeasuredTuning {
  readonly tuning: Tuning;
  /** What was measured now. */
  readonly shapes: readonly TunedShape[];
  /** Where the choices are kept; undefined where nothing was measured or could be written. */
  readonly file: string | undefined;
}

/** Measures what is not known, shows how far it is, and keeps what it found, even when it is cut short. */
export async function measureTuning(
  specs: readonly GraphSpec[],
  device: Device,
  terminal: Terminal,
  {
    tuningCache,
    known,
    isStopping,
  }: TuningFlags & { readonly known: Tuning; readonly isStopping?: () => boolean },
): Promise<MeasuredTuning> {
  const shapes: TunedShape[] = [];
  let tuning = known;
  let file: string | undefined;
  const bar = terminal.bar("tuning {bar} {value}/{total} shapes");
  let isShown = false;
  try {
    tuning = await tuneGraphs(specs, {
      device,
      known,
      isStopping,
      onProgress: (done, of) => {
        if (!isShown) bar?.start(of, done);
        isShown = true;
        bar?.setTotal(of);
        bar?.update(done);
      },
      onShape: (shape, found) => {
        shapes.push(shape);
        tuning = found;
      },
    });
  } finally {
    bar?.stop();
    if (shapes.length > 0)
      file = await writeTuning(device.adapter, tuning, {
        folder: tuningCache,
        onProblem: (problem) => terminal.note(problem),
      });
  }
  return { tuning, shapes, file };
}

/** What `--tune` makes of a command's graphs: the measured choices to compile them with; undefined without it. */
export function tunerOf(
  flags: TuningFlags,
  device: Device,
  terminal: Terminal,
  isStopping?: () => boolean,
): ((specs: readonly GraphSpec[]) => Promise<Tuning>) | undefined {
  if (flags.tune !== true) return undefined;
  return async (specs) => {
    const known = await knownTuning(device, terminal, flags);
    const { tuning, shapes, file } = await measureTuning(specs, device, terminal, {
      ...flags,
      known,
      ...(isStopping === undefined ? {} : { isStopping }),
    });
    if (file !== undefined) terminal.note(`tuning: ${shapes.length} shapes measured, kept in ${file}`);
    return tuning;
  };
}

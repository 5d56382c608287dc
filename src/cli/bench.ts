import { access, constants } from "node:fs/promises";
import { dirname } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { everyAdapter } from "../bench/bench";
import { writeBenchReport } from "../bench/report";
import { endingOf, readBenchRows, writeBenchRows } from "../bench/results-file";
import { type BenchRow, type NetworkRow, precisions } from "../bench/rows";
import { type BenchEvent, benchNetworks, benchOps } from "../bench/run";
import { traceOf } from "../bench/trace";
import { writeFileAtomic } from "../io/atomic-file";
import { InputError } from "../io/errors";
import { fileReason } from "../io/file-reason";
import { describe } from "../nn/describe";
import type { Model } from "../nn/model";
import { BenchView } from "./bench-view";
import { Interrupted, UsageError } from "./failure";
import { globalsOf } from "./globals";
import { interruptible } from "./interrupt";
import { addShapeOptions, type ModelFlags, modelOf } from "./model-options";
import { list, oneOf, whole } from "./numbers";
import { type GlobalOptions, Terminal } from "./terminal";
import { addTuneOptions, type TuningFlags, tunerOf } from "./tuning";

interface CommonFlags {
  readonly allDevices: boolean;
  readonly resultsFile?: string;
  readonly compare?: string;
}

interface BenchFlags extends CommonFlags, TuningFlags, Omit<ModelFlags, "imgSize"> {
  readonly mode: readonly ("infer" | "train" | "both")[];
  readonly batchSize: readonly number[];
  readonly imgSize?: readonly number[];
  readonly precision: readonly (typeof precisions)[number][];
  readonly numWarmIter: number;
  readonly numBenchIter: number;
  readonly profile: boolean;
  readonly trace?: string;
  readonly report?: string;
}

interface OpsFlags extends CommonFlags {
  readonly only?: RegExp;
  readonly numBenchIter: number;
}

export function addBench(program: Command): void {
  const command = program
    .command("bench")
    .description(
      "time networks: inference or training steps, throughput, memory, share of the adapter's peak",
    )
    .argument("<models...>", "networks, or `ops` to time every op by itself")
    .addOption(
      new Option("--mode <list>", "infer, train or both")
        .argParser(list(oneOf(["infer", "train", "both"])))
        .default(["both"], "both"),
    )
    .addOption(new Option("--batch-size <list>", "images a step").argParser(list(whole(1))).default([1], "1"))
    .option("--img-size <list>", "sides of the square input (default: the network's own)", list(whole(1)))
    .addOption(
      new Option("--precision <list>", precisions.join(" or "))
        .argParser(list(oneOf(precisions)))
        .default(["float32"], "float32"),
    )
    .option("--num-warm-iter <n>", "steps before the clock counts", whole(0), 10)
    .option("--num-bench-iter <n>", "samples", whole(1), 40)
    .option("--profile", "time every dispatch: layers, op kinds and what bounds them", false)
    .option("--trace <file.json>", "leave the profile as a trace for chrome://tracing or Perfetto")
    .option("--report <file.html>", "leave one page with charts that needs nothing else")
    .action((names: string[], flags: BenchFlags, self: Command) => bench(names, flags, self));
  addTuneOptions(addShapeOptions(addCommon(command)));
  const ops = command
    .command("ops")
    .description("time every op by itself, at sizes of real networks")
    .option("--only <regex>", "ops whose names match", expression)
    .option("--num-bench-iter <n>", "most samples of an op", whole(1), 40)
    .action((_flags: OpsFlags, self: Command) => opsCommand(self.opts<OpsFlags>(), self));
  addCommon(ops);
}

const addCommon = (command: Command): Command =>
  command
    .addOption(new Option("--all-devices", "on every adapter, one after the other").default(false))
    .option("--results-file <file>", "leave the rows as .csv or, with samples, as .json")
    .option("--compare <old.json>", "against older rows: the change and whether it is more than noise");

function expression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : "");
  }
}

async function bench(names: readonly string[], flags: BenchFlags, command: Command): Promise<void> {
  const globals = globalsOf(command);
  const models = names.flatMap((name) =>
    (flags.imgSize ?? [undefined]).map((imgSize) => checkedModel(name, flags, imgSize)),
  );
  const modes = (["infer", "train"] as const).filter((mode) =>
    flags.mode.some((m) => m === mode || m === "both"),
  );
  const { trace, report } = flags;
  const terminal = new Terminal(globals);
  await run<NetworkRow>(
    globals,
    flags,
    [trace, report],
    (adapters, signal, view) =>
      benchNetworks(models, {
        modes,
        batches: flags.batchSize,
        precisions: flags.precision,
        adapters,
        warm: flags.numWarmIter,
        samples: flags.numBenchIter,
        profile: flags.profile || trace !== undefined || report !== undefined,
        tune:
          flags.tune === true
            ? async (specs, device) =>
                (await tunerOf(flags, device, terminal, () => signal.aborted)?.(specs)) ?? new Map()
            : undefined,
        seed: globals.seed,
        signal,
        onProgress: (done, total) => view.progress(done, total),
      }),
    async (rows) => {
      if (trace !== undefined) await writeFileAtomic(trace, new TextEncoder().encode(traceOf(rows)));
      if (report !== undefined) await writeBenchReport(report, rows);
    },
  );
}

/** Declares the model for its own size, so that one that cannot be is refused before anything runs. */
function checkedModel(
  name: string,
  { classes, channels, width }: BenchFlags,
  imgSize: number | undefined,
): Model {
  const given = { classes, channels, width, imgSize };
  try {
    const model = modelOf(name, Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)));
    describe(model);
    return model;
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof Error)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

async function opsCommand(flags: OpsFlags, command: Command): Promise<void> {
  // The specs are the tests' own: only this command loads them.
  const [{ specs }, { benchCases }] = await Promise.all([
    import("../../kernels-test/specs"),
    import("../../kernels-test/bench-cases"),
  ]);
  const cases = benchCases(specs, flags.only);
  if (cases.length === 0)
    throw new UsageError(`no op matches ${flags.only}; there are ${Object.keys(specs).join(", ")}`);
  await run(globalsOf(command), flags, [], (adapters, signal) =>
    benchOps(cases, { adapters, signal, samples: flags.numBenchIter }),
  );
}

/** Checks everything that can be wrong with the files, then shows rows as they come and leaves them in the files. */
async function run<Row extends BenchRow>(
  globals: GlobalOptions,
  { allDevices, resultsFile, compare }: CommonFlags,
  otherFiles: readonly (string | undefined)[],
  start: (
    adapters: readonly (string | undefined)[],
    signal: AbortSignal,
    view: BenchView,
  ) => AsyncGenerator<BenchEvent<Row>>,
  finish?: (rows: readonly Row[]) => Promise<void>,
): Promise<void> {
  if (allDevices && globals.device !== undefined)
    throw new UsageError("give --device or --all-devices, not both");
  if (resultsFile !== undefined) checkEnding(resultsFile);
  for (const file of [resultsFile, ...otherFiles]) if (file !== undefined) await checkFolder(file);
  const old = compare === undefined ? undefined : await readBenchRows(compare);
  const view = new BenchView(new Terminal(globals), old);
  const rows: Row[] = [];
  const stop = new AbortController();
  await interruptible(
    () => stop.abort(new Interrupted()),
    async () => {
      const adapters = allDevices ? await everyAdapter() : [globals.device];
      try {
        for await (const event of start(adapters, stop.signal, view)) {
          view.show(event);
          if (event.kind !== "row") continue;
          rows.push(event.row);
          // After each row: whatever ends the run leaves what was measured.
          if (resultsFile !== undefined) await writeBenchRows(resultsFile, rows);
        }
      } finally {
        view.end(rows);
        if (rows.length > 0) await finish?.(rows);
      }
    },
  );
  view.throwFailures();
}

function checkEnding(file: string): void {
  try {
    endingOf(file);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Minutes of measuring must not end at a folder that is not there. */
async function checkFolder(file: string): Promise<void> {
  try {
    await access(dirname(file), constants.W_OK);
  } catch (error) {
    throw new InputError(`cannot write ${file}: ${fileReason(error)}`, { cause: error });
  }
}

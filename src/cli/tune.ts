import type { Command } from "commander";
import { spreadOf } from "../bench/statistics";
import type { Device } from "../device";
import { crossEntropy } from "../nn/losses";
import { networkGraph } from "../nn/network-graph";
import { sgd } from "../nn/optimizers";
import type { TunedShape } from "../tune/tune";
import { withDevice } from "./device";
import { Interrupted } from "./failure";
import { globalsOf } from "./globals";
import { interruptible } from "./interrupt";
import { addModelOptions, type ModelFlags, modelOf } from "./model-options";
import { whole } from "./numbers";
import { percent, Terminal, table } from "./terminal";
import { addTuningCache, knownTuning, measureTuning, type TuningFlags } from "./tuning";

interface TuneFlags extends ModelFlags, TuningFlags {
  readonly train: boolean;
  readonly batchSize: number;
  readonly force: boolean;
}

export function addTune(program: Command): void {
  const command = program
    .command("tune")
    .description(
      "measure which kernels are fastest for networks on this adapter, and keep the choices for --tune",
    )
    .argument("<model...>")
    .option("--train", "the kernels of training steps instead of inference", false)
    .option("--batch-size <n>", "images a step", whole(1), 1)
    .option("--force", "measure again what is known", false)
    .action((names: string[], flags: TuneFlags, self: Command) => tune(names, flags, self));
  addTuningCache(addModelOptions(command));
}

async function tune(names: readonly string[], flags: TuneFlags, command: Command): Promise<void> {
  const globals = globalsOf(command);
  const terminal = new Terminal(globals);
  const models = names.map((name) => ({ name, model: modelOf(name, flags) }));
  const use = flags.train ? { loss: crossEntropy(), optimizer: sgd({ lr: 0.1, momentum: 0.9 }) } : {};
  let isStopped = false;
  const stop = (signal: string) => {
    isStopped = true;
    terminal.note(`${signal}: finishing the shape at hand`);
  };
  await withDevice(globals, (device) =>
    interruptible(stop, async () => {
      let known = flags.force ? new Map() : await knownTuning(device, terminal, flags);
      for (const { name, model } of models) {
        const { spec } = networkGraph(model, { batch: flags.batchSize, ...use });
        const isStopping = () => isStopped;
        const found = await measureTuning([spec], device, terminal, { ...flags, known, isStopping });
        known = new Map([...known, ...found.tuning]);
        show(terminal, device, { model: name, train: flags.train, batch: flags.batchSize }, found.shapes);
        if (found.file !== undefined) terminal.note(`kept in ${found.file}`);
        if (isStopped) throw new Interrupted();
      }
    }),
  );
}

interface Work {
  readonly model: string;
  readonly train: boolean;
  readonly batch: number;
}

function show(terminal: Terminal, device: Device, work: Work, shapes: readonly TunedShape[]): void {
  for (const shape of shapes)
    terminal.object({ ...work, adapter: device.adapter.name, ...shapeObject(shape) });
  const title = `${work.model}, ${work.train ? "training" : "inference"}, batch ${work.batch}`;
  if (shapes.length === 0) {
    terminal.result(`${title}: nothing to measure that is not known; --force measures again`);
    return;
  }
  terminal.result(
    table(
      ["steps", "work", "kernel", "µs", "instead of", "gain", "all (µs)"],
      shapes.map((shape) => [
        shape.count,
        shortened(shape.key),
        shape.winner,
        micros(medianOf(shape, shape.winner)),
        shape.winner === shape.heuristic ? "" : shape.heuristic,
        shape.winner === shape.heuristic ? "" : percent(gainOf(shape)),
        candidateTexts(shape).join(", "),
      ]),
    ),
  );
  const sum = (of: (shape: TunedShape) => string) =>
    shapes.reduce((total, shape) => total + shape.count * medianOf(shape, of(shape)), 0) / 1000;
  const changed = shapes.filter(({ winner, heuristic }) => winner !== heuristic).length;
  terminal.result(
    `${title}: ${shapes.length} shapes measured, another kernel for ${changed}; ` +
      `${sum(({ heuristic }) => heuristic).toFixed(2)} ms by the rules, ${sum(({ winner }) => winner).toFixed(2)} ms tuned`,
  );
}

const medianOf = ({ times }: TunedShape, kernel: string): number => {
  const samples = times.get(kernel) ?? [];
  return samples.length === 0 ? Number.NaN : spreadOf(samples).median;
};

const gainOf = (shape: TunedShape): number =>
  1 - medianOf(shape, shape.winner) / medianOf(shape, shape.heuristic);

const micros = (value: number): string => value.toFixed(value < 100 ? 1 : 0);

const candidateTexts = (shape: TunedShape): string[] =>
  shape.candidates.map((name) => {
    const median = medianOf(shape, name);
    return `${name} ${Number.isNaN(median) ? "failed" : micros(median)}`;
  });

/** Without what goes without saying. */
const shortened = (key: string): string =>
  key.replace(/\bf32\[/g, "[").replace(/, (?:stride=1,1|pad=0,0|dilation=1,1|groups=1)(?=[,)])/g, "");

function shapeObject(shape: TunedShape): object {
  const candidates = shape.candidates.map((kernel) => {
    const samples = shape.times.get(kernel);
    if (samples === undefined) return { kernel, failed: shape.failed.get(kernel) };
    const { median, low, high, min } = spreadOf(samples);
    return { kernel, rounds: samples.length, us: { median, low, high, min } };
  });
  const { key, op, layer, count, heuristic, winner } = shape;
  return { key, op, layer, steps: count, heuristic, winner, candidates };
}
